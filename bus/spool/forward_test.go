package spool

import (
	"context"
	"fmt"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
	"golang.org/x/sync/errgroup"

	"aiccbridge/bus/embedded"
	"aiccbridge/bus/internal/bustest"
	"aiccbridge/bus/internal/hubtest"
	"aiccbridge/bus/internal/wire"
	"aiccbridge/schemas"
)

// The hub stores, its acknowledgement is swallowed, and the connection is cut. No
// id helps: only the fence and the look can tell.
func TestF03AckSwallowedAndConnectionCut(t *testing.T) {
	t.Parallel()
	const bridges, cuts = 4, 25
	var sum [bridges]stats
	t.Run("fenced", func(t *testing.T) {
		for i := range bridges {
			t.Run(strconv.Itoa(i), func(t *testing.T) {
				t.Parallel()
				sum[i] = cutAcks(t, cuts)
			})
		}
	})
	var got stats
	for _, s := range sum {
		got = stats{got.lost + s.lost, got.duplicated + s.duplicated, got.misordered + s.misordered}
	}
	got.report(t, bridges*cuts)
	t.Attr("figure", fmt.Sprintf("%d cuts, %d duplicates", bridges*cuts, got.duplicated))
	if got != (stats{}) {
		t.Errorf("%+v", got)
	}
}

// cutAcks forwards, each time a few messages of a few agents, until so many
// connections were cut.
func cutAcks(t *testing.T, cuts int64) stats {
	var left atomic.Int64
	c := bustest.Cutter(bustest.Server(t), func() bool { return left.Add(-1) >= 0 })
	hub := hubtest.Open(t, c, hubtest.Quick(100*time.Millisecond))
	hubtest.Ensure(t, hub)
	s := spoolOn(t, bustest.Server(t), hub)
	forwards(t, s)
	const agents = 4
	left.Store(cuts)
	each := 0
	for ; left.Load() > 0; each++ {
		for agent := range agents {
			publish(t, s, bustest.AgentEvent(agent, each, false))
		}
		flush(t, s)
	}
	return statsAt(t, hub, agents, each)
}

// forwards runs nothing of a spool but the way of its events.
func forwards(t *testing.T, s *Spool) {
	ctx, cancel := context.WithCancel(context.Background())
	var group errgroup.Group
	group.Go(func() error { return s.hub.Back(ctx, s.hubBack.Ring) })
	group.Go(func() error { return s.lines[0].run(ctx) })
	t.Cleanup(func() {
		cancel()
		if err := group.Wait(); err != nil {
			t.Error(err)
		}
	})
}

// The hub is restarted under load, again and again.
func TestF02SpoolOverHubRestarts(t *testing.T) {
	t.Parallel()
	const agents, each, restarts = 10, 60, 20
	server0 := bustest.Listening(t, t.TempDir(), 0)
	hub := hubtest.Open(t, nil, hubtest.Quick(300*time.Millisecond), func(o *wire.Options) { o.URL = server0.ClientURL() })
	hubtest.Ensure(t, hub)
	s := spoolOn(t, bustest.Server(t), hub)
	runs(t, s)
	for i := range each {
		if i%(each/restarts) == 1 {
			if err := server0.Restart(); err != nil {
				t.Fatal(err)
			}
		}
		for agent := range agents {
			publish(t, s, bustest.AgentEvent(agent, i, false))
		}
	}
	flush(t, s)
	got := statsAt(t, hub, agents, each)
	got.report(t, restarts)
	t.Attr("figure", fmt.Sprintf("%d restarts of the hub, %d messages forwarded, %d lost, %d duplicated", restarts, agents*each, got.lost, got.duplicated))
	if got != (stats{}) {
		t.Errorf("%+v", got)
	}
}

