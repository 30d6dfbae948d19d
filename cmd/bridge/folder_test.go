package main

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"aiccbridge/schemas"
)

// TestDataFolderIsAsDescribed: what bridges leave in their data folders is in the table of
// docs/operations.md, "Upgrade and roll back", and nothing else is.
func TestDataFolderIsAsDescribed(t *testing.T) {
	t.Parallel()
	found := []string{"format"} // format 1 is not noted
	for _, external := range []bool{false, true} {
		o := busy()
		o.kinds, o.external, o.embedded = []schemas.Kind{schemas.KindCDR}, external, !external
		s := newScene(t, o)
		c := s.start()
		s.waitFor(schemas.StreamRows, 1)
		c.kill()
		data := filepath.Join(s.dir, "data")
		for _, pattern := range []string{"*", "nats/*", "spool-nats/*", "witness/*"} {
			paths, _ := filepath.Glob(filepath.Join(data, pattern)) // the patterns are good
			for _, path := range paths {
				name, _ := filepath.Rel(data, path)
				found = append(found, filepath.ToSlash(name))
			}
		}
	}
	slices.Sort(found)
	if diff := cmp.Diff(describedFolder(t), slices.Compact(found)); diff != "" {
		t.Errorf("the table in docs/operations.md and what is there:\n%s", diff)
	}
}

// describedFolder are the names in the first column of the table.
func describedFolder(t *testing.T) (names []string) {
	t.Helper()
	text, err := os.ReadFile(filepath.Join("..", "..", "docs", "operations.md"))
	if err != nil {
		t.Fatal(err)
	}
	_, table, _ := strings.Cut(string(text), "\n| in the data folder |")
	table, _, _ = strings.Cut(table, "\n\n")
	for row := range strings.Lines(table) {
		cells := strings.Split(row, "|")
		for i, name := range strings.Split(cells[1], "`") {
			if i%2 == 1 {
				names = append(names, name)
			}
		}
	}
	slices.Sort(names)
	return names
}
