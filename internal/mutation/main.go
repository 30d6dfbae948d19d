// Package main shows which changes of the code the tests would not notice. It has
// gremlins, a mutation tester that knows nothing of this repository, change one
// operator after the other and run the tests of the package:
//
//	gremlins ─► name the mutants ─► compare survivors with survivors.txt ─► docs/mutation.md
//
// A mutant survives if the tests pass with it. Then either a promise has no test, and
// gets one, or the change alters nothing that anybody could see, and survivors.txt says
// why, in one line. A mutant that no test of its package reaches is not covered; one
// that runs out of time counts as a survivor here, since the machine may be slow.
//
// Invariants:
//
//   - A package is green if of its mutants [wantCovered] percent are covered, if of
//     those [wantKilled] percent are killed, and if every survivor stands in survivors.txt.
//     Survivors that stand there count as survivors all the same.
//   - A mutant that does not compile counts as nothing; gremlins takes it for killed.
//   - A mutant is named by file, function and expression, so that its line may change.
//   - Every line of survivors.txt names a change that can be made: the tests of this
//     package see to it.
//
// gremlins tries what go test -cover counts as reached. That tells of blocks of statements,
// and so neither of constants nor of the conditions of a case: those are tried here, in the
// same way, and count as covered.
//
// It imports nothing of this module but internal/processgroup. gremlins is run by its
// version, so that what it needs stays out of go.mod.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"slices"
	"strings"
	"syscall"
)

// folders are what is looked at, with all packages below.
var folders = []string{
	"internal/c2sign", "internal/capped", "internal/ccgateway", "internal/ccfs", "internal/privacy", "internal/retry",
	"schemas", "config", "callbacks",
}

// What each package has to reach, in percent.
const (
	wantKilled  = 92
	wantCovered = 90
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	green, err := run(ctx, os.Args[1:], os.Stdout)
	stop()
	if err != nil && !errors.Is(err, flag.ErrHelp) {
		fmt.Fprintln(os.Stderr, "mutation:", err)
	}
	if err != nil || !green {
		os.Exit(1)
	}
}

func run(ctx context.Context, args []string, out io.Writer) (green bool, err error) {
	f := flag.NewFlagSet("mutation", flag.ContinueOnError)
	only := f.String("only", "", "folders to look at, e.g. internal/retry,config; of the others the document stays as it is")
	workers := f.Int("workers", 2, "mutants tried at once")
	document := f.String("document", "docs/mutation.md", "where the table goes")
	if err := f.Parse(args); err != nil {
		return false, err
	}
	known, err := knownSurvivors()
	if err != nil {
		return false, err
	}
	wanted := folders
	if *only != "" {
		wanted = strings.Split(*only, ",")
	}
	p := readPage("")
	if *only != "" {
		before, _ := os.ReadFile(*document) // without it they are the first
		p = readPage(string(before))
	}
	green = true
	for _, folder := range wanted {
		if !slices.Contains(folders, folder) {
			return false, fmt.Errorf("-only %s: it is none of %s", folder, strings.Join(folders, ", "))
		}
		results, err := try(ctx, folder, *workers)
		if err != nil {
			return false, fmt.Errorf("try mutants of %s: %w", folder, err)
		}
		for _, r := range results {
			r.print(out, known)
			p.add(r, known)
			green = green && len(r.faults(known)) == 0
		}
		if err := os.WriteFile(*document, []byte(p.String()), 0o644); err != nil {
			return false, err
		}
	}
	return green, nil
}
