package agents

import (
	"context"
	"fmt"
	"path/filepath"
	"time"

	"aiccbridge/internal/bench/bridge"
	"aiccbridge/internal/bench/platform"
	"aiccbridge/internal/bench/process"
	"aiccbridge/internal/bench/rawnats"
	"aiccbridge/internal/bench/stage"
)

// How many agents there are where they are few, and where a queue of each is drained.
const (
	fewAgents   = 1000
	queueAgents = 20
)

// Suite says what to measure. All is required.
type Suite struct {
	stage.Stage
	Agents int           // where they are many
	Span   time.Duration // of each look
	Memory bool          // memory and idle polls
	Events bool          // events
}

// Run measures in rounds: few agents, many, and the plain client.
func (s *Suite) Run(ctx context.Context) (*Result, error) {
	m := stage.Measured{}
	if err := s.queues(ctx, m); err != nil {
		return nil, fmt.Errorf("queued events: %w", err)
	}
	for _, n := range []int{fewAgents, s.Agents} {
		if err := s.scene(ctx, m, n); err != nil {
			return nil, fmt.Errorf("%d agents: %w", n, err)
		}
	}
	return &Result{Agents: s.Agents, Memory: s.Memory, Events: s.Events, m: m}, nil
}

// queues has a few agents with an event for each poll: how much later than a client that
// does nothing the bridge polls again; then the same events by raw clients. The bridge's
// memory here is what it has without agents.
func (s *Suite) queues(ctx context.Context, m stage.Measured) error {
	x, err := open(ctx, s.Stage, "queues", queueAgents)
	if err != nil {
		return err
	}
	defer x.close()
	for round := range s.Rounds {
		b, _, err := x.bridge(ctx)
		if err != nil {
			return err
		}
		defer b.Stop()
		u, err := b.Usage()
		if err != nil {
			return err
		}
		m.Add("base", u.RSS)
		if !s.Events {
			x.stop(ctx, b.Child)
			continue
		}
		if err := x.gaps(ctx, m, "bridge", b.Child, s.Span); err != nil {
			return err
		}
		kept, err := s.keep(ctx, b.NATS)
		if err != nil {
			return err
		}
		x.stop(ctx, b.Child)
		c, _, err := x.plain(ctx)
		if err != nil {
			return err
		}
		defer c.Stop()
		if err := x.gaps(ctx, m, "plain", c, s.Span); err != nil {
			return err
		}
		x.stop(ctx, c)
		if err := s.raw(ctx, m, kept); err != nil {
			return err
		}
		s.Say("agents: queues, round %d: next poll after %.1f ms, plain %.1f; raw singles %.0f a second, batches of 100 %.0f", round+1,
			1e3*last(m["bridge: gap p50"]), 1e3*last(m["plain: gap p50"]), last(m["singles: rate"]), last(m["grouped: rate"]))
	}
	return nil
}

func last(s []float64) float64 { return s[len(s)-1] }

// keep reads some events back, for the raw clients.
func (s *Suite) keep(ctx context.Context, url string) (file string, err error) {
	stream, err := rawnats.Connect(url)
	if err != nil {
		return "", err
	}
	defer stream.Close()
	kept, err := stream.Keep(ctx, EventStream, 1000)
	if err != nil {
		return "", err
	}
	kept.Config.AllowAtomicPublish = true
	file = filepath.Join(s.Dir, "events")
	return file, kept.Save(file)
}

// raw stores the same events one by one, and in groups of a hundred that share a sync.
func (s *Suite) raw(ctx context.Context, m stage.Measured, file string) error {
	dir, err := s.Folder("raw")
	if err != nil {
		return err
	}
	singles, err := stage.Raw(ctx, rawnats.Job{Mode: "singles", Dir: dir, File: file, During: s.Span})
	if err != nil {
		return err
	}
	m.Add("singles: rate", float64(singles.Messages)/singles.Seconds)
	m.Add("singles: p50", quantile(singles.Took, 0.5))
	m.Add("singles: p99", quantile(singles.Took, 0.99))
	m.Add("singles: CPU", singles.CPU/float64(singles.Messages))
	if dir, err = s.Folder("raw"); err != nil {
		return err
	}
	grouped, err := stage.Raw(ctx, rawnats.Job{Mode: "batches", Dir: dir, File: file, N: 50_000, Size: 100})
	if err != nil {
		return err
	}
	m.Add("grouped: rate", float64(grouped.Messages)/grouped.Seconds)
	return nil
}

// scene measures rounds with n agents.
func (s *Suite) scene(ctx context.Context, m stage.Measured, n int) error {
	x, err := open(ctx, s.Stage, "agents", n)
	if err != nil {
		return err
	}
	defer x.close()
	s.Say("agents: %d sign in", n)
	b, took, err := x.bridge(ctx)
	if err != nil {
		return err
	}
	s.Say("  after %.1f s all are polled", took)
	x.stop(ctx, b.Child)
	many := n != fewAgents
	for round := range s.Rounds {
		if err := s.round(ctx, x, m, many); err != nil {
			return fmt.Errorf("round %d: %w", round+1, err)
		}
	}
	return nil
}

