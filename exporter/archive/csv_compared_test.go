package archive

import (
	"bufio"
	"fmt"
	"io"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"
)

// told is what a reader says of a text: its records with their lines, and how it ends.
func told(read func() (line int, cells []string, err error)) (all []string) {
	for {
		line, cells, err := read()
		if err != nil {
			return append(all, err.Error())
		}
		all = append(all, fmt.Sprintf("%d %q", line, cells))
	}
}

// sameAsSlow compares the reader with one that goes byte by byte, with blocks of a size.
func sameAsSlow(text string, l layout, block int) string {
	slow := newSlowReader(bufio.NewReaderSize(strings.NewReader(text), 1<<20), l)
	want := told(func() (int, []string, error) {
		cells, err := slow.read()
		words := make([]string, len(cells))
		for i, cell := range cells {
			words[i] = string(cell)
		}
		return slow.line, words, err
	})
	fast := newCSVReader(iotest.HalfReader(strings.NewReader(text))).as(l)
	fast.block = make([]byte, block)
	got := told(func() (int, []string, error) {
		cells, err := fast.read()
		return fast.line, cells, err
	})
	return cmp.Diff(want, got)
}

// Texts of everything that the dialect knows, cut into records by both readers.
func TestCSVLikeSlow(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		piece := rapid.SampledFrom([]string{
			"a", "bc", ",", ",", ",", ";", "|", "\"", "\"", "\"\"", "\",\"", "\n", "\n", "\r\n", "\r", " ", "\t", "\xef\xbb\xbf",
			"\x84\x31\x95\x33", "中", "\x81\x7c", "\x81", "\xe4\xb8", strings.Repeat(" ", maxPadding-1), strings.Repeat("x", 40),
		})
		text := strings.Join(rapid.SliceOfN(piece, 0, 60).Draw(t, "pieces"), "")
		l := layout{
			comma: rapid.SampledFrom([]byte(separators)).Draw(t, "comma"), wide: rapid.Bool().Draw(t, "wide"),
			width: rapid.IntRange(0, 12).Draw(t, "width"),
		}
		if diff := sameAsSlow(text, l, rapid.IntRange(8, 64).Draw(t, "block")); diff != "" {
			t.Fatalf("%q: %s", text, diff)
		}
	})
}

// Cells, rows and numbers of columns at the limits and beyond are told alike.
func TestCSVLimitsLikeSlow(t *testing.T) {
	for _, cell := range []int{maxFieldBytes - 1, maxFieldBytes, maxFieldBytes + 1} {
		long := strings.Repeat("x", cell)
		for _, text := range []string{
			long, "a," + long + "\nb", "\"" + long + "\"", "\"" + long + "\"\"\"", "\"\"\"" + long[1:] + "\"\nb", strings.Repeat(" ", cell) + "\"a\"",
			strings.Repeat(" ", cell), strings.Repeat("\x81\x40", cell/2) + "x", strings.Repeat(long[:maxFieldBytes-1]+",", 8) + strings.Repeat("x", cell-maxFieldBytes+9),
		} {
			for _, wide := range []bool{false, true} {
				if diff := sameAsSlow(text, layout{comma: ',', wide: wide}, 1<<10); diff != "" {
					t.Errorf("%d bytes: %s", cell, diff)
				}
			}
		}
	}
	for _, cells := range []int{maxColumns - 1, maxColumns, maxColumns + 1} {
		for _, text := range []string{strings.Repeat(",", cells-1), strings.Repeat(",", cells-1) + "\n", "\"\"" + strings.Repeat(",", cells-1) + "\nb"} {
			if diff := sameAsSlow(text, layout{comma: ','}, 1<<10); diff != "" {
				t.Errorf("%d cells: %s", cells, diff)
			}
		}
	}
}

// FuzzCSVLikeSlow compares on any text.
func FuzzCSVLikeSlow(f *testing.F) {
	f.Add("a,\"b\"\r\n\"c\nd\"\"\",e", byte(','), false, 3)
	f.Add("\xef\xbb\xbfa|\x81|\n\"\" |", byte('|'), true, 0)
	f.Fuzz(func(t *testing.T, text string, comma byte, wide bool, width int) {
		if strings.IndexByte(separators, comma) < 0 {
			comma = ','
		}
		if diff := sameAsSlow(text, layout{comma: comma, wide: wide, width: width % 64}, 8); diff != "" {
			t.Fatalf("%q: %s", text, diff)
		}
	})
}

// What reading fails with is told behind the records before it.
func TestCSVReadError(t *testing.T) {
	c := newCSVReader(io.MultiReader(strings.NewReader("a,b\nc"), iotest.ErrReader(iotest.ErrTimeout))).as(layout{comma: ','})
	got := told(func() (int, []string, error) {
		cells, err := c.read()
		return c.line, cells, err
	})
	if diff := cmp.Diff([]string{`1 ["a" "b"]`, "line 2: timeout"}, got); diff != "" {
		t.Error(diff)
	}
}
