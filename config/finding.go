package config

import (
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
	return c.decoder.Finding(key, c.decoder.Where(key), &scalar.Fault{Problem: problem, Remedy: remedy})
}
