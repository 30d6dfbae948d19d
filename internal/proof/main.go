// Package main runs every fault that the bridge must survive, and then shows that
// the tests would notice if it did not:
//
//	find the cases ─► build (-tags faults) ─► run them ─► whole suites ─► mutants ─► docs/proof.md
//
// A case is a Go test named TestF<nn><What>, in any package, for one of the faults
// of [faults]. It reports its figures with t.Attr: "figure" (in words), "tries",
// "lost", "duplicated", "misordered", "gaps" ("expected/recorded"). A whole suite is
// all tests of a package, run under a build tag that changes what they run on.
//
// A mutant is a patch in the folder mutants that breaks one promise, and the tests
// that must turn red then. It is applied to copies of the files that it changes, and
// the suite, and the program if its tests run one, is built with the copies (go
// build -overlay): nothing that ships can be told to break a promise.
//
// Invariants:
//
//   - The verdict comes from the exit code of the test's process and its PASS or
//     FAIL line, never from its figures; a skipped test is not a passed one.
//   - A mutant counts as killed only if the named test itself reports FAIL: not a
//     failed build, not a timeout, not a process that ended early.
//   - A fault without a case, a patch without a test, and a patch that no longer
//     applies, are failures; the last two already of this package's own tests.
//   - The order of lines and of the document's rows does not depend on timing, and
//     the document holds no time that a run took.
//
// It imports nothing of this module but internal/processgroup.
//
// # A new fault
//
// Add a row to [faults], name its number in [guarantees] where it tries one, and
// write a test TestF<nn><What> beside the part that must survive it, under the tag
// faults if it needs a kill point (package internal/sabotage) or more than a few
// seconds. One that needs the whole program stands in cmd/bridge and runs the
// program that BRIDGE_BINARY names. A figure must be the same in each run of the
// same code; what was measured goes into the attribute "measured", which is printed
// and not kept. Try it with make faults ONLY=F<nn>.
//
// # A new mutant
//
// Edit the code so that it breaks the promise, in as few lines as it takes, then
//
//	{ echo 'What is promised: here what happens instead.'; echo; git diff -U2; } >internal/proof/mutants/<name>.patch
//	git checkout .
//
// name the tests that must notice in [mutants], or in [details] if it is a rule
// inside one part, and run it alone with make faults MUTANT=<name>.
//
// When go test ./internal/proof says that a patch no longer applies: if the file has
// only moved, change its path in the patch; if the lines have changed, edit again
// what breaks the promise, and write the patch anew. A test that has moved or has
// another name is changed in [mutants] or [details].
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"syscall"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	err := run(ctx, os.Args[1:])
	switch {
	case errors.Is(err, flag.ErrHelp):
	case errors.Is(err, errNotGreen):
		os.Exit(1)
	case err != nil:
		fmt.Fprintln(os.Stderr, "proof:", err)
		os.Exit(1)
	}
}

// errNotGreen says that the lines printed tell what is wrong.
var errNotGreen = errors.New("not everything is green")

// settings are the flags.
type settings struct {
	only     map[int]bool // empty: all faults
	seed     uint64
	parallel int
	document string
	logs     string
	mutants  bool
	mutant   string // only this one, or all, and no case
}

func parse(args []string) (s settings, err error) {
	f := flag.NewFlagSet("proof", flag.ContinueOnError)
	only := f.String("only", "", "faults to run, e.g. F03,F08; no document is written then")
	f.Uint64Var(&s.seed, "seed", 7, "seed of the simulated contact centres")
	f.IntVar(&s.parallel, "parallel", 2*runtime.NumCPU(), "cases that run at once; most of them wait")
	f.StringVar(&s.document, "document", "docs/proof.md", "where the table goes")
	f.StringVar(&s.logs, "logs", "proof.out", "folder for the output of failed cases")
	f.BoolVar(&s.mutants, "mutants", true, "run the mutants too")
	f.StringVar(&s.mutant, "mutant", "", "run only this mutant, or all, and no case; no document is written then")
	if err := f.Parse(args); err != nil {
		return s, err
	}
	s.only = map[int]bool{}
	for name := range strings.SplitSeq(*only, ",") {
		if name == "" {
			continue
		}
		n, err := strconv.Atoi(strings.TrimPrefix(strings.ToUpper(name), "F"))
		if err != nil || titleOf(n) == "" {
			return s, fmt.Errorf("-only %s: it is none of the faults", name)
		}
		s.only[n] = true
	}
	return s, nil
}

// all: nothing is left out.
func (s settings) all() bool { return len(s.only) == 0 && s.mutant == "" }

func (s settings) wants(fault int) bool { return len(s.only) == 0 || s.only[fault] }

func run(ctx context.Context, args []string) error {
	s, err := parse(args)
	if err != nil {
		return err
	}
	work, err := os.MkdirTemp("", "bridge-proof-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(work)
	r := &runner{
		settings: s, out: os.Stdout, dir: work, bridge: filepath.Join(work, "bridge"),
		building: make(chan struct{}, max(1, runtime.NumCPU()/2)), // a build is parallel itself
	}
	if err := os.RemoveAll(s.logs); err != nil {
		return err
	}
	found, err := r.find(ctx)
	if err != nil {
		return err
	}
	p := &proof{seed: s.seed, broken: found.broken}
	if s.mutant == "" {
		p.rows = r.cases(ctx, found)
	}
	if s.all() && ctx.Err() == nil {
		p.suites = r.suites(ctx)
	}
	if s.mutants && ctx.Err() == nil {
		kills := r.mutate(ctx, found, slices.Concat(mutants, details))
		p.mutants = slices.DeleteFunc(slices.Clone(kills), ofDetails)
		p.details = slices.DeleteFunc(kills, func(k kill) bool { return !ofDetails(k) })
		r.count("details", p.details)
		r.count("mutants", p.mutants)
	}
	if ctx.Err() != nil {
		return errors.New("stopped")
	}
	if s.all() && s.mutants {
		if err := p.write(ctx, s.document); err != nil {
			return err
		}
	}
	if !p.green() {
		return errNotGreen
	}
	return nil
}
