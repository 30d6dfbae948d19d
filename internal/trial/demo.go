package trial

import (
	"context"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"sync"
	"time"

	"aiccbridge/config"
	"aiccbridge/internal/platformsim"
	"aiccbridge/internal/trial/view"
	"aiccbridge/internal/truthcheck"
	"aiccbridge/schemas"
)

// Run runs a bridge with a configuration until ctx ends, calling the hooks.
type Run func(ctx context.Context, c *config.Config, h Hooks) error

// Hooks are called once in each run. Neither may be nil.
type Hooks struct {
	// Ready is called when everything has been started; it must not block.
	Ready func(Bridge)
	// Drained is called when everything has ended but the hub. Its error is that of the run.
	Drained func(context.Context, Streams) error
}

// Bridge is what a trial sees of a bridge that runs.
type Bridge struct {
	NATS         string // where consumers connect
	Wallboard    string // its address
	Streams      Streams
	Windows      Windows
	StopPlanning func() // no window is asked for any more when it returns
	// CallsMade reports whether the calls of all complete windows have been published, with
	// what has been said of their recordings.
	CallsMade func(ctx context.Context) (bool, error)
	// Recorded reports whether it is said what became of all recordings.
	Recorded func(ctx context.Context) (bool, error)
}

// Streams are those of the hub.
type Streams interface {
	// Read calls f with each message that the stream holds now.
	Read(ctx context.Context, stream schemas.Stream, filter string, from uint64, f func(schemas.Stored) error) error
	// Follow calls f with each message that the stream gets from now on, until ctx ends.
	Follow(ctx context.Context, stream schemas.Stream, filter string, f func(schemas.Stored) error) error
}

// Windows are what the bridge knows of the windows of a tenant's extracts, from the
// oldest to the newest.
type Windows interface {
	Entries(tenant string, kind schemas.Kind) []schemas.WindowEntry
}

// DemoOptions describe a demo. All but View and Seed must be set.
type DemoOptions struct {
	Agents int           // how many agents work, 1 to 2000
	Last   time.Duration // how long calls go on; at least 20 s, so that windows of 10 s can end
	Seed   uint64        // of every choice of the simulator
	Listen string        // host:port for NATS clients; a free port is taken if it is in use
	View   io.Writer     // where the live view is shown
	Lines  bool          // as lines on a terminal, too: a log is written there
	// Recordings has the audio of all recordings fetched; some is late or absent.
	Recordings bool
}

// Result is what came out of a demo.
type Result struct {
	Report truthcheck.Report
	Story  string // one call as the streams know it, a sentence; empty without calls
}

// Demo runs simulator and bridge until calls have gone on for long enough, or ctx ends,
// and everything has settled; then it compares. Streams that differ from the truth are
// no error but in the report.
func Demo(ctx context.Context, o DemoOptions, run Run) (Result, error) {
	tidy(time.Now())
	dir, err := os.MkdirTemp("", folder)
	if err != nil {
		return Result{}, fmt.Errorf("make folder for the demo: %w", err)
	}
	defer os.RemoveAll(dir)
	platform, err := simOptions(o, filepath.Join(dir, "sim"))
	if err != nil {
		return Result{}, err
	}
	sim, stopSim, err := startSim(context.WithoutCancel(ctx), platform)
	if err != nil {
		return Result{}, err
	}
	defer stopSim()
	c, err := bridgeConfig(sim.Settings(), dir, freeAddress(o.Listen), o.Recordings)
	if err != nil {
		return Result{}, err
	}
	d := &demo{o: o, sim: sim, stats: view.NewStats(), phase: view.NewPhase("agents work")}
	report, err := d.run(ctx, c, run)
	return Result{Report: report, Story: d.stats.Story()}, err
}

// startSim starts a simulator; stop ends it and waits for that.
func startSim(ctx context.Context, o platformsim.Options) (sim *platformsim.Sim, stop func(), err error) {
	if sim, err = platformsim.New(o); err != nil {
		return nil, nil, err
	}
	ctx, cancel := context.WithCancel(ctx)
	done := make(chan error, 1)
	go func() { done <- sim.Run(ctx) }()
	select {
	case <-sim.Ready():
		return sim, func() { cancel(); <-done }, nil
	case err := <-done:
		cancel()
		return nil, nil, fmt.Errorf("start the simulator: %w", err)
	}
}

