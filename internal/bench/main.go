// Package main measures the bridge beside baselines, in one run and in alternation:
//
//	build the bridge ─► rounds of (bridge, baseline, …) ─► medians, ratios, verdicts ─► docs/benchmarks.md
//
// Each thing that is measured is a process of its own: the built bridge, the lean platform,
// a NATS server that syncs every write, and each baseline client. The last three are this
// program in another role.
//
// Invariants:
//   - A speed counts as a ratio to a baseline of the same round.
//   - Nothing hangs: each step has a deadline, and fails with what its processes logged.
//   - Nothing is left behind, after Ctrl-C neither: all files are in one temporary folder,
//     all processes are children of this one.
package main

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"

	"aiccbridge/internal/bench/platform"
	"aiccbridge/internal/bench/rawnats"
	"aiccbridge/internal/bench/rows"
	"aiccbridge/internal/stopsignal"
)

func main() {
	ctx, stop := stopsignal.Context(context.Background())
	defer stop()
	err := run(ctx, os.Args[1:])
	if err != nil && !errors.Is(err, flag.ErrHelp) {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
}

// run is a suite, or one of the roles that a suite starts.
func run(ctx context.Context, args []string) error {
	if len(args) == 0 {
		return errors.New("name a suite: rows")
	}
	role, args := args[0], args[1:]
	switch {
	case role == "platform" && len(args) > 0:
		return platform.Run(ctx, platform.Options{Dir: args[0], Zips: args[1:]}, os.Stdin, os.Stdout)
	case role == "nats" && len(args) == 1:
		return rawnats.RunServer(ctx, args[0], os.Stdin, os.Stdout)
	case role == "unzip" && len(args) == 1:
		return rows.Unzip(ctx, args[0], os.Stdout)
	case role == "raw" && len(args) == 1:
		var job rawnats.Job
		if err := json.Unmarshal([]byte(args[0]), &job); err != nil {
			return err
		}
		return rawnats.RunClient(ctx, job, os.Stdout)
	}
	return suites(ctx, role, args)
}

// settings are the flags of a suite.
type settings struct {
	rows, large, rounds int
	binary              string
	document            string
}

func parse(suite string, args []string) (s settings, err error) {
	f := flag.NewFlagSet("bench "+suite, flag.ContinueOnError)
	f.IntVar(&s.rows, "rows", 200_000, "rows of each round's file")
	f.IntVar(&s.large, "large", 500_000, "rows of one more file, for memory; 0 is none")
	f.IntVar(&s.rounds, "rounds", 3, "how often everything is measured")
	f.StringVar(&s.binary, "bridge", "", "a bridge that is built; empty builds one")
	f.StringVar(&s.document, "document", "", "where the tables go; empty: they are printed only")
	return s, f.Parse(args)
}

func suites(ctx context.Context, suite string, args []string) error {
	s, err := parse(suite, args)
	if err != nil {
		return err
	}
	dir, err := os.MkdirTemp("", "bridge-bench-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	if s.binary == "" {
		if s.binary, err = build(ctx, dir); err != nil {
			return err
		}
	}
	r := report{machine: machine()}
	if err := s.measure(ctx, suite, dir, os.Stdout, &r); err != nil {
		return err
	}
	if err := r.print(os.Stdout); err != nil || s.document == "" {
		return err
	}
	return r.write(s.document)
}

// measure runs the suites of that name.
func (s settings) measure(ctx context.Context, suite, dir string, out io.Writer, r *report) error {
	if suite != "rows" && suite != "all" {
		return fmt.Errorf("there is no suite %q", suite)
	}
	measured, err := (&rows.Suite{Binary: s.binary, Dir: dir, Rows: s.rows, Large: s.large, Rounds: s.rounds, Out: out}).Run(ctx)
	if err != nil {
		return err
	}
	r.tables = append(r.tables, measured.Tables()...)
	r.verdicts = append(r.verdicts, measured.Verdicts()...)
	return nil
}

// build builds the bridge as make build does.
func build(ctx context.Context, dir string) (string, error) {
	binary := filepath.Join(dir, "bridge")
	c := exec.CommandContext(ctx, "go", "build", "-trimpath", "-o", binary, "./cmd/bridge")
	c.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := c.CombinedOutput(); err != nil {
		return "", fmt.Errorf("build the bridge: %w\n%s", err, out)
	}
	return binary, nil
}
