package config

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"aiccbridge/config/internal/scalar"
)

// Finding is one thing the user should look at in the file.
type Finding struct {
	File    string `json:"file"`
	Line    int    `json:"line"`    // from 1
	Column  int    `json:"column"`  // from 1, in characters
	Key     string `json:"key"`     // for example tenants[0].gateway.url; empty: the file as a whole
	Problem string `json:"problem"` // what is wrong
	Remedy  string `json:"remedy"`  // what to do about it
}

// String is "file:line:column: key: problem; remedy".
func (f Finding) String() string {
	key := f.Key
	if key != "" {
		key += ": "
	}
	return fmt.Sprintf("%s:%d:%d: %s%s; %s", f.File, f.Line, f.Column, key, f.Problem, f.Remedy)
}

// Finding is one about a key, for whoever finds out more than the file shows. It stands
// where the value does or, if the file has none, where the section does.
func (c *Config) Finding(key, problem, remedy string) Finding {
	return c.decoder.finding(key, c.decoder.where(key), &scalar.Fault{Problem: problem, Remedy: remedy})
}

// Errors is every fault of a file, in the order of their positions.
// Load and Parse return it (find it with errors.As), never empty.
type Errors []Finding

// Error prints one fault per line.
func (e Errors) Error() string {
	lines := make([]string, len(e))
	for i, f := range e {
		lines[i] = f.String()
	}
	return strings.Join(lines, "\n")
}

// sorted puts findings in the order of their positions, those of the configuration's own
// file first.
func (d *decoder) sorted(all []Finding) []Finding {
	file := func(f Finding) string { return strings.TrimPrefix(f.File, d.file) } // its own is empty
	slices.SortStableFunc(all, func(a, b Finding) int {
		return cmp.Or(cmp.Compare(file(a), file(b)), cmp.Compare(a.Line, b.Line), cmp.Compare(a.Column, b.Column), cmp.Compare(a.Key, b.Key))
	})
	return all
}
