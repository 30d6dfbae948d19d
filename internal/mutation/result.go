package main

import (
	"fmt"
	"io"
)

// result is what came of the mutants of one package that compile.
type result struct {
	pkg        string
	killed     int
	survivors  []string // by name
	notCovered []string
}

// What the tester says of a mutant.
const (
	killed     = "KILLED"
	lived      = "LIVED"
	timedOut   = "TIMED OUT"
	notCovered = "NOT COVERED"
	notViable  = "NOT VIABLE"
)

// add counts a mutant by the status that the tester gave it.
func (r *result) add(name, status string) error {
	switch status {
	case killed:
		r.killed++
	case lived, timedOut:
		r.survivors = append(r.survivors, name)
	case notCovered:
		r.notCovered = append(r.notCovered, name)
	case notViable:
	default:
		return fmt.Errorf("%s: the tester says %q, which has no meaning here", name, status)
	}
	return nil
}

func (r result) covered() int { return r.killed + len(r.survivors) }
func (r result) total() int   { return r.covered() + len(r.notCovered) }

// percent of a whole, rounded down; of nothing, all.
func percent(part, whole int) int {
	if whole == 0 {
		return 100
	}
	return part * 100 / whole
}

// faults are the reasons why the package is not green.
func (r result) faults(known map[string]string) (faults []string) {
	if percent(r.killed, r.covered()) < wantKilled {
		faults = append(faults, fmt.Sprintf("less than %d %% killed", wantKilled))
	}
	if percent(r.covered(), r.total()) < wantCovered {
		faults = append(faults, fmt.Sprintf("less than %d %% covered", wantCovered))
		for _, name := range r.notCovered {
			faults = append(faults, "not covered: "+name)
		}
	}
	for _, name := range r.survivors {
		if known[name] == "" {
			faults = append(faults, "survived: "+name)
		}
	}
	return faults
}

func (r result) print(out io.Writer, known map[string]string) {
	faults := r.faults(known)
	verdict := "ok  "
	if len(faults) > 0 {
		verdict = "FAIL"
	}
	fmt.Fprintf(out, "%s %-24s %4d mutants, %3d %% covered, %3d %% of those killed, %d survivors\n",
		verdict, r.pkg, r.total(), percent(r.covered(), r.total()), percent(r.killed, r.covered()), len(r.survivors))
	for _, fault := range faults {
		fmt.Fprintln(out, "     "+fault)
	}
}
