package rows

import (
	"errors"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"aiccbridge/schemas"
)

// cells makes a record: so many words after those given.
func cells(words int, given ...string) []string {
	return append(given, slices.Repeat([]string{"word"}, words)...)
}

func TestNamesColumns(t *testing.T) {
	for _, tt := range []struct {
		kind   schemas.Kind
		record []string
		want   bool
		err    error
	}{
		{schemas.KindCDR, columnNames(schemas.KindCDR), true, nil},
		{schemas.KindCDR, []string{"Call ID", "agentId"}, true, nil},
		{schemas.KindOperation, []string{"id", "call_id"}, true, nil},
		{schemas.KindCDR, []string{"call_id"}, false, nil},
		{schemas.KindCDR, []string{"call_id", "word", "word"}, false, nil},
		{schemas.KindCDR, cells(2, "developer", "call_id", "agent_id"), true, nil},
		{schemas.KindCDR, cells(3, "developer", "call_id", "agent_id"), false, nil}, // half of it is not enough
		{schemas.KindCDR, []string{"call_id", "agent_id", "", "null", " "}, true, nil},
		{schemas.KindCDR, cells(3, "call_id", "agent_id", "17"), false, ErrTwoLines},
		{schemas.KindCDR, cells(3, "call_id", "agent_id", "2024-05-01 09:00:00"), false, ErrTwoLines},
		{schemas.KindCDR, cells(4, "call_id", "agent_id", "17"), false, nil}, // two words that happen to be names
		{schemas.KindCDR, strings.Split("d,1,2,101,17-1,1,2", ","), false, nil},
	} {
		got, err := NamesColumns(tt.kind, tt.record)
		if got != tt.want || !errors.Is(err, tt.err) {
			t.Errorf("%s %q: %t, %v, want %t, %v", tt.kind, tt.record, got, err, tt.want, tt.err)
		}
	}
}

// A header line of names that are not documented is known by what does not stand in it.
func TestIsHeaderWithoutKnownNames(t *testing.T) {
	for record, want := range map[string]bool{
		",,,,,,,begin":           true,
		",,,,,,,begin1":          true,
		",,,,,,,begin123":        true,
		",,,,,,,begin2006":       false, // a time, in a way
		"5,,,,,,,begin":          true,
		",,,,0,,,begin":          false, // no name of a call's id
		",,,,9,,,begin":          false,
		",,,,+9,,,begin":         false,
		",,,,-,,,begin":          true,
		",,,,/,,,begin":          true,
		",,,,:,,,begin":          true,
		",,,,,,,begin,,,,,,5":    false, // device_type is a number
		",,,,,,,begin,,,,,,type": true,
		",,,,,,,n/a":             false,
		strings.Repeat("name,", len(Columns(schemas.KindCDR))) + "another": true,
	} {
		if got := IsHeader(schemas.KindCDR, strings.Split(record, ",")); got != want {
			t.Errorf("%s: %t", record, got)
		}
	}
}

func TestDocumented(t *testing.T) {
	for header, want := range map[string]bool{
		"developer,account_id,cc_id": true,
		"developer,new,cc_id":        true,
		"new,developer":              false,
		"account_id,developer":       false,
		"developer,call_id":          false,
		"call_id,call_id":            false,
	} {
		if got := Documented(schemas.KindCDR, strings.Split(header, ",")); got != want {
			t.Errorf("%s: %t", header, got)
		}
	}
}

func TestFit(t *testing.T) {
	const clock = "2024-05-01 09:00:00"
	times := func(cells int, values ...string) []string { // from the place of wait_begin
		return append(slices.Concat(make([]string, 7), values), make([]string, cells-7-len(values))...)
	}
	for name, tt := range map[string]struct {
		record []string
		fits   bool
	}{
		"nothing":                               {make([]string, 21), false},
		"two names":                             {[]string{"call_id", "agent_id"}, true},
		"two names among a few words":           {cells(6, "call_id", "agent_id"), true},
		"two names among some words":            {cells(18, "call_id", "agent_id"), true},
		"two names among too many":              {cells(21, "call_id", "agent_id"), false},
		"one name":                              {[]string{"call_id"}, false},
		"words":                                 {cells(21), false},
		"a time":                                {times(8, clock), true},
		"two times":                             {times(9, clock, clock), true},
		"a time and a word":                     {times(9, clock, "word"), false},
		"a time and a word, and all its cells":  {times(21, clock, "word"), true},
		"a time and a word, and one cell less":  {times(20, clock, "word"), false},
		"a time too many":                       {append(times(len(Columns(schemas.KindCDR))), clock), false},
		"a time, two words, and all its cells":  {times(21, clock, "word", "word"), true},
		"a time, four words, and all its cells": {times(21, clock, "word", "word", "word", "word"), false},
	} {
		if got := Fit(schemas.KindCDR, tt.record); (got > 0) != tt.fits {
			t.Errorf("%s: %d", name, got)
		}
	}
	if whole, half := Fit(schemas.KindCDR, columnNames(schemas.KindCDR)), Fit(schemas.KindCDR, columnNames(schemas.KindCDR)[:10]); whole <= half {
		t.Errorf("all names fit %d, half of them %d", whole, half)
	}
}

