// Package main runs every fault that the bridge must survive, and then shows that
// the tests would notice if it did not:
//
//	find the cases ─► build (-tags faults) ─► run them ─► whole suites ─► mutants ─► docs/proof.md
//
// A case is a Go test named TestF<nn><What>, in any package, for one of the faults
// of [faults]. It reports its figures with t.Attr: "figure" (in words), "tries",
// "lost", "duplicated", "misordered", "gaps" ("expected/recorded"). A mutant is a
// promise that the build tag "faults" can break (internal/sabotage), and the test
// that must turn red then. A whole suite is all tests of a package, run under a build
// tag that changes what they run on.
//
// Invariants:
//
//   - The verdict comes from the exit code of the test's process and its PASS or
//     FAIL line, never from its figures; a skipped test is not a passed one.
//   - A mutant counts as killed only if the named test itself reports FAIL: not a
//     failed build, not a timeout, not a process that ended early.
//   - A fault without a case, and a mutant without a test, are failures.
//   - The order of lines and of the document's rows does not depend on timing.
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
}

func parse(args []string) (s settings, err error) {
	f := flag.NewFlagSet("proof", flag.ContinueOnError)
	only := f.String("only", "", "faults to run, e.g. F03,F08; no document is written then")
	f.Uint64Var(&s.seed, "seed", 7, "seed of the simulated contact centres")
	f.IntVar(&s.parallel, "parallel", 2*runtime.NumCPU(), "cases that run at once; most of them wait")
	f.StringVar(&s.document, "document", "docs/proof.md", "where the table goes")
	f.StringVar(&s.logs, "logs", "proof.out", "folder for the output of failed cases")
	f.BoolVar(&s.mutants, "mutants", true, "run the mutants too")
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
			return s, fmt.Errorf("-only %s: there are F01 to F%d", name, len(faults))
		}
		s.only[n] = true
	}
	return s, nil
}

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
	r := &runner{settings: s, out: os.Stdout, dir: work, bridge: filepath.Join(work, "bridge")}
	if err := os.RemoveAll(s.logs); err != nil {
		return err
	}
	found, err := r.find(ctx)
	if err != nil {
		return err
	}
	p := &proof{seed: s.seed, broken: found.broken}
	p.rows = r.cases(ctx, found)
	if len(s.only) == 0 && ctx.Err() == nil {
		p.suites = r.suites(ctx)
	}
	if s.mutants && ctx.Err() == nil {
		p.mutants = r.sabotage(ctx, found)
	}
	if ctx.Err() != nil {
		return errors.New("stopped")
	}
	if len(s.only) == 0 && s.mutants {
		if err := p.write(ctx, s.document); err != nil {
			return err
		}
	}
	if !p.green() {
		return errNotGreen
	}
	return nil
}
