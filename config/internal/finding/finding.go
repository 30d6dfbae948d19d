// Package finding is what a user should look at in a configuration file. It imports the
// standard library only.
package finding

import (
	"fmt"
	"strings"
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

// Errors is every fault of a file, in the order of their positions.
type Errors []Finding

// Error prints one fault per line.
func (e Errors) Error() string {
	lines := make([]string, len(e))
	for i, f := range e {
		lines[i] = f.String()
	}
	return strings.Join(lines, "\n")
}
