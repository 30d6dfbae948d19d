package spool

import (
	"fmt"
	"slices"
	"testing"

	"aiccbridge/schemas"
)

func from(name string) schemas.Stored {
	return schemas.Stored{Header: map[string][]string{headerSpool: {name}}}
}

func TestLineage(t *testing.T) {
	t.Parallel()
	// Of an older version; then three processes, of which the second stored nothing.
	l, err := readLineage(map[string]string{metaSpool: "s"})
	if err != nil {
		t.Fatal(err)
	}
	l = l.begin("one", 11, 1).begin("two", 21, 1).begin("three", 21, 1)
	again, err := readLineage(map[string]string{metaSpool: "s", metaLines: l.text()})
	if err != nil || !slices.Equal(again, l) {
		t.Errorf("read %v, wrote %v: %v", again, l, err)
	}
	for name, want := range map[string]uint64{
		"s/10":      10,
		"s/11":      0, // of a copy that an older version ran
		"one/11":    11,
		"one/20":    20,
		"one/21":    0, // of the folder that this one is a copy of
		"two/21":    0,
		"three/21":  21,
		"three/999": 999,
		"three/20":  0,
		"other/15":  0,
		"":          0, "three": 0, "three/": 0, "three/x": 0, "three/0": 0, "three/-1": 0, "three/021": 21,
	} {
		if got := l.sequence(from(name)); got != want {
			t.Errorf("%q is place %d, want %d", name, got, want)
		}
	}
	for _, seq := range []uint64{1, 10, 11, 20, 21, 1000} {
		if got := l.sequence(from(l.name(seq))); got != seq {
			t.Errorf("%s is place %d", l.name(seq), got)
		}
	}
	for _, text := range []string{"x", "x@", "@7", "x@y", "x@9 y@8"} {
		if l, err := readLineage(map[string]string{metaSpool: "s", metaLines: text}); err == nil {
			t.Errorf("%q was read as %v", text, l)
		}
	}
}

// A spool that starts again and again does not grow a lineage without end, and forgets
// no line whose messages it holds.
func TestLineageStaysShort(t *testing.T) {
	t.Parallel()
	for name, kept := range map[string]uint64{"all has gone": 1000, "all is kept": 1, "half is kept": 500} {
		t.Run(name, func(t *testing.T) {
			l := lineage{{"s", 1}}
			for i := range uint64(1000) {
				l = l.begin(fmt.Sprint(i), i+1, min(kept, i+1))
			}
			if most := max(maxLines, int(1000-kept)+2); len(l) > most {
				t.Errorf("%d lines", len(l))
			}
			for seq := kept; seq <= 1000; seq++ {
				if want := fmt.Sprintf("%d/%d", seq-1, seq); l.name(seq) != want {
					t.Fatalf("%s, want %s", l.name(seq), want)
				}
			}
		})
	}
}

func FuzzLineage(f *testing.F) {
	f.Add("one@11 two@21", "one/12", uint64(30))
	f.Add("", "s/1", uint64(1))
	f.Add("x@18446744073709551615", "x/18446744073709551615", uint64(5))
	f.Fuzz(func(t *testing.T, text, name string, first uint64) {
		l, err := readLineage(map[string]string{metaSpool: "s", metaLines: text})
		if err != nil {
			return
		}
		if seq := l.sequence(from(name)); seq != 0 && l.sequence(from(l.name(seq))) != seq {
			t.Errorf("%q is place %d, and %s is not", name, seq, l.name(seq))
		}
		l = l.begin("new", max(first, 1), 1)
		again, err := readLineage(map[string]string{metaSpool: "s", metaLines: l.text()})
		if err != nil || !slices.Equal(l, again) {
			t.Errorf("wrote %v, read %v: %v", l, again, err)
		}
	})
}