// The forwarder dies between the hub's storing and its own knowing; the next one
// over the same directory goes on. The outage is longer than the deduplication
// window: the messages carry no id at all.
func TestF04ForwarderDiesBetweenStoreAndTrim(t *testing.T) {
	t.Parallel()
	const agents, each, deaths = 5, 20, 12
	server0, dir := bustest.Server(t), t.TempDir()
	hub := hubtest.Open(t, server0)
	hubtest.Ensure(t, hub)
	life := func(first, last int, die bool) {
		local, err := embedded.Start(t.Context(), embedded.Options{Dir: dir})
		if err != nil {
			t.Fatal(err)
		}
		defer local.Shutdown()
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		var stores atomic.Int64
		s := spoolOn(t, local, hubtest.Open(t, bustest.Cutter(server0, func() bool {
			if !die || stores.Add(1) < 3 {
				return false
			}
			cancel()
			return true
		})))
		defer s.Close()
		for i := first; i < last; i++ {
			for agent := range agents {
				publish(t, s, bustest.AgentEvent(agent, i, false))
			}
		}
		done := make(chan error, 1)
		go func() { done <- s.Run(ctx) }()
		if err := s.Flush(ctx); err == nil {
			bustest.Await(t, func() bool { return ctx.Err() != nil || s.State().Messages == 0 })
			cancel()
		}
		if err := <-done; err != nil {
			t.Error(err)
		}
	}
	life(0, each/2, true)
	for range deaths - 1 {
		life(0, 0, true)
	}
	life(0, 0, false) // all is trimmed: the sequences must still go on
	life(each/2, each, true)
	life(0, 0, false)
	got := statsAt(t, hub, agents, each)
	got.report(t, deaths)
	t.Attr("figure", fmt.Sprintf("%d deaths between store and trim, %d duplicated, %d lost", deaths, got.duplicated, got.lost))
	if got != (stats{}) {
		t.Errorf("%+v", got)
	}
}

// Two bridges write the same agent in turn. The first one dies with a message
// that the hub has stored, and finds it behind the other's when it comes back.
func TestTwoSpoolsInTurn(t *testing.T) {
	t.Parallel()
	server0, one, two := bustest.Server(t), bustest.Server(t), bustest.Server(t)
	hub := hubtest.Open(t, server0)
	hubtest.Ensure(t, hub)
	turn := func(p nats.InProcessConnProvider, from, to int, dies bool) {
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		s := spoolOn(t, p, hubtest.Open(t, bustest.Cutter(server0, func() bool {
			if dies {
				cancel()
			}
			return dies
		})))
		defer s.Close()
		for i := from; i < to; i++ {
			publish(t, s, bustest.AgentEvent(0, i, false))
		}
		done := make(chan error, 1)
		go func() { done <- s.Run(ctx) }()
		if !dies {
			flush(t, s)
			cancel()
		}
		if err := <-done; err != nil {
			t.Error(err)
		}
	}
	turn(one, 0, 3, false)
	turn(two, 3, 6, false)
	turn(one, 6, 7, true) // the hub has 6
	turn(two, 7, 10, false)
	turn(one, 10, 12, false) // has 6 left over, and two new ones
	turn(two, 12, 13, false)
	if got := statsAt(t, hub, 1, 13); got != (stats{}) {
		t.Errorf("%+v", got)
	}
}

// The wire falls silent while the forwarder searches the hub for what an earlier
// process sent, behind messages that somebody else wrote since.
func TestF37SilenceDuringTheSearch(t *testing.T) {
	t.Parallel()
	silences := map[string]time.Duration{"shorter than a request": 300 * time.Millisecond, "two requests": 1200 * time.Millisecond, "four": 2200 * time.Millisecond, "longer than is waited for": 4 * time.Second}
	var mu sync.Mutex
	var sum stats
	t.Run("silence", func(t *testing.T) {
		for name, silence := range silences {
			t.Run(name, func(t *testing.T) {
				t.Parallel()
				got := searchOverSilence(t, silence)
				if got != (stats{}) {
					t.Errorf("%+v", got)
				}
				mu.Lock()
				defer mu.Unlock()
				sum = stats{sum.lost + got.lost, sum.duplicated + got.duplicated, sum.misordered + got.misordered}
			})
		}
	})
	sum.report(t, len(silences))
	t.Attr("figure", fmt.Sprintf("%d searches over silences of up to 4 s, %d messages stored twice", len(silences), sum.duplicated))
}