// demo is one run of the demo.
type demo struct {
	o     DemoOptions
	sim   *platformsim.Sim
	stats *view.Stats
	phase *view.Phase // what the demo is doing
}

// run runs the bridge beside the simulator, for as long as the demo takes.
func (d *demo) run(user context.Context, c *config.Config, run Run) (report truthcheck.Report, err error) {
	running, stop := context.WithCancel(context.WithoutCancel(user))
	var watching sync.WaitGroup
	defer watching.Wait()
	defer stop()
	var ended time.Time
	err = run(running, c, Hooks{
		Ready: func(b Bridge) {
			watching.Go(func() {
				defer stop()
				ended = d.watch(user, running, b)
			})
		},
		Drained: func(ctx context.Context, s Streams) (err error) {
			watching.Wait()
			report, err = Judge(ctx, s, Case{Tenant: tenant, Zone: c.Tenants[0].Timezone, Ended: ended, Calls: true, Recordings: d.o.Recordings}, d.sim.Truth())
			return err
		},
	})
	return report, err
}

// watch shows the streams until the demo's time is over or the user ends it,
// then lets everything settle. It returns when the bridge may be stopped, with the
// time when the last call was over.
func (d *demo) watch(user, running context.Context, b Bridge) (ended time.Time) {
	fmt.Fprintf(d.o.View, "NATS is at %s; in another terminal try\n\n  nats sub 'aicc.v1.>' --server %[1]s\n  bridge agents watch --nats %[1]s\n\nThe wallboard is at %[2]s\n\n", b.NATS, b.Wallboard)
	watching, stop := context.WithCancel(running)
	var group sync.WaitGroup
	defer group.Wait()
	defer stop()
	for _, s := range []schemas.Stream{schemas.StreamEvents, schemas.StreamRows} {
		group.Go(func() {
			// A broken view shows as missing figures; the comparison reads the streams itself.
			_ = b.Streams.Follow(watching, s, "", d.stats.Add)
		})
	}
	group.Go(func() {
		view.Show(watching, d.o.View, view.Options{Stats: d.stats, Phase: d.phase, Total: d.o.Last, Lines: d.o.Lines})
	})

	timer := time.NewTimer(d.o.Last)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-user.Done():
		d.phase.Hint(" (Ctrl-C again ends at once)")
	case <-running.Done():
		return time.Time{}
	}
	settled, giveUp := context.WithTimeout(running, settleWithin)
	defer giveUp()
	return d.settle(settled, b)
}

// settleWithin is how long the demo waits for calls to end and for the files of
// the last windows. The comparison tells what is missing then.
const settleWithin = 90 * time.Second

// settle lets running calls end, waits for the windows that hold them, then for
// the last extracts under way. It returns when the last call was over.
func (d *demo) settle(ctx context.Context, b Bridge) (ended time.Time) {
	d.phase.Enter("no new calls; running ones come to their end")
	d.sim.Quiesce()
	calm := until(ctx, d.sim.Quiet)
	ended = time.Now()
	if !calm {
		return ended
	}
	d.phase.Enter("waiting for the files of the last windows")
	if until(ctx, func() bool { return completeTo(b.Windows, ended) }) {
		b.StopPlanning()
		until(ctx, func() bool { return !outstanding(b.Windows) })
		if d.o.Recordings {
			d.phase.Enter("waiting for audio that is late")
			until(ctx, func() bool { done, err := b.Recorded(ctx); return err == nil && done })
		}
		d.phase.Enter("waiting for the last calls")
		until(ctx, func() bool { done, err := b.CallsMade(ctx); return err == nil && done })
	}
	return ended
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
func completeTo(w Windows, t time.Time) bool {
	for _, k := range schemas.Kinds() {
		reached := false
		for _, e := range w.Entries(tenant, k) {
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

// outstanding reports whether an extract is under way.
func outstanding(w Windows) bool {
	for _, k := range schemas.Kinds() {
		for _, e := range w.Entries(tenant, k) {
			if e.State == schemas.WindowRequested || e.State == schemas.WindowReady {
				return true
			}
		}
	}
	return false
}
