package agents

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"time"

	"aiccbridge/internal/bench/figures"
	"aiccbridge/internal/bench/platform"
	"aiccbridge/internal/bench/rawnats"
	"aiccbridge/internal/bench/stage"
)

// Outages says what to measure of a bridge that was down, and of one whose server was.
// All is required.
type Outages struct {
	stage.Stage
	Agents  int // of the bridge that comes back
	Waiting int // messages in the spool
}

// OutagesResult is what was measured.
type OutagesResult struct {
	o Outages
	m stage.Measured
}

// Run measures both.
func (o Outages) Run(ctx context.Context) (*OutagesResult, error) {
	m := stage.Measured{}
	if err := o.resume(ctx, m); err != nil {
		return nil, fmt.Errorf("resume %d agents: %w", o.Agents, err)
	}
	for round := range o.Rounds {
		if err := o.forward(ctx, m); err != nil {
			return nil, fmt.Errorf("forward the spool, round %d: %w", round+1, err)
		}
	}
	return &OutagesResult{o, m}, nil
}

// resume has all agents of one tenant signed in, and measures how long the next bridges
// take until all are polled again.
func (o Outages) resume(ctx context.Context, m stage.Measured) error {
	x, err := open(ctx, o.Stage, "resume", o.Agents)
	if err != nil {
		return err
	}
	defer x.close()
	x.perTenant = o.Agents
	o.Say("restart: %d agents of one tenant sign in", o.Agents)
	for round := range o.Rounds + 1 {
		b, took, err := x.bridge(ctx)
		if err != nil {
			return err
		}
		x.stop(ctx, b.Child)
		if round > 0 {
			m.Add("resumed", took)
		}
		o.Say("  all are polled after %.1f s", took)
	}
	return nil
}

// spoolAgents bring what waits in the spool.
const spoolAgents = 1000

// forward has events wait in the spool while the server is away, and measures how fast they
// get there once it is back; then the raw client stores the same.
func (o Outages) forward(ctx context.Context, m stage.Measured) error {
	ctx, cancel := context.WithTimeout(ctx, 5*time.Minute)
	defer cancel()
	x, err := open(ctx, o.Stage, "spool", spoolAgents)
	if err != nil {
		return err
	}
	defer x.close()
	dir := filepath.Join(x.dir, "server")
	server, err := stage.StartServer(ctx, dir)
	if err != nil {
		return err
	}
	defer func() { server.Stop() }()
	x.nats = server.URL
	b, _, err := x.bridge(ctx)
	if err != nil {
		return err
	}
	defer b.Stop()
	server.Stop()
	if err := o.pile(ctx, x); err != nil {
		return err
	}
	used, err := b.Usage()
	if err != nil {
		return err
	}
	if server, err = stage.StartServerAt(ctx, dir, server.URL); err != nil {
		return err
	}
	n, seconds, err := drained(ctx, server.URL, o.Waiting)
	if err != nil {
		return err
	}
	after, err := b.Usage()
	if err != nil {
		return err
	}
	m.Add("forward: rate", n/seconds)
	m.Add("forward: CPU", (after.CPU-used.CPU)/n)
	kept, err := o.keep(ctx, server.URL)
	if err != nil {
		return err
	}
	x.stop(ctx, b.Child)
	server.Stop()
	return o.raw(ctx, m, kept)
}

// pile waits until so many events have been handed out, and answered.
func (o Outages) pile(ctx context.Context, x *scene) error {
	before, err := x.ask(ctx, platform.Question{Load: &platform.Load{Flood: true}})
	for err == nil {
		var now platform.Answer
		if now, err = x.ask(ctx, platform.Question{}); err == nil && now.Events-before.Events > int64(o.Waiting) {
			return x.load(ctx, platform.Load{})
		}
		if err == nil {
			err = wait(ctx, 100*time.Millisecond)
		}
	}
	return err
}

// drained watches a stream grow by n messages, from the first growth on that is seen.
func drained(ctx context.Context, url string, n int) (messages, seconds float64, err error) {
	stream, err := rawnats.Connect(url)
	if err != nil {
		return 0, 0, err
	}
	defer stream.Close()
	var first, last uint64
	var begin time.Time
	for ctx.Err() == nil {
		count, _, err := stream.Count(ctx, EventStream)
		switch now := time.Now(); {
		case err != nil: // it is about to be there
		case first == 0:
			first, begin = count, now
		case last == first && count > first:
			begin = now
		}
		if err == nil {
			last = count
		}
		if first > 0 && last-first >= uint64(n) {
			return float64(last - first), time.Since(begin).Seconds(), nil
		}
		if err := wait(ctx, 20*time.Millisecond); err != nil {
			return 0, 0, fmt.Errorf("%d of %d messages came: %w", last-first, n, err)
		}
	}
	return 0, 0, errors.Join(errors.New("the stream is not back"), ctx.Err())
}

func (o Outages) keep(ctx context.Context, url string) (string, error) {
	return (&Suite{Stage: o.Stage}).keep(ctx, url)
}

// raw stores as many of the same events, with a window of them unanswered.
func (o Outages) raw(ctx context.Context, m stage.Measured, kept string) error {
	d, _, err := o.RawExternal(ctx, rawnats.Job{Mode: "window", File: kept, N: o.Waiting, Size: 1024})
	if err != nil {
		return err
	}
	m.Add("async: rate", float64(d.Messages)/d.Seconds)
	m.Add("async: CPU", d.CPU/float64(d.Messages))
	o.Say("spool: %.0f a second, %.0f µs CPU each; raw %.0f, %.0f µs", last(m["forward: rate"]), 1e6*last(m["forward: CPU"]), last(m["async: rate"]), 1e6*last(m["async: CPU"]))
	return nil
}

// Verdicts are those of P9 and P11.
func (r *OutagesResult) Verdicts() []figures.Verdict {
	return []figures.Verdict{
		{Target: 9, Claims: []figures.Claim{
			stage.AtMost(fmt.Sprintf("seconds until %d resumed agents are polled", r.o.Agents), r.m["resumed"].Median(), 10),
		}},
		{Target: 11, Claims: []figures.Claim{
			stage.AtLeast("spool forwarded, of raw asynchronous publishes", r.m.Ratio("forward: rate", "async: rate"), 0.9),
			stage.AtMost("its CPU", r.m.Ratio("forward: CPU", "async: CPU"), 6),
		}},
	}
}

// Tables are for the document.
func (r *OutagesResult) Tables() []figures.Table {
	return []figures.Table{{
		Title: "Outages",
		Note:  fmt.Sprintf("Agents are those of one tenant; from the start of the process until the last is polled. The spool had %d events when the server came back; agents go on polling meanwhile.", r.o.Waiting),
		Lines: []figures.Line{
			r.m.Line(fmt.Sprintf("all of %d resumed agents polled", r.o.Agents), "s", "resumed", "", ""),
			r.m.Line("spool forwarded", "messages/s", "forward: rate", "raw, 1,024 unanswered", "async: rate"),
			r.m.Line("CPU of a message, the spool's server included", "", "forward: CPU", "raw client", "async: CPU").In("µs", 1e6),
		},
	}}
}
