package wire_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
	"github.com/prometheus/client_golang/prometheus"

	"aiccbridge/bus/internal/bustest"
	"aiccbridge/bus/internal/group"
	"aiccbridge/bus/internal/hubtest"
	"aiccbridge/bus/internal/wire"
	"aiccbridge/schemas"
)

// client is a connection and what a bus adds to it.
type client struct {
	*wire.Conn
	out     *wire.Publisher
	metrics *prometheus.Registry
}

func open(t *testing.T, p nats.InProcessConnProvider, change ...func(*wire.Options)) client {
	t.Helper()
	c, metrics := hubtest.Open(t, p, change...), prometheus.NewRegistry()
	return client{c, wire.NewPublisher(c, wire.PublisherOptions{Registerer: metrics}), metrics}
}

func ready(t *testing.T, change ...func(*wire.Options)) client {
	t.Helper()
	c := open(t, bustest.Server(t), change...)
	hubtest.Ensure(t, c.Conn)
	return c
}

// Publish publishes to the stream of the subject.
func (c client) Publish(ctx context.Context, m schemas.Message) error {
	stream, _ := c.Names().StreamOf(m.Subject)
	return c.out.Publish(ctx, c.Names().Stream(stream), wire.Message(m))
}

// Read reads to the end as of now.
func (c client) Read(ctx context.Context, stream schemas.Stream, filter string, from uint64, f func(schemas.Stored) error) error {
	return c.Conn.Read(ctx, wire.Range{Stream: c.Names().Stream(stream), Filter: filter, From: from}, f)
}

// Follow reads what comes.
func (c client) Follow(ctx context.Context, stream schemas.Stream, filter string, f func(schemas.Stored) error) error {
	follower, err := c.FollowFromNow(ctx, c.Names().Stream(stream), filter, f)
	if err != nil {
		return err
	}
	return follower.Run(ctx)
}

// retries is how many tries were counted that failed.
func (c client) retries(t *testing.T) float64 {
	t.Helper()
	families, err := c.metrics.Gather()
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range families {
		if f.GetName() == "aicc_bus_publish_retries_total" {
			return f.GetMetric()[0].GetCounter().GetValue()
		}
	}
	t.Fatal("not counted")
	return 0
}

func TestPublishStreamLimitIsPermanent(t *testing.T) {
	t.Parallel()
	b := open(t, bustest.Server(t))
	hubtest.Differ(t, b.Conn, "AICC_EVENTS", func(c *jetstream.StreamConfig) { c.MaxMsgSize = 300 })
	hubtest.Ensure(t, b.Conn, hubtest.Accept("AICC_EVENTS.max_msg_size"))
	m := bustest.Event("1")
	m.Body = []byte(`"` + strings.Repeat("x", 300) + `"`)
	var p *schemas.Permanent
	if err := b.Publish(t.Context(), m); !errors.As(err, &p) || p.Reason != schemas.ReasonOversized {
		t.Errorf("error %v", err)
	}
}

