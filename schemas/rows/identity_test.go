package rows

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"aiccbridge/schemas"
	"aiccbridge/schemas/internal/schematest"
)

// layout is one way to write the same row into a file.
type layout struct {
	header []string // nil: by position
	record []string
}

// drawRow draws a row with extra cells, at most as many as said.
func drawRow(t *rapid.T, k schemas.Kind, extra int) []string {
	cell := rapid.OneOf(rapid.SampledFrom([]string{"", "", "null", `\N`, "1", "-1", "2024-05-01 09:00:00", "1970-01-01 08:00:00", "x,y", `"`}), rapid.StringMatching(`[a-z0-9 ]{0,8}`))
	record := rapid.SliceOfN(cell, len(Columns(k)), len(Columns(k))+extra).Draw(t, "record")
	for i, c := range Columns(k) {
		if c.Required {
			record[i] = rapid.SampledFrom([]string{"1", "2"}).Draw(t, c.Name)
		}
	}
	return record
}

// drawLayout writes record another way: columns in the order given, header names
// spelled differently, cells padded, nulls and times spelled differently.
func drawLayout(t *rapid.T, k schemas.Kind, record []string, order []int) layout {
	columns := Columns(k)
	l := layout{}
	for _, i := range order {
		name, cell := fmt.Sprintf("new column %d", i), record[i]
		if i < len(columns) {
			name = columns[i].Name
			if columns[i].Type.isTime() {
				cell = drawTime(t, cell)
			}
			if rapid.Bool().Draw(t, "spelling") {
				name = " " + strings.ToUpper(strings.ReplaceAll(name, "_", ""))
			}
		}
		if name == "developer" {
			name = "Developer_ID"
		}
		l.header, l.record = append(l.header, name), append(l.record, drawCell(t, cell))
	}
	return l
}

func drawTime(t *rapid.T, cell string) string {
	if cell != "2024-05-01 09:00:00" {
		return cell
	}
	return rapid.SampledFrom([]string{cell, "2024/05/01 09:00:00", "2024-05-01T09:00:00", "2024/05/01T09:00:00.0", cell + ".000000000"}).Draw(t, "time")
}

// drawOrder draws an order of n columns that is not the documented one.
func drawOrder(t *rapid.T, n int) []int {
	order := rapid.Permutation(indexes(n)).Draw(t, "order")
	if order[0] == 0 {
		slices.Reverse(order)
	}
	return order
}

// drawTurned draws a row in any order.
func drawTurned(t *rapid.T, k schemas.Kind) layout {
	record := drawRow(t, k, 2)
	return drawLayout(t, k, record, rapid.Permutation(indexes(len(record))).Draw(t, "order"))
}

func drawCell(t *rapid.T, cell string) string {
	if isNull(trimCell(cell)) {
		cell = rapid.SampledFrom([]string{"", "null", "NULL", `\N`}).Draw(t, "null")
	}
	return rapid.SampledFrom([]string{"", " ", "\t "}).Draw(t, "padding") + cell + rapid.SampledFrom([]string{"", "  ", "\x00"}).Draw(t, "padding")
}

func identify(e *Encoder, l layout) (Identity, error) {
	if err := e.Header(l.header); err != nil {
		return Identity{}, err
	}
	return e.Identify(l.record)
}

