package rows

import (
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"aiccbridge/schemas"
	"aiccbridge/schemas/internal/schematest"
)

// laidOut is a full record as an edition writes it: with a header line or without one,
// in the documented order or turned round.
func laidOut(k schemas.Kind, record []string, width int, header, turned bool) layout {
	l := layout{record: slices.Clone(record[:width])}
	if header {
		l.header = columnNames(k)[:width]
	}
	if header && turned {
		slices.Reverse(l.header)
		slices.Reverse(l.record)
	}
	return l
}

// TestEditions: a row has one id whatever edition wrote it and however it lies in the
// file, and what it says in one edition is what it says in every other that has the cell.
func TestEditions(t *testing.T) {
	for _, k := range schemas.Kinds() {
		widths := columnSets[k].widths
		full := strings.Split(schematest.Records[k], ",")
		identities, rests := map[Identity]bool{}, map[string]bool{}
		for _, width := range widths {
			var bodies []map[string]any
			for _, l := range []layout{laidOut(k, full, width, false, false), laidOut(k, full, width, true, false), laidOut(k, full, width, true, true)} {
				e := testEncoder(t, k, nil)
				id, err := identify(e, l)
				if err != nil {
					t.Fatal(err)
				}
				identities[id] = true
				rests[e.Rest(l.record)] = true
				for rest := range rests { // of this edition and older ones
					if !e.SameRest(l.record, rest) {
						t.Errorf("%s, %d columns: the rest %s of another edition looks changed", k, width, rest)
					}
				}
				bodies = append(bodies, known(t, testedHeader(t, k, l), l.record))
			}
			for _, b := range bodies[1:] {
				if diff := cmp.Diff(bodies[0], b); diff != "" {
					t.Errorf("%s, %d columns: %s", k, width, diff)
				}
			}
		}
		if len(identities) != 1 || len(rests) != len(widths) {
			t.Errorf("%s: %d identities, %d rests of %d editions", k, len(identities), len(rests), len(widths))
		}
	}
}

func testedHeader(t *testing.T, k schemas.Kind, l layout) *Encoder {
	t.Helper()
	e := testEncoder(t, k, nil)
	if err := e.Header(l.header); err != nil {
		t.Fatal(err)
	}
	return e
}

// TestRestNoticesChanges: a change in a cell that ids leave out is seen in files that have
// the cell, and only there.
func TestRestNoticesChanges(t *testing.T) {
	const k = schemas.KindCDR
	full := append(strings.Split(schematest.Records[k], ",")[:29], "thirtieth", "")
	for _, width := range []int{18, 19, 21, 23, 29, 30, 31} {
		stored := testEncoder(t, k, nil).Rest(full[:width])
		for place := 18; place < len(full); place++ {
			changed := slices.Clone(full)
			changed[place] = "9999"
			for _, now := range []int{18, 21, 29, 31} {
				want := place < width && width <= now
				if got := !testEncoder(t, k, nil).SameRest(changed[:now], stored); got != want {
					t.Errorf("place %d of a row with %d columns, now %d: change seen %t, want %t", place+1, width, now, got, want)
				}
			}
		}
	}
}

// TestRestOfNamedExtras: behind a header line of another order, cells without a documented
// column count by their names.
func TestRestOfNamedExtras(t *testing.T) {
	names, record := columnNames(schemas.KindSkill), strings.Split(schematest.Records[schemas.KindSkill], ",")
	slices.Reverse(names)
	slices.Reverse(record)
	rest := func(extra ...string) string { // name=value
		l := layout{slices.Clone(names), slices.Clone(record)}
		for _, cell := range extra {
			name, value, _ := strings.Cut(cell, "=")
			l.header, l.record = append(l.header, name), append(l.record, value)
		}
		return testedHeader(t, schemas.KindSkill, l).Rest(l.record)
	}
	for name, c := range map[string]struct {
		a, b string
		same bool
	}{
		"turned":          {rest("x=1", "y=2"), rest("y=2", "x=1"), true},
		"exchanged":       {rest("x=1", "y=2"), rest("x=2", "y=1"), false},
		"none":            {rest(), "", true},
		"no name, turned": {rest("=1", "=2"), rest("=2", "=1"), false},
	} {
		if (c.a == c.b) != c.same {
			t.Errorf("%s: %s and %s, same: want %t", name, c.a, c.b, c.same)
		}
	}
}

// TestRestIsLenient: a stored rest that says nothing stops nothing.
func TestRestIsLenient(t *testing.T) {
	record := strings.Split(schematest.Records[schemas.KindCDR], ",")
	for _, stored := range []string{"", "-", "x-1", "99-00000000"} {
		if !testEncoder(t, schemas.KindCDR, nil).SameRest(record, stored) {
			t.Errorf("%q looks changed", stored)
		}
	}
}