// round measures one bridge that resumes its sessions, and then the plain client.
func (s *Suite) round(ctx context.Context, x *scene, m stage.Measured, many bool) error {
	b, took, err := x.bridge(ctx)
	if err != nil {
		return err
	}
	defer b.Stop()
	of := "few: "
	if many {
		of = "many: "
	}
	m.Add(of+"resumed", took)
	idle, err := x.idle(ctx, b.Child, s.Span)
	if err != nil {
		return err
	}
	m.Add(of+"idle CPU/s", idle.cpu/idle.seconds)
	if s.Memory {
		m.Add(of+"memory", (idle.rss-m["base"].Median())/float64(x.n-queueAgents))
		m.Add(of+"idle CPU", idle.cpu/idle.polls)
		s.Say("  %d agents resumed after %.1f s: %.1f KiB each, %.0f µs a poll", x.n, took, last(m[of+"memory"])/1024, 1e6*last(m[of+"idle CPU"]))
	}
	if s.Events {
		if err := s.events(ctx, x, m, of, b); err != nil {
			return err
		}
		if many {
			if err := s.highest(ctx, x, m, b); err != nil {
				return err
			}
		}
	}
	x.stop(ctx, b.Child)
	if !s.Memory {
		return nil
	}
	return s.plain(ctx, x, m, of)
}

// idle lets everything be polled once, and looks then, for whole polls: agents that were
// resumed together poll together.
func (x *scene) idle(ctx context.Context, c *process.Child, during time.Duration) (span, error) {
	if err := wait(ctx, platform.Hold+time.Second); err != nil {
		return span{}, err
	}
	return x.look(ctx, c, max(during, platform.Hold).Truncate(platform.Hold))
}

func (s *Suite) plain(ctx context.Context, x *scene, m stage.Measured, of string) error {
	c, base, err := x.plain(ctx)
	if err != nil {
		return err
	}
	defer c.Stop()
	idle, err := x.idle(ctx, c, s.Span)
	if err != nil {
		return err
	}
	m.Add(of+"plain memory", (idle.rss-base)/float64(x.n))
	m.Add(of+"plain idle CPU", idle.cpu/idle.polls)
	s.Say("  plain client: %.1f KiB each, %.0f µs a poll", last(m[of+"plain memory"])/1024, 1e6*last(m[of+"plain idle CPU"]))
	return nil
}

// eventRate is the load at which events are timed.
const eventRate = 1000

// events measures how long events take, and what they cost while nobody looks on.
func (s *Suite) events(ctx context.Context, x *scene, m stage.Measured, of string, b *bridge.Bridge) error {
	if err := x.load(ctx, platform.Load{Rate: eventRate}); err != nil {
		return err
	}
	took, err := x.latencies(ctx, b.NATS, s.Span)
	if err != nil {
		return err
	}
	m.Add(of+"p50", took.Quantile(0.5))
	m.Add(of+"p99", took.Quantile(0.99))
	cost, err := x.look(ctx, b.Child, s.Span)
	if err != nil {
		return err
	}
	m.Add(of+"CPU/s", cost.cpu/cost.seconds)
	m.Add(of+"event bytes", cost.written/cost.events)
	if cost.syncs > 0 {
		m.Add(of+"events a sync", cost.events/cost.syncs)
	}
	s.Say("  %d events/s of %d agents: p50 %.2f ms, p99 %.1f ms, %.0f µs CPU each", eventRate, x.n, 1e3*last(m[of+"p50"]), 1e3*last(m[of+"p99"]), 1e6*cost.cpu/cost.events)
	return nil
}

// busyRate is the load at which syncs are counted.
const busyRate = 5000

// highest counts syncs under many events, and how many a second go through when every poll
// has one.
func (s *Suite) highest(ctx context.Context, x *scene, m stage.Measured, b *bridge.Bridge) error {
	if err := x.load(ctx, platform.Load{Rate: busyRate}); err != nil {
		return err
	}
	busy, err := x.look(ctx, b.Child, s.Span)
	if err != nil {
		return err
	}
	if busy.syncs > 0 {
		m.Add("busy: events a sync", busy.events/busy.syncs)
	}
	m.Add("busy: rate", busy.events/busy.seconds)
	if err := x.load(ctx, platform.Load{Flood: true}); err != nil {
		return err
	}
	stream, err := rawnats.Connect(b.NATS)
	if err != nil {
		return err
	}
	defer stream.Close()
	before, _, err := stream.Count(ctx, EventStream)
	if err != nil {
		return err
	}
	start := time.Now()
	if err := wait(ctx, s.Span); err != nil {
		return err
	}
	after, _, err := stream.Count(ctx, EventStream)
	if err != nil {
		return err
	}
	m.Add("highest", float64(after-before)/time.Since(start).Seconds())
	s.Say("  at %d a second %.1f events a sync; highest rate %.0f a second", busyRate, m["busy: events a sync"].Median(), last(m["highest"]))
	return x.load(ctx, platform.Load{})
}
