package agents

import (
	"bytes"
	"context"
	"strconv"
	"sync"
	"time"

	"aiccbridge/internal/bench/bridge"
	"aiccbridge/internal/bench/figures"
	"aiccbridge/internal/bench/platform"
	"aiccbridge/internal/bench/process"
	"aiccbridge/internal/bench/rawnats"
	"aiccbridge/internal/bench/stage"
)

// scene is a platform with so many agents, and a folder of a bridge that has its server in
// it. Bridges and plain clients come and go.
type scene struct {
	stage.Stage
	n         int
	dir       string
	platform  *process.Child
	ready     platform.Ready
	nats      string // of a server in a second process; empty: it is in the bridge
	perTenant int    // agents of one tenant
	disk      *disk  // nil: syncs cannot be counted
}

// perTenant is how many agents one of the tenants has: the bridge spreads sign-ins by
// tenant, and ten thousand are not to take minutes.
const perTenant = 1000

func open(ctx context.Context, s stage.Stage, name string, n int) (x *scene, err error) {
	x = &scene{Stage: s, n: n, perTenant: perTenant}
	if x.dir, err = s.Folder(name); err != nil {
		return nil, err
	}
	if x.disk, err = newDisk(x.dir); err != nil {
		s.Say("  syncs are not counted: %v", err)
	}
	x.platform, err = stage.StartRole(ctx, &x.ready, "platform", x.dir)
	return x, err
}

func (x *scene) close() { x.platform.Stop() }

func (x *scene) ask(ctx context.Context, q platform.Question) (a platform.Answer, err error) {
	return a, x.platform.Ask(ctx, q, &a)
}

// bridge starts a bridge and waits until it has polled every agent; it returns the seconds
// from the start of the process.
func (x *scene) bridge(ctx context.Context) (b *bridge.Bridge, took float64, err error) {
	ctx, cancel := context.WithTimeout(ctx, 5*time.Minute)
	defer cancel()
	if _, err := x.ask(ctx, platform.Question{Reset: true, Load: &platform.Load{}}); err != nil {
		return nil, 0, err
	}
	start := time.Now()
	// The bridge is to outlive the wait.
	b, err = bridge.Start(context.WithoutCancel(ctx), bridge.Options{Binary: x.Binary, Dir: x.dir, PlatformDir: x.dir, Platform: x.ready, NATS: x.nats, Agents: x.n, PerTenant: x.perTenant})
	if err != nil {
		return nil, 0, err
	}
	a, err := x.ask(ctx, platform.Question{Agents: x.n})
	if err != nil {
		b.Stop()
		return nil, 0, err
	}
	return b, a.At.Sub(start).Seconds(), nil
}

// stop ends a child whose polls would be held.
func (x *scene) stop(ctx context.Context, c *process.Child) {
	_, _ = x.ask(ctx, platform.Question{Release: true}) // else it takes longer
	c.Stop()
}

// plain starts the plain client and waits until it has polled every agent; base is its
// memory before.
func (x *scene) plain(ctx context.Context) (c *process.Child, base float64, err error) {
	ctx, cancel := context.WithTimeout(ctx, 2*time.Minute)
	defer cancel()
	if _, err := x.ask(ctx, platform.Question{Reset: true, Load: &platform.Load{}}); err != nil {
		return nil, 0, err
	}
	var said string
	c, err = stage.StartRole(context.WithoutCancel(ctx), &said, "longpoll", x.ready.GatewayURL, x.dir, strconv.Itoa(x.n))
	if err != nil {
		return nil, 0, err
	}
	before, err := c.Usage()
	if err == nil {
		err = c.Ask(ctx, "go", &said)
	}
	if err == nil {
		_, err = x.ask(ctx, platform.Question{Agents: x.n})
	}
	if err != nil {
		c.Stop()
		return nil, 0, err
	}
	return c, before.RSS, nil
}

// span is what happened in some seconds.
type span struct {
	seconds, cpu, polls, events, syncs, rss, written float64
	gaps                                             figures.Series
}

// look measures a child for some time.
func (x *scene) look(ctx context.Context, c *process.Child, during time.Duration) (s span, err error) {
	before, err := x.ask(ctx, platform.Question{Reset: true})
	if err != nil {
		return s, err
	}
	used, err := c.Usage()
	if err != nil {
		return s, err
	}
	flushes, start := x.flushes(), time.Now()
	if err := wait(ctx, during); err != nil {
		return s, err
	}
	after, err := x.ask(ctx, platform.Question{})
	if err != nil {
		return s, err
	}
	usedAfter, err := c.Usage()
	s = span{
		seconds: time.Since(start).Seconds(), cpu: usedAfter.CPU - used.CPU, written: usedAfter.Written - used.Written, rss: usedAfter.RSS,
		polls: float64(after.Polls - before.Polls), events: float64(after.Events - before.Events), gaps: after.Gaps,
	}
	if x.disk != nil && x.disk.perSync > 0.1 {
		s.syncs = (x.flushes() - flushes) / x.disk.perSync
	}
	return s, err
}

func (x *scene) flushes() float64 {
	if x.disk == nil {
		return 0
	}
	n, _ := x.disk.flushes() // it was read before
	return n
}

// load sets what happens to the agents, and lets it settle.
func (x *scene) load(ctx context.Context, l platform.Load) error {
	if _, err := x.ask(ctx, platform.Question{Load: &l}); err != nil {
		return err
	}
	return wait(ctx, time.Second)
}

// EventStream is where events go.
const EventStream = "AICC_EVENTS"

// latencies are the seconds from the answer with an event until a consumer of the stream
// has the event.
func (x *scene) latencies(ctx context.Context, url string, during time.Duration) (all figures.Series, err error) {
	stream, err := rawnats.Connect(url)
	if err != nil {
		return nil, err
	}
	defer stream.Close()
	ctx, cancel := context.WithTimeout(ctx, during+30*time.Second)
	defer cancel()
	var mu sync.Mutex
	err = stream.Watch(ctx, EventStream, "aicc.v1.*.agent.>", func(body []byte) {
		if age, ok := ageOf(body, time.Now()); ok {
			mu.Lock()
			all = append(all, age)
			mu.Unlock()
		}
	})
	if err == nil {
		err = wait(ctx, during)
	}
	cancel()
	stream.Close()
	mu.Lock()
	defer mu.Unlock()
	return append(figures.Series(nil), all...), err
}

// ageOf is how long ago the event of a message was handed out.
func ageOf(body []byte, now time.Time) (seconds float64, ok bool) {
	_, rest, ok := bytes.Cut(body, []byte(platform.Stamp))
	text, _, closed := bytes.Cut(rest, []byte(`"`))
	ns, err := strconv.ParseInt(string(text), 10, 64)
	return now.Sub(time.Unix(0, ns)).Seconds(), ok && closed && err == nil
}