func searchOverSilence(t *testing.T, silence time.Duration) stats {
	const others = 50
	server0, local := bustest.Server(t), bustest.Server(t)
	hub := hubtest.Open(t, server0)
	hubtest.Ensure(t, hub)
	ctx, dies := context.WithCancel(t.Context())
	first := spoolOn(t, local, hubtest.Open(t, bustest.Cutter(server0, func() bool { dies(); return true })))
	publish(t, first, bustest.AgentEvent(0, 0, false))
	if err := first.Run(ctx); err != nil { // the hub has it, and the spool does not know
		t.Fatal(err)
	}
	first.Close()
	for i := range others {
		direct(t, hub, bustest.AgentEvent(0, 1+i, false))
	}
	link := bustest.NewStalling(server0)
	second := spoolOn(t, local, hubtest.Open(t, link, hubtest.Quick(500*time.Millisecond)))
	link.Stall("$JS.ACK.", silence)
	forwards(t, second)
	flush(t, second)
	if link.Stalls() != 1 {
		t.Error("there was no silence")
	}
	return statsAt(t, hub, 1, 1+others)
}

// Both write at once: the fence holds one up, and nothing else.
func TestTwoSpoolsAtOnce(t *testing.T) {
	t.Parallel()
	hub := hubtest.Ready(t)
	var group sync.WaitGroup
	spools := []*Spool{spoolOn(t, bustest.Server(t), hub), spoolOn(t, bustest.Server(t), hub)}
	const each = 30
	for n, s := range spools {
		runs(t, s)
		group.Go(func() {
			for i := range each {
				m := bustest.AgentEvent(0, i, false)
				m.ID = fmt.Sprintf("%d-%d", n, i)
				if err := s.Publish(t.Context(), m); err != nil {
					t.Error(err)
				}
			}
		})
	}
	group.Wait()
	for _, s := range spools {
		flush(t, s)
	}
	if got := statsAt(t, hub, len(spools), each); got != (stats{}) {
		t.Errorf("%+v", got)
	}
}

// The hub's stream is purged: what comes later is stored, also a message whose id
// the hub still knows.
func TestHubIsPurged(t *testing.T) {
	t.Parallel()
	hub, local := hubtest.Ready(t), bustest.Server(t)
	purge := func() {
		events, err := hubtest.Superior(t, hub).JetStream().Stream(t.Context(), "AICC_EVENTS")
		if err == nil {
			err = events.Purge(t.Context())
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	s := spoolOn(t, local, hub)
	runs(t, s)
	for i := range 3 {
		publish(t, s, bustest.AgentEvent(0, i, true))
		flush(t, s)
		purge()
	}
	direct(t, hub, bustest.AgentEvent(1, 0, true))
	purge()
	publish(t, s, bustest.AgentEvent(1, 0, true)) // as after a lost acknowledgement
	flush(t, s)
	if got := hubtest.All(t, hub, schemas.StreamEvents); len(got) != 1 {
		t.Errorf("%d messages, want 1", len(got))
	}
}

// The same message twice in the spool, as after a lost acknowledgement of the
// local server, is one at the hub.
func TestSpooledTwiceIsOnce(t *testing.T) {
	t.Parallel()
	hub := hubtest.Ready(t)
	s := spoolOn(t, bustest.Server(t), hub)
	c, err := s.local.StreamConfig(t.Context(), "AICC_SPOOL_EVENTS")
	if err != nil {
		t.Fatal(err)
	}
	c.Duplicates = 100 * time.Millisecond
	if _, err := s.local.JetStream().UpdateStream(t.Context(), *c); err != nil {
		t.Fatal(err)
	}
	for stored := 0; stored < 2; { // the second time when the window has passed
		ack, err := s.local.JetStream().PublishMsg(t.Context(), wire.Message(bustest.AgentEvent(0, 0, true)))
		if err != nil {
			t.Fatal(err)
		}
		if !ack.Duplicate {
			stored++
		}
	}
	runs(t, s)
	flush(t, s)
	if got := hubtest.All(t, hub, schemas.StreamEvents); len(got) != 1 {
		t.Errorf("%d messages", len(got))
	}
}
