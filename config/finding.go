package config

import (
	"cmp"
	"slices"
	"strings"

	"aiccbridge/config/internal/finding"
	"aiccbridge/config/internal/scalar"
)

// Finding is one thing the user should look at in the file.
type Finding = finding.Finding

// Errors is every fault of a file, in the order of their positions.
// Load and Parse return it (find it with errors.As), never empty.
type Errors = finding.Errors

// Finding is one about a key, for whoever finds out more than the file shows. It stands
// where the value does or, if the file has none, where the section does.
func (c *Config) Finding(key, problem, remedy string) Finding {
	return c.decoder.finding(key, c.decoder.where(key), &scalar.Fault{Problem: problem, Remedy: remedy})
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
