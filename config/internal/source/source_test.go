package source

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestFilesUpToTheirLimits(t *testing.T) {
	for name, tt := range map[string]struct {
		text string
		at   [2]int // line and column of the fault; zero: none
	}{
		"as large as allowed":       {strings.Repeat("#\n", MaxYAMLBytes/2), [2]int{}},
		"larger by one byte":        {strings.Repeat("#\n", MaxYAMLBytes/2) + "#", [2]int{1, 1}},
		"a line as long as allowed": {"#\n" + strings.Repeat("#", MaxLineBytes), [2]int{}},
		"longer by one byte":        {"#\n" + strings.Repeat("#", MaxLineBytes+1), [2]int{2, 1}},
		"as deep as allowed":        {"#\n" + strings.Repeat("[", MaxDepth), [2]int{}},
		"deeper by one":             {"#\n" + strings.Repeat("{", MaxDepth) + "[", [2]int{2, 1}},
		"deep in two lines":         {strings.Repeat("[", MaxDepth) + "\n[", [2]int{2, 1}},
		"closed in between":         {strings.Repeat("[{}]\n{[]}\n", MaxDepth), [2]int{}},
		"a blank line of tabs":      {"a: 1\n\t\t\nb: 2", [2]int{}},
		"a tab before a key":        {"a:\n  \tb: 2", [2]int{2, 3}},
		"a tab at once":             {"a:\n\tb: 2", [2]int{2, 1}},
		"as many keys as allowed":   {strings.Repeat("a\n", MaxMargin), [2]int{}},
		"one more":                  {strings.Repeat("a\n", MaxMargin+1), [2]int{MaxMargin + 1, 1}},
		"a control sign at once":    {"a: 1\n\x01b: 2", [2]int{2, 1}},
		"a control sign behind":     {"a: 1\näb: \x7f", [2]int{2, 5}},
	} {
		fault, line, column := Unreadable([]byte(tt.text))
		at := [2]int{line, column}
		if at != tt.at || (fault != nil) != (tt.at != [2]int{}) {
			t.Errorf("%s: %v at %v, want %v", name, fault, at, tt.at)
		}
	}
}

func TestReadsFilesUpToTheLimit(t *testing.T) {
	path := filepath.Join(t.TempDir(), "x")
	for size, want := range map[int64]error{MaxFileBytes: nil, MaxFileBytes + 1: ErrLarge} {
		if err := os.WriteFile(path, nil, 0o600); err != nil {
			t.Fatal(err)
		}
		if err := os.Truncate(path, size); err != nil {
			t.Fatal(err)
		}
		if data, _, err := Read(path); err != want || err == nil && int64(len(data)) != size {
			t.Errorf("%d bytes: %d, %v", size, len(data), err)
		}
	}
}