// The server still knows the id of a message that was purged.
func TestPublishAfterAPurge(t *testing.T) {
	t.Parallel()
	b := ready(t)
	for range 2 {
		if err := b.Publish(t.Context(), bustest.File("1")); err != nil {
			t.Fatal(err)
		}
		if got := hubtest.All(t, b.Conn, schemas.StreamFiles); len(got) != 1 || got[0].Get("ce-id") != "1" {
			t.Errorf("%d messages, want 1", len(got))
		}
		s, err := hubtest.Superior(t, b.Conn).JetStream().Stream(t.Context(), "AICC_FILES")
		if err != nil {
			t.Fatal(err)
		}
		if err := s.Purge(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
}

// A stream that took over the subjects must not get the messages.
func TestPublishWaitsForTheRightStream(t *testing.T) {
	t.Parallel()
	b := open(t, bustest.Server(t))
	if _, err := hubtest.Superior(t, b.Conn).JetStream().CreateStream(t.Context(), jetstream.StreamConfig{Name: "OTHER", Subjects: []string{"aicc.v1.*.agent.>"}}); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- b.Publish(ctx, bustest.Event("1")) }()
	refused := b.Trouble("stream", "AICC_EVENTS")
	bustest.Await(t, func() bool { return refused.Active() })
	if s, err := hubtest.Superior(t, b.Conn).JetStream().Stream(t.Context(), "OTHER"); err != nil || s.CachedInfo().State.Msgs != 0 {
		t.Errorf("the wrong stream took the message: %v", err)
	}
	if err := hubtest.Superior(t, b.Conn).JetStream().DeleteStream(t.Context(), "OTHER"); err != nil {
		t.Fatal(err)
	}
	hubtest.Ensure(t, b.Conn)
	if err := <-done; err != nil {
		t.Error(err)
	}
	cancel()
	if got := hubtest.All(t, b.Conn, schemas.StreamEvents); len(got) != 1 {
		t.Errorf("%d messages", len(got))
	}
	if err := b.Publish(ctx, bustest.Event("2")); !errors.Is(err, context.Canceled) {
		t.Errorf("error %v", err)
	}
	if got := hubtest.All(t, b.Conn, schemas.StreamEvents); len(got) != 1 {
		t.Errorf("stored although the context had ended: %d messages", len(got))
	}
}

func TestPublishOverServerRestart(t *testing.T) {
	t.Parallel()
	s := bustest.Server(t)
	b := open(t, s, hubtest.Quick(500*time.Millisecond))
	hubtest.Ensure(t, b.Conn)
	restarted := make(chan error, 1)
	const n = 200
	for i := range n {
		if i == n/2 {
			go func() { restarted <- s.Restart() }()
		}
		if err := b.Publish(t.Context(), bustest.Event(string(rune('a'+i%26))+strings.Repeat("x", i/26))); err != nil {
			t.Fatal(err)
		}
	}
	if err := <-restarted; err != nil {
		t.Fatal(err)
	}
	bustest.Await(t, func() bool { return b.Connected() == nil }) // all may have been sent before the restart
	list := hubtest.All(t, b.Conn, schemas.StreamEvents)
	ids := map[string]bool{}
	for _, m := range list {
		ids[m.Get("ce-id")] = true
	}
	if len(list) != n || len(ids) != n {
		t.Errorf("%d messages, %d ids, want %d", len(list), len(ids), n)
	}
}

// The acknowledgement is lost, and the deduplication window has passed before
// the next try.
func TestLostAcknowledgementBeyondTheWindow(t *testing.T) {
	t.Parallel()
	l := bustest.NewLossy(bustest.Server(t))
	b := open(t, l, hubtest.Quick(300*time.Millisecond))
	hubtest.Differ(t, b.Conn, "AICC_EVENTS", func(c *jetstream.StreamConfig) { c.Duplicates = 100 * time.Millisecond })
	hubtest.Ensure(t, b.Conn, hubtest.Accept("AICC_EVENTS.duplicate_window"))
	l.Drop(`"stream":"AICC_EVENTS"`, 1)
	if err := b.Publish(t.Context(), bustest.Event("1")); err != nil {
		t.Fatal(err)
	}
	if got := hubtest.All(t, b.Conn, schemas.StreamEvents); len(got) != 1 {
		t.Errorf("%d messages, want 1", len(got))
	}
	if n := b.retries(t); n != 1 {
		t.Errorf("%v retries counted", n)
	}
}

// An id that another event has already is no reason to drop this one.
func TestF41IdsGivenTwiceWithoutASpool(t *testing.T) {
	t.Parallel()
	event := func(id, text string) schemas.Message {
		m := bustest.Event(id)
		m.Body = []byte(`"` + text + `"`)
		return m
	}
	file := func(text string) schemas.Message {
		m := bustest.File("f")
		m.Body = []byte(`"` + text + `"`)
		return m
	}
	cases := map[string]struct {
		messages []schemas.Message
		want     int
	}{
		"the same bytes":         {[]schemas.Message{event("1", "a"), event("1", "a")}, 1},
		"other bytes":            {[]schemas.Message{event("1", "a"), event("1", "b")}, 2},
		"three of them":          {[]schemas.Message{event("1", "a"), event("1", "b"), event("1", "c")}, 3},
		"in between":             {[]schemas.Message{event("1", "a"), event("2", "a"), event("1", "b"), event("2", "b")}, 4},
		"a file: the id says it": {[]schemas.Message{file("a"), file("b")}, 1},
	}
	lost := 0
	for name, tc := range cases {
		b := ready(t)
		for _, m := range tc.messages {
			if err := b.Publish(t.Context(), m); err != nil {
				t.Fatal(err)
			}
		}
		got := len(hubtest.All(t, b.Conn, schemas.StreamEvents)) + len(hubtest.All(t, b.Conn, schemas.StreamFiles))
		lost += tc.want - got
		if got != tc.want {
			t.Errorf("%s: %d messages, want %d", name, got, tc.want)
		}
	}
	t.Attr("figure", fmt.Sprintf("%d sets of messages with ids given twice, %d swallowed", len(cases), lost))
	t.Attr("tries", fmt.Sprint(len(cases)))
	t.Attr("lost", fmt.Sprint(lost))
}

// TestStoredDeadLettersCount: each one counts once, and nothing else does.
func TestStoredDeadLettersCount(t *testing.T) {
	c := ready(t)
	for i := range 3 {
		letter := schemas.NewDeadLetter("acme", schemas.ReasonOversized, "too large", time.Now())
		m, err := c.Names().DeadLetterMessage(letter, fmt.Sprint("letter ", i))
		if err != nil {
			t.Fatal(err)
		}
		from := time.Now().Truncate(time.Hour)
		mended, err := c.Names().ResolvedMessage(schemas.Resolved{
			Tenant: "acme", Letter: m.ID, Reason: schemas.ReasonDamagedZip, Kind: schemas.KindCDR,
			Window: schemas.Window{From: from, To: from.Add(time.Hour)}, ResponseID: strings.Repeat("0a", 16), At: time.Now(),
		})
		if err != nil {
			t.Fatal(err)
		}
		for _, m := range []schemas.Message{m, m, mended, bustest.AgentEvent(0, i, true)} {
			if err := c.Publish(t.Context(), m); err != nil {
				t.Fatal(err)
			}
		}
	}
	if n, last := c.out.DeadLetters(time.Hour); n != 3 || last != schemas.ReasonOversized {
		t.Errorf("%d dead letters, the last because of %q", n, last)
	}
}

// eventOf is an event of an agent of its own.
func eventOf(agent int) schemas.Message { return bustest.AgentEvent(agent, 0, true) }

// crowd publishes an event of each of many agents at a time, and returns what became of each.
func (c client) crowd(ctx context.Context, agents int, event func(agent int) schemas.Message) []error {
	errs := make([]error, agents)
	var group sync.WaitGroup
	for agent := range agents {
		group.Go(func() { errs[agent] = c.Publish(ctx, event(agent)) })
	}
	group.Wait()
	return errs
}

// shared is how many events in the stream came in batches, and how often each agent has one.
func (c client) shared(t *testing.T) (inBatches int, by map[string]int) {
	t.Helper()
	by = map[string]int{}
	for _, m := range hubtest.All(t, c.Conn, schemas.StreamEvents) {
		by[m.Get("ce-id")]++
		if group.Batch(m.Header) != "" {
			inBatches++
		}
	}
	return inBatches, by
}

// TestManyAtATime: what many agents bring at a time shares the sync of the disk, and each
// event is in the stream once when its publisher hears of it.
func TestManyAtATime(t *testing.T) {
	t.Parallel()
	c := ready(t)
	const agents = 300
	for agent, err := range c.crowd(t.Context(), agents, eventOf) {
		if err != nil {
			t.Errorf("agent %d: %v", agent, err)
		}
	}
	inBatches, by := c.shared(t)
	if inBatches < agents/2 || len(by) != agents {
		t.Errorf("%d of %d events came in batches, %d are there", inBatches, agents, len(by))
	}
}

// TestBadNeighbours: what is refused for good, too large, or there already keeps none of the
// others of its batch from being stored.
func TestBadNeighbours(t *testing.T) {
	t.Parallel()
	c := open(t, bustest.Server(t))
	hubtest.Differ(t, c.Conn, "AICC_EVENTS", func(c *jetstream.StreamConfig) { c.MaxMsgSize, c.AllowAtomicPublish = 2000, true })
	hubtest.Ensure(t, c.Conn, hubtest.Accept("AICC_EVENTS.max_msg_size"))
	const agents = 200
	bad := func(agent int) bool { return agent%20 == 7 }
	for agent := 0; agent < agents; agent += 20 { // these are there already
		if err := c.Publish(t.Context(), eventOf(agent)); err != nil {
			t.Fatal(err)
		}
	}
	errs := c.crowd(t.Context(), agents, func(agent int) schemas.Message {
		m := eventOf(agent)
		if bad(agent) {
			m.Body = []byte(`"` + strings.Repeat("x", 2000) + `"`)
		}
		return m
	})
	_, by := c.shared(t)
	for agent, err := range errs {
		var p *schemas.Permanent
		id := eventOf(agent).ID
		switch {
		case bad(agent):
			if !errors.As(err, &p) || p.Reason != schemas.ReasonOversized || by[id] != 0 {
				t.Errorf("agent %d, too large: %v, stored %d times", agent, err, by[id])
			}
		case err != nil || by[id] != 1:
			t.Errorf("agent %d: %v, stored %d times", agent, err, by[id])
		}
	}
}

// TestBatchWithoutAnAnswer: each of its events is looked for, and none is stored twice though
// the deduplication window has passed.
func TestBatchWithoutAnAnswer(t *testing.T) {
	t.Parallel()
	l := bustest.NewLossy(bustest.Server(t))
	c := open(t, l, hubtest.Quick(time.Second))
	hubtest.Differ(t, c.Conn, "AICC_EVENTS", func(c *jetstream.StreamConfig) {
		c.Duplicates, c.AllowAtomicPublish = 100*time.Millisecond, true
	})
	hubtest.Ensure(t, c.Conn, hubtest.Accept("AICC_EVENTS.duplicate_window"))
	l.Drop(`"count":`, 1)
	const agents = 200
	for agent, err := range c.crowd(t.Context(), agents, eventOf) {
		if err != nil {
			t.Errorf("agent %d: %v", agent, err)
		}
	}
	_, by := c.shared(t)
	for id, times := range by {
		if times != 1 {
			t.Errorf("event %s is stored %d times", id, times)
		}
	}
	if len(by) != agents || c.retries(t) == 0 {
		t.Errorf("%d events of %d, %v retries", len(by), agents, c.retries(t))
	}
}

// TestStreamWithoutBatches: somebody else keeps the stream, and it takes none.
func TestStreamWithoutBatches(t *testing.T) {
	t.Parallel()
	c := open(t, bustest.Server(t))
	hubtest.Ensure(t, c.Conn)
	config := hubtest.Config(t, c.Conn, "AICC_EVENTS")
	config.AllowAtomicPublish = false
	if _, err := hubtest.Superior(t, c.Conn).JetStream().UpdateStream(t.Context(), config); err != nil {
		t.Fatal(err)
	}
	const agents = 100
	for agent, err := range c.crowd(t.Context(), agents, eventOf) {
		if err != nil {
			t.Errorf("agent %d: %v", agent, err)
		}
	}
	if inBatches, by := c.shared(t); inBatches != 0 || len(by) != agents {
		t.Errorf("%d events in batches, %d are there", inBatches, len(by))
	}
}
