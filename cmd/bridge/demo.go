package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
	"time"

	"github.com/rs/zerolog"
	"github.com/spf13/cobra"

	"aiccbridge/internal/platformsim"
	"aiccbridge/internal/truthcheck"
	"aiccbridge/schemas"
)

// demoOptions are the flags of the demo.
type demoOptions struct {
	agents  int
	last    time.Duration
	seed    uint64
	asJSON  bool
	address string
	verbose bool
}

func newDemo() *cobra.Command {
	o := demoOptions{}
	c := &cobra.Command{
		Use:   "demo",
		Short: "Simulator, NATS and bridge in one process, with a live view",
		Long: "Run the platform simulator, an embedded NATS server and the bridge in one process\n" +
			"over real HTTPS, show what arrives, and at the end compare the streams with what\n" +
			"the simulator really did. Needs no file and no network.",
		Example: "  bridge demo --agents 20 --for 60s\n  bridge demo --json | tail -1",
		Args:    noArguments,
		RunE: func(c *cobra.Command, _ []string) error {
			if o.agents < 1 || o.agents > 2000 {
				return usageError{errors.New("--agents: want 1 to 2000")}
			}
			if o.last < 20*time.Second {
				return usageError{errors.New("--for: want at least 20s, so that windows of 10s can end")}
			}
			if err := checkAddress("--listen", o.address); err != nil {
				return err
			}
			return demo(c.Context(), o, c.OutOrStdout(), c.ErrOrStderr())
		},
	}
	c.Flags().IntVar(&o.agents, "agents", 20, "how many agents work in the contact centre")
	c.Flags().DurationVar(&o.last, "for", time.Minute, "how long calls go on; draining takes about half a minute more")
	c.Flags().Uint64Var(&o.seed, "seed", 1, "seed of every choice of the simulator")
	c.Flags().BoolVar(&o.asJSON, "json", false, "end with one JSON object instead of text")
	c.Flags().StringVar(&o.address, "listen", "127.0.0.1:4222", "where NATS clients connect; a free port is taken if it is in use")
	c.Flags().BoolVar(&o.verbose, "verbose", false, "show the bridge's log")
	return c
}

// demo runs simulator and bridge, and returns an error unless the streams hold
// exactly what the simulator did.
func demo(ctx context.Context, o demoOptions, out, errOut io.Writer) error {
	tidyDemos(time.Now())
	dir, err := os.MkdirTemp("", demoFolder)
	if err != nil {
		return fmt.Errorf("make folder for the demo: %w", err)
	}
	defer os.RemoveAll(dir)
	platform, err := demoSim(o, filepath.Join(dir, "sim"))
	if err != nil {
		return err
	}
	sim, err := platformsim.New(platform)
	if err != nil {
		return err
	}
	simulating, stopSim := context.WithCancel(context.WithoutCancel(ctx))
	simDone := make(chan error, 1)
	go func() { simDone <- sim.Run(simulating) }()
	defer func() { stopSim(); <-simDone }()
	select {
	case <-sim.Ready():
	case err := <-simDone:
		simDone <- err
		return fmt.Errorf("start the simulator: %w", err)
	}
	cfg, err := demoConfig(sim.Settings(), dir, freeAddress(o.address))
	if err != nil {
		return err
	}
	log := zerolog.Nop()
	if o.verbose {
		log = newLogger(cfg.Log, errOut)
	}
	d := &demonstration{o: o, out: out, sim: sim, started: time.Now()}
	if o.asJSON {
		d.out = errOut
	}
	running, stop := context.WithCancel(context.WithoutCancel(ctx))
	defer stop()
	var watching sync.WaitGroup
	err = runBridge(running, cfg, log, hooks{
		ready: func(b *bridge) {
			watching.Go(func() {
				defer stop()
				d.watch(ctx, running, b)
			})
		},
		drained: func(ctx context.Context, b *bridge) (err error) {
			watching.Wait()
			d.report, err = compareStreams(ctx, b.bus, cfg.Tenants[0].Timezone, demoTenant, d.ended, sim.Truth())
			return err
		},
	})
	watching.Wait()
	if err != nil {
		return err
	}
	return d.conclude(out)
}

// demonstration is one run of the demo.
type demonstration struct {
	o       demoOptions
	out     io.Writer // the live view; standard output keeps the result with --json
	sim     *platformsim.Sim
	started time.Time
	tally   *tally
	phase   atomic.Value // what the demo is doing, in words
	hint    string       // added to it
	ended   time.Time    // when the last call was over
	report  truthcheck.Report
}

// enter notes what the demo does now, for the view.
func (d *demonstration) enter(phase string) { d.phase.Store(phase + d.hint) }

