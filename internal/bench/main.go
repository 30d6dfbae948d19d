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
	"slices"
	"strconv"
	"time"

	"aiccbridge/internal/bench/agents"
	"aiccbridge/internal/bench/figures"
	"aiccbridge/internal/bench/platform"
	"aiccbridge/internal/bench/rawnats"
	"aiccbridge/internal/bench/rows"
	"aiccbridge/internal/bench/stage"
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
		return errors.New("name a suite: rows, peer, agents, events, start, outages, growth or all")
	}
	role, args := args[0], args[1:]
	switch {
	case role == "platform" && len(args) > 0:
		return platform.Run(ctx, platform.Options{Dir: args[0], Zips: args[1:]}, os.Stdin, os.Stdout)
	case role == "nats" && len(args) == 2:
		return rawnats.RunServer(ctx, args[0], args[1], os.Stdin, os.Stdout)
	case role == "longpoll" && len(args) == 3:
		n, err := strconv.Atoi(args[2])
		if err != nil {
			return err
		}
		return agents.LongPoll(ctx, args[0], args[1], n, os.Stdin, os.Stdout)
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
	rows, large, peer, agents, rounds int
	most                              int
	stored, windows, resumed, waiting int
	span                              time.Duration
	binary                            string
	document, pictures                string
}

func parse(suite string, args []string) (s settings, err error) {
	f := flag.NewFlagSet("bench "+suite, flag.ContinueOnError)
	f.IntVar(&s.rows, "rows", 200_000, "rows of each round's file")
	f.IntVar(&s.large, "large", 500_000, "rows of one more file, for memory; 0 is none")
	f.IntVar(&s.peer, "peer", 100_000, "rows of the file that the peer gets too")
	f.IntVar(&s.most, "most", 5_000_000, "rows of the largest file whose growth is measured")
	f.IntVar(&s.agents, "agents", 10_000, "agents where they are many")
	f.IntVar(&s.stored, "stored", 1_000_000, "rows of a bridge whose start is measured")
	f.IntVar(&s.windows, "windows", 30_000, "windows of that bridge")
	f.IntVar(&s.resumed, "resumed", 5_000, "agents that are polled again after a restart")
	f.IntVar(&s.waiting, "waiting", 50_000, "messages in the spool")
	f.DurationVar(&s.span, "span", 8*time.Second, "how long each look at agents takes")
	f.IntVar(&s.rounds, "rounds", 3, "how often everything is measured")
	f.StringVar(&s.binary, "bridge", "", "a bridge that is built; empty builds one")
	f.StringVar(&s.pictures, "pictures", "", "folder for pictures, beside the document; empty: none are drawn")
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
	r := report{machine: machine(), pictures: s.pictures}
	if err := s.measure(ctx, suite, dir, os.Stdout, &r); err != nil {
		return err
	}
	if err := r.print(os.Stdout); err != nil || s.document == "" {
		return err
	}
	return r.write(s.document)
}

// result is what a suite has found.
type result interface {
	Tables() []figures.Table
	Verdicts() []figures.Verdict
}

// measure runs the suites of that name, in the order of the targets.
func (s settings) measure(ctx context.Context, suite, dir string, out io.Writer, r *report) error {
	on := stage.Stage{Binary: s.binary, Dir: dir, Out: out, Rounds: s.rounds}
	known := false
	for _, x := range []struct {
		names []string // of suites that have it
		run   func() (result, error)
	}{
		{[]string{"rows", "all"}, func() (result, error) {
			return (&rows.Suite{Stage: on, Rows: s.rows, Large: s.large}).Run(ctx)
		}},
		{[]string{"peer", "all"}, func() (result, error) {
			program, err := buildPeer(ctx, dir)
			if err != nil {
				return nil, err
			}
			return rows.Peer{Stage: on, Program: program, Rows: s.peer}.Run(ctx)
		}},
		// One after the other: what memory an agent takes is not seen behind a load of events.
		{[]string{"agents", "all"}, func() (result, error) {
			return (&agents.Suite{Stage: on, Agents: s.agents, Span: s.span, Memory: true}).Run(ctx)
		}},
		{[]string{"events", "all"}, func() (result, error) {
			return (&agents.Suite{Stage: on, Agents: s.agents, Span: s.span, Events: true}).Run(ctx)
		}},
		{[]string{"start", "all"}, func() (result, error) {
			return rows.Start{Stage: on, Rows: s.stored, Windows: s.windows}.Run(ctx)
		}},
		{[]string{"growth", "growth-rows"}, func() (result, error) {
			return rows.Growth{Stage: on, Sizes: []int{50_000, 500_000, s.most}}.Run(ctx)
		}},
		{[]string{"growth", "growth-agents"}, func() (result, error) {
			return agents.Growth{Stage: on, Span: s.span, Numbers: []int{1000, 5000, 10_000, 19_000}}.Run(ctx)
		}},
		{[]string{"outages", "all"}, func() (result, error) {
			return agents.Outages{Stage: on, Agents: s.resumed, Waiting: s.waiting}.Run(ctx)
		}},
	} {
		if !slices.Contains(x.names, suite) {
			continue
		}
		known = true
		found, err := x.run()
		if err != nil {
			return err
		}
		if grows, ok := found.(interface{ Pictures() []figures.Picture }); ok {
			r.drawn = append(r.drawn, grows.Pictures()...)
		}
		r.tables = append(r.tables, found.Tables()...)
		r.verdicts = append(r.verdicts, found.Verdicts()...)
	}
	if !known {
		return fmt.Errorf("there is no suite %q", suite)
	}
	return nil
}

// buildPeer builds the peer, which is a module of its own.
func buildPeer(ctx context.Context, dir string) (string, error) {
	program := filepath.Join(dir, "peer-program")
	c := exec.CommandContext(ctx, "go", "build", "-C", "internal/bench/testdata/peer", "-trimpath", "-o", program, ".")
	if out, err := c.CombinedOutput(); err != nil {
		return "", fmt.Errorf("build the peer: %w\n%s", err, out)
	}
	return program, nil
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