// TestRowIdentityIndependence: the same row has the same id, key and body however
// the file is laid out, and the same rest: with extra cells that holds for the documented
// order, with and without a header line, and for all other orders among themselves.
func TestRowIdentityIndependence(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		k := rapid.SampledFrom(schemas.Kinds()).Draw(rt, "kind")
		record := drawRow(rt, k, rapid.SampledFrom([]int{0, 3}).Draw(rt, "extra"))
		plain, documented := layout{nil, record}, indexes(len(record))
		same := func(a, b layout) {
			t.Helper()
			one, other := testEncoder(t, k, nil), testEncoder(t, k, nil)
			want, err := identify(one, a)
			if err != nil {
				rt.Fatal(err)
			}
			got, err := identify(testEncoder(t, k, time.FixedZone("", 3600)), b) // the zone does not count
			if err != nil {
				rt.Fatal(err)
			}
			if err := other.Header(b.header); err != nil {
				rt.Fatal(err)
			}
			if diff := cmp.Diff(want, got); diff != "" {
				rt.Fatalf("%q and %q: %s", a, b, diff)
			}
			if rest := one.Rest(a.record); rest != other.Rest(b.record) || !other.SameRest(b.record, rest) {
				rt.Fatalf("%q and %q: rest %s and %s", a, b, rest, other.Rest(b.record))
			}
			if diff := cmp.Diff(known(t, one, a.record), known(t, other, b.record)); diff != "" {
				rt.Fatalf("bodies of %q and %q: %s", a, b, diff)
			}
		}
		same(plain, drawLayout(rt, k, record, documented))
		mixed := drawLayout(rt, k, record, drawOrder(rt, len(record)))
		same(mixed, drawLayout(rt, k, record, drawOrder(rt, len(record))))
		if len(record) == len(Columns(k)) {
			same(plain, mixed)
		}
	})
}

// known is the body of a record without its extra cells and what is the bridge's own.
func known(t testing.TB, e *Encoder, record []string) map[string]any {
	t.Helper()
	got := body(t, e, record)
	for _, name := range []string{"tenant", "kind", "window", "extra", "row"} {
		delete(got, name)
	}
	return got
}

// TestTimesAreOneValue: a time counts as what it says, not as it is written.
func TestTimesAreOneValue(t *testing.T) {
	id := func(text string) string {
		t.Helper()
		record := strings.Split(schematest.Records[schemas.KindCDR], ",")
		record[11] = text // call_begin
		got, err := testEncoder(t, schemas.KindCDR, nil).Identify(record)
		if err != nil {
			t.Fatal(err)
		}
		return got.ID
	}
	for _, group := range [][]string{
		{"2024-05-01 09:01:00", "2024/05/01 09:01:00", "2024-05-01T09:01:00", "2024-05-01 09:01:00.000", "2024/05/01T09:01:00.0"},
		{"2024-05-01 09:01:00.5", "2024-05-01T09:01:00.500"},
		{"2024-05-01 09:01:01"}, {"2024-05-01 09:01:00.005"}, {"1714554060000"}, {"soon"}, {"2024-05-01 09:01"}, {"2024-05-01  09:01"},
	} {
		for _, text := range group {
			if id(text) != id(group[0]) {
				t.Errorf("%s and %s give two ids", group[0], text)
			}
		}
		for _, other := range []string{"2024-05-01 09:01:00", "2024-05-01 09:01:00.500"} {
			if !slices.Contains(group, other) && group[0] != "2024-05-01 09:01:00.5" && id(group[0]) == id(other) {
				t.Errorf("%s and %s give one id", group[0], other)
			}
		}
	}
}

// TestRowIdentityBites: an encoder that hashes cells by place must fail the
// check above.
func TestRowIdentityBites(t *testing.T) {
	record := strings.Split(schematest.Records[schemas.KindSkill], ",")
	turned := layout{columnNames(schemas.KindSkill), slices.Clone(record)}
	slices.Reverse(turned.header)
	slices.Reverse(turned.record)
	want, _ := identify(testEncoder(t, schemas.KindSkill, nil), layout{nil, record})
	if got, err := identify(testEncoder(t, schemas.KindSkill, nil), turned); err != nil || got != want {
		t.Errorf("turned row: %+v, %v, want %+v", got, err, want)
	}
	broken := testEncoder(t, schemas.KindSkill, nil)
	if err := broken.Header(turned.header); err != nil {
		t.Fatal(err)
	}
	broken.byPosition()
	if got, err := broken.Identify(turned.record); err == nil && got == want {
		t.Error("hashing by place goes unnoticed")
	}
}

