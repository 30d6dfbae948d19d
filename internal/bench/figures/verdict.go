package figures

import (
	"fmt"
	"slices"
	"strings"
)

// Claim is one condition of a target: a figure that may not be above, or below, a limit.
type Claim struct {
	What    string // e.g. "rows against raw batches, server in a second process"
	Figure  float64
	AtLeast bool // the limit is the least, else the most
	Limit   float64
}

// Met reports whether the figure is there and keeps the limit.
func (c Claim) Met() bool {
	if c.AtLeast {
		return c.Figure >= c.Limit
	}
	return c.Figure <= c.Limit // false for what is no number
}

func (c Claim) String() string {
	sign := "≤"
	if c.AtLeast {
		sign = "≥"
	}
	text := fmt.Sprintf("%s %s (%s %s)", c.What, Text(c.Figure), sign, Text(c.Limit))
	if !c.Met() {
		text += " ✗"
	}
	return text
}

// Verdict is what became of one target, P1 to P12.
type Verdict struct {
	Target int
	Claims []Claim // none: it was not measured
}

// Met reports whether all claims are.
func (v Verdict) Met() bool {
	return len(v.Claims) > 0 && !slices.ContainsFunc(v.Claims, func(c Claim) bool { return !c.Met() })
}

// String is the line that is printed: P1 met: …
func (v Verdict) String() string {
	if len(v.Claims) == 0 {
		return fmt.Sprintf("P%d not met: not measured", v.Target)
	}
	said := make([]string, len(v.Claims))
	for i, c := range v.Claims {
		said[i] = c.String()
	}
	word := "not met"
	if v.Met() {
		word = "met"
	}
	return fmt.Sprintf("P%d %s: %s", v.Target, word, strings.Join(said, "; "))
}