// watch shows the streams until the demo's time is over or the user ends it,
// then lets everything settle. It returns when the bridge may be stopped.
func (d *demonstration) watch(user, running context.Context, b *bridge) {
	d.tally = newTally()
	v := &view{out: d.out, tally: d.tally, fancy: isTerminal(d.out), start: d.started, total: d.o.last,
		phase: func() string { return d.phase.Load().(string) }}
	fmt.Fprintf(d.out, "NATS is at %s; in another terminal try\n\n  nats sub 'aicc.v1.>' --server %s\n\n", b.natsURL(), b.natsURL())
	d.enter("agents work")
	watching, stop := context.WithCancel(running)
	var group sync.WaitGroup
	defer group.Wait()
	defer stop()
	for _, s := range []schemas.Stream{schemas.StreamEvents, schemas.StreamRows} {
		group.Go(func() {
			// A broken watch shows as missing figures; the comparison reads the streams itself.
			_ = b.bus.Watch(watching, s, "", d.tally.add)
		})
	}
	group.Go(func() { v.run(watching) })

	timer := time.NewTimer(d.o.last)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-user.Done():
		d.hint = " (Ctrl-C again ends at once)"
	case <-running.Done():
		return
	}
	settled, giveUp := context.WithTimeout(running, settleWithin)
	defer giveUp()
	d.settle(settled, b)
}

// settleWithin is how long the demo waits for calls to end and for the files of
// the last windows. The comparison tells what is missing then.
const settleWithin = 90 * time.Second

// settle lets running calls end, waits for the windows that hold them, then for
// the last extracts under way.
func (d *demonstration) settle(ctx context.Context, b *bridge) {
	d.enter("no new calls; running ones come to their end")
	d.sim.Quiesce()
	calm := until(ctx, d.sim.Quiet)
	d.ended = time.Now()
	if !calm {
		return
	}
	d.enter("waiting for the files of the last windows")
	if !until(ctx, func() bool { return completeTo(b, d.ended) }) {
		return
	}
	b.stopPlanning()
	until(ctx, func() bool { return outstanding(b) == 0 })
}

// until waits for a condition, false when ctx ends first.
func until(ctx context.Context, condition func() bool) bool {
	ticker := time.NewTicker(100 * time.Millisecond)
	defer ticker.Stop()
	for !condition() {
		select {
		case <-ctx.Done():
			return false
		case <-ticker.C:
		}
	}
	return true
}

// completeTo reports whether every window that begins before t is complete.
func completeTo(b *bridge, t time.Time) bool {
	for _, k := range demoKinds {
		reached := false
		for _, e := range b.ledger.Entries(demoTenant, k) {
			if !e.Window.From.Before(t) {
				break
			}
			if e.State != schemas.WindowCompleted {
				return false
			}
			reached = !e.Window.To.Before(t)
		}
		if !reached {
			return false
		}
	}
	return true
}

func outstanding(b *bridge) (n int) {
	for _, k := range demoKinds {
		for _, e := range b.ledger.Entries(demoTenant, k) {
			if e.State == schemas.WindowRequested || e.State == schemas.WindowReady {
				n++
			}
		}
	}
	return n
}

// conclude prints the result. The demo failed if the streams differ from the
// truth.
func (d *demonstration) conclude(out io.Writer) error {
	if d.o.asJSON {
		if err := json.NewEncoder(out).Encode(d.report); err != nil {
			return err
		}
	} else {
		printReport(out, d.report)
		if id, c, ok := d.tally.story(); ok {
			fmt.Fprintf(out, "\nOne call, %s: %s with %s, and rows %s.\n", id, count(c.Events, "event"),
				count(len(c.Agents), "agent"), byKind(c.Rows))
		}
	}
	if !d.report.OK {
		return errReported
	}
	return nil
}

func printReport(out io.Writer, r truthcheck.Report) {
	fmt.Fprintf(out, "\nCompared with what the simulator did:\n")
	fmt.Fprintf(out, "  events  %d popped, %d stored, %s\n", r.Events.Popped, r.Events.Stored, count(r.Events.Gaps, "gap"))
	fmt.Fprintf(out, "  files   %d made, %d accepted, %d failed\n", r.Files.Made, r.Files.Accepted, r.Files.Failed)
	fmt.Fprintf(out, "  rows    %d in files, %d in the stream, %s\n", r.Rows.InFiles, r.Rows.InStream, count(r.Rows.Duplicates, "duplicate"))
	for _, p := range r.Problems {
		fmt.Fprintf(out, "  problem: %s\n", p)
	}
	if r.OK {
		fmt.Fprintln(out, "Everything is there, once.")
	} else {
		fmt.Fprintln(out, "The streams differ from the truth.")
	}
}