// TestRowIdentityDistinguishes: different values in the shared columns, different ids;
// rows that are alike in them get the ordinals 1..n whatever lies between.
func TestRowIdentityDistinguishes(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		k := rapid.SampledFrom(schemas.Kinds()).Draw(rt, "kind")
		distinct := rapid.SliceOfN(rapid.Custom(func(rt *rapid.T) []string { return drawRow(rt, k, 2) }), 1, 4).Draw(rt, "rows")
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
func canonical(k schemas.Kind, record []string) (out []string) {
	columns := Columns(k)
	for i, cell := range record[:columnSets[k].shared()] {
		text := strings.Trim(cell, " \t\x00")
		if slices.Contains([]string{"", "null", "NULL", `\N`}, text) || columns[i].Type >= Time && strings.HasPrefix(text, "1970-01-01") {
			text = ""
		}
		out = append(out, text)
	}
	return out
}

func TestConceal(t *testing.T) {
	names, _ := schemas.NewNames("aicc")
	f := schemas.FileReady{Tenant: "acme", FileName: "20260101_" + strings.Repeat("0", 32) + ".zip", ReceivedAt: time.Unix(1, 0)}
	for _, c := range []struct {
		name                 string
		header, record, want []string
		columns              []string
	}{
		{"by position", nil, []string{"ak", "", " 7 ", "NULL", "c1", "5550123\x00", "-1"}, []string{"ak", "", " 7 ", "NULL", "", "<5550123>", "-1"},
			[]string{"developer", "cc_id", "call_id", "caller_no", "callee_no"}},
		{"by header", []string{"CallerNo", "Call ID", "note", ""}, []string{"5550123", "c1", "n", "e"}, []string{"<5550123>", "", "n", "e"},
			[]string{"caller_no", "call_id", "note", "col4"}},
		{"more cells than names", []string{"caller_no", "call_id"}, []string{"", "c1", "x"}, []string{"", "", "x"}, []string{"call_id", "col3"}},
	} {
		e := NewEncoder(names, f, schemas.KindCDR, Options{})
		if err := e.Header(c.header); err != nil {
			t.Fatal(err)
		}
		var asked []string
		e.Conceal(c.record, func(column, value string) (string, bool) {
			asked = append(asked, column)
			if column == "caller_no" {
				value = "<" + value + ">"
			}
			return value, column != "call_id"
		})
		if diff := cmp.Diff(c.want, c.record); diff != "" {
			t.Errorf("%s: %s", c.name, diff)
		}
		if diff := cmp.Diff(c.columns, asked); diff != "" {
			t.Errorf("%s: %s", c.name, diff)
		}
	}
}

// TestTheSettingOfAnEditionChangesNoId: whichever edition a member without a header line is
// said to be of, its rows have the same ids, and say the same beyond them.
func TestTheSettingOfAnEditionChangesNoId(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		k := rapid.SampledFrom(schemas.Kinds()).Draw(t, "kind")
		record := make([]string, rapid.IntRange(1, 33).Draw(t, "cells"))
		for i := range record {
			record[i] = rapid.SampledFrom([]string{"", "7", "a", "2024-05-01 09:00:30", "NULL", "1970-01-01 00:00:00"}).Draw(t, "cell")
		}
		for i, c := range Columns(k) {
			if c.Required && i < len(record) {
				record[i] = "1"
			}
		}
		var ids []Identity
		var rests []string
		for _, edition := range append([]int{0}, columnSets[schemas.KindCDR].widths...) {
			e := NewEncoder(schemas.Names{}, schemas.FileReady{}, k, Options{Edition: edition})
			id, err := e.Identify(record)
			if errors.Is(err, ErrNoIdentity) {
				return
			}
			ids, rests = append(ids, id), append(rests, e.Rest(record))
		}
		if len(slices.Compact(ids)) != 1 || len(slices.Compact(rests)) != 1 {
			t.Errorf("%s %q: ids %+v, rests %q", k, record, ids, rests)
		}
	})
}