func TestTells(t *testing.T) {
	for _, tt := range []struct {
		header []string
		record string
		want   bool
	}{
		{nil, "d,,,,17-1", true}, {nil, "d,,,17-1", false}, {nil, "d,,,,null", false},
		{[]string{"call_id", "developer"}, "17-1,d", true}, {[]string{"call_id", "developer"}, ",d", false},
	} {
		tells, err := Tells(schemas.KindCDR, tt.header)
		if err != nil {
			t.Fatal(err)
		}
		if got := tells(strings.Split(tt.record, ",")); got != tt.want {
			t.Errorf("%q %s: %t", tt.header, tt.record, got)
		}
	}
	if _, err := Tells(schemas.KindCDR, []string{"developer"}); err == nil {
		t.Error("a header that tells no rows apart")
	}
}

func TestSameNames(t *testing.T) {
	a := []string{"developer", "call_id"}
	for _, tt := range []struct {
		b    []string
		want bool
	}{
		{[]string{"\ufeffdeveloper", " call_id\x00"}, true},
		{[]string{"developer", "callId"}, false}, {[]string{"call_id", "developer"}, false}, {a[:1], false},
	} {
		if got := SameNames(a, tt.b); got != tt.want {
			t.Errorf("%q: %t", tt.b, got)
		}
	}
}

func TestARecordShorterThanItsHeader(t *testing.T) {
	e := testEncoder(t, schemas.KindCDR, nil)
	if err := e.Header([]string{"call_id", "new", "newer"}); err != nil {
		t.Fatal(err)
	}
	for _, record := range [][]string{{"17-1"}, {"17-1", "x"}} {
		if _, err := e.Identify(record); err != nil {
			t.Errorf("%q: %v", record, err)
		}
	}
}

// Whether a cell is a column's name is told as by folding it and looking it up.
func TestNamesOne(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		k := rapid.SampledFrom(schemas.Kinds()).Draw(t, "kind")
		known := map[string]bool{}
		for _, name := range columnNames(k) {
			known[headerAlias(name)] = true
		}
		names := append(columnNames(k), "vdn", "vdn_id", "developer", "developer_id", "", "x")
		cell := rapid.SampledFrom(names).Draw(t, "name")
		for _, r := range rapid.SliceOfN(rapid.SampledFrom([]rune(" _\t\x00\ufeffIiKkeéſ1-")), 0, 3).Draw(t, "more") {
			at := rapid.IntRange(0, len(cell)).Draw(t, "at")
			cell = cell[:at] + string(r) + cell[at:]
		}
		if rapid.Bool().Draw(t, "upper") {
			cell = strings.ToUpper(cell)
		}
		if got, want := namesOne(aliases[k], cell), known[headerAlias(cell)]; got != want {
			t.Fatalf("%q names a column: %t, want %t", cell, got, want)
		}
	})
	for _, name := range []string{"\u212aind", "ag\u0130nt_id", "call_\u0130d", "call_id\xff"} {
		known := map[string]bool{"kind": true, "callid": true}
		if got, want := namesOne(known, name), known[headerAlias(name)]; got != want {
			t.Errorf("%q names a column: %t, want %t", name, got, want)
		}
	}
}

// TestPaddedNames: names of columns are known whatever stands around and between their letters.
func TestPaddedNames(t *testing.T) {
	for _, line := range [][]string{
		{"call_id ", "developer\t", "Call End_", "x1"}, {"\ufeffCALLID", " caller no", "calleeNo\r", "x2"}, {"call_id ", "agent_id ", "", "-"},
	} {
		if named, err := NamesColumns(schemas.KindCDR, line); !named || err != nil {
			t.Errorf("%q names no columns, %v", line, err)
		}
	}
}

func TestDirections(t *testing.T) {
	for code, want := range map[int64]string{5: "inbound", 6: "internal", 7: "outbound", 8: "outbound", 51: "internal", 52: "internal", -1: "", 9999: ""} {
		if got := Direction(code); got != want {
			t.Errorf("calls of type %d go %q, want %q", code, got, want)
		}
	}
}
