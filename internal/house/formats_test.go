package house

import (
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
)

var (
	goldenName = regexp.MustCompile(`^([a-z]+)\.(\d+)\.golden$`)
	formatRow  = regexp.MustCompile("^\\| (`[^|]*`) \\| (\\d+) \\|")
)

// TestFormatsAreDescribed: every stored format that has golden files is in the table of
// docs/operations.md, "Upgrade and roll back", in its newest form; and no other is.
func TestFormatsAreDescribed(t *testing.T) {
	stored := map[string]int{}
	root := filepath.Join("..", "..")
	for _, depth := range []string{"*", "*/*", "*/*/*"} {
		paths, err := filepath.Glob(filepath.Join(root, depth, "testdata", "formats", "*.golden"))
		if err != nil {
			t.Fatal(err)
		}
		for _, path := range paths {
			name := goldenName.FindStringSubmatch(filepath.Base(path))
			if name == nil {
				t.Errorf("%s is not named <name>.<form>.golden", path)
				continue
			}
			form, _ := strconv.Atoi(name[2])
			stored[name[1]] = max(stored[name[1]], form)
		}
	}
	text, err := os.ReadFile(filepath.Join(root, "docs", "operations.md"))
	if err != nil {
		t.Fatal(err)
	}
	_, table, _ := strings.Cut(string(text), "\n| format | form |")
	table, _, _ = strings.Cut(table, "\n\n")
	described := map[string]int{}
	for row := range strings.Lines(table) {
		if cells := formatRow.FindStringSubmatch(row); cells != nil {
			for name := range strings.SplitSeq(cells[1], ", ") {
				described[strings.Trim(name, "`")], _ = strconv.Atoi(cells[2])
			}
		}
	}
	if len(stored) == 0 || !maps.Equal(stored, described) {
		t.Errorf("golden files have %v, docs/operations.md describes %v", slices.Sorted(maps.Keys(stored)), slices.Sorted(maps.Keys(described)))
	}
}
