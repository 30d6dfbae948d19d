package schemas

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"
)

// layout is one way to write the same row into a file.
type layout struct {
	header []string // nil: by position
	record []string
}

func drawRow(t *rapid.T, k Kind) []string {
	cell := rapid.OneOf(rapid.SampledFrom([]string{"", "", "null", `\N`, "1", "-1", "2024-05-01 09:00:00", "1970-01-01 08:00:00", "x,y", `"`}), rapid.StringMatching(`[a-z0-9 ]{0,8}`))
	record := rapid.SliceOfN(cell, len(k.Columns()), len(k.Columns())+2).Draw(t, "record")
	for i, c := range k.Columns() {
		if c.Name == "id" || c.Name == "call_id" {
			record[i] = rapid.SampledFrom([]string{"1", "2"}).Draw(t, c.Name)
		}
	}
	return record
}

// drawLayout writes record another way: columns in another order, header names
// spelled differently, cells padded, nulls spelled differently.
func drawLayout(t *rapid.T, k Kind, record []string) layout {
	names := columnNames(k)
	for i := len(names); i < len(record); i++ {
		names = append(names, fmt.Sprintf("new column %d", i))
	}
	order := rapid.Permutation(indexes(len(record))).Draw(t, "order")
	l := layout{}
	for _, i := range order {
		name := names[i]
		if rapid.Bool().Draw(t, "spelling") {
			name = " " + strings.ToUpper(strings.ReplaceAll(name, "_", ""))
		}
		if name == "developer" {
			name = "Developer_ID"
		}
		l.header, l.record = append(l.header, name), append(l.record, drawCell(t, record[i]))
	}
	return l
}

func drawCell(t *rapid.T, cell string) string {
	if isNull(trimCell(cell)) {
		cell = rapid.SampledFrom([]string{"", "null", "NULL", `\N`}).Draw(t, "null")
	}
	return rapid.SampledFrom([]string{"", " ", "\t "}).Draw(t, "padding") + cell + rapid.SampledFrom([]string{"", "  ", "\x00"}).Draw(t, "padding")
}

func indexes(n int) []int {
	out := make([]int, n)
	for i := range out {
		out[i] = i
	}
	return out
}

func identify(e *RowEncoder, l layout) (RowIdentity, error) {
	if err := e.Header(l.header); err != nil {
		return RowIdentity{}, err
	}
	return e.Identify(l.record)
}

// TestRowIdentityIndependence: the same row has the same id however the file is
// laid out.
func TestRowIdentityIndependence(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		k := rapid.SampledFrom(Kinds()).Draw(rt, "kind")
		record := drawRow(rt, k)
		want, err := identify(testEncoder(t, k, nil), layout{nil, record})
		if err != nil {
			rt.Fatal(err)
		}
		got, err := identify(testEncoder(t, k, time.FixedZone("", 3600)), drawLayout(rt, k, record))
		if err != nil {
			rt.Fatal(err)
		}
		if diff := cmp.Diff(want, got); diff != "" {
			rt.Fatal(diff)
		}
	})
}

// TestRowIdentityBites: an encoder that hashes cells by place must fail the
// check above.
func TestRowIdentityBites(t *testing.T) {
	record := strings.Split(testRecords[KindSkill], ",")
	turned := layout{columnNames(KindSkill), slices.Clone(record)}
	slices.Reverse(turned.header)
	slices.Reverse(turned.record)
	want, _ := identify(testEncoder(t, KindSkill, nil), layout{nil, record})
	if got, err := identify(testEncoder(t, KindSkill, nil), turned); err != nil || got != want {
		t.Errorf("turned row: %+v, %v, want %+v", got, err, want)
	}
	broken := testEncoder(t, KindSkill, nil)
	if err := broken.Header(turned.header); err != nil {
		t.Fatal(err)
	}
	broken.byPosition()
	if got, err := broken.Identify(turned.record); err == nil && got == want {
		t.Error("hashing by place goes unnoticed")
	}
}

// TestRowIdentityDistinguishes: different values, different ids; identical rows
// get the ordinals 1..n whatever lies between them.
func TestRowIdentityDistinguishes(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		k := rapid.SampledFrom(Kinds()).Draw(rt, "kind")
		distinct := rapid.SliceOfN(rapid.Custom(func(rt *rapid.T) []string { return drawRow(rt, k) }), 1, 4).Draw(rt, "rows")
		file := rapid.SliceOfN(rapid.SampledFrom(distinct), 1, 20).Draw(rt, "file")
		e := testEncoder(t, k, nil)
		counts, ids := map[string]int{}, map[string]bool{}
		for _, record := range file {
			id, err := e.Identify(record)
			if err != nil {
				rt.Fatal(err)
			}
			values := fmt.Sprintf("%q", canonical(k, record))
			counts[values]++
			if id.Ordinal != counts[values] {
				rt.Fatalf("ordinal %d of %s, want %d", id.Ordinal, values, counts[values])
			}
			if ids[id.ID] {
				rt.Fatalf("id %s comes twice", id.ID)
			}
			ids[id.ID] = true
		}
	})
}

// canonical is what a row says: an oracle that is simpler than the encoder.
func canonical(k Kind, record []string) (out []string) {
	columns := k.Columns()
	for i, cell := range record[:len(columns)] {
		text := strings.Trim(cell, " \t\x00")
		if slices.Contains([]string{"", "null", "NULL", `\N`}, text) || columns[i].Type >= Time && strings.HasPrefix(text, "1970-01-01") {
			text = ""
		}
		out = append(out, text)
	}
	var extra []string
	for _, cell := range record[len(columns):] {
		if text := strings.Trim(cell, " \t\x00"); !slices.Contains([]string{"", "null", "NULL", `\N`}, text) {
			extra = append(extra, text)
		}
	}
	slices.Sort(extra)
	return append(out, extra...)
}
