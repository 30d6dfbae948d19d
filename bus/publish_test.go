package bus

import (
	"context"
	"errors"
	"net"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
	"github.com/prometheus/client_golang/prometheus/testutil"

	"aiccbridge/bus/embedded"
	"aiccbridge/schemas"
)

func TestPublish(t *testing.T) {
	t.Parallel()
	b := ready(t)
	m := event("1")
	m.Header = map[string]string{"aicc-extra": "a b"}
	for range 2 { // the second is a duplicate and is success, too
		if err := b.Publish(t.Context(), m); err != nil {
			t.Fatal(err)
		}
	}
	list := all(t, b, schemas.StreamEvents)
	if len(list) != 1 {
		t.Fatalf("%d messages, want 1", len(list))
	}
	got := list[0]
	if got.Subject != m.Subject || string(got.Body) != string(m.Body) || got.Sequence != 1 || got.StoredAt.IsZero() {
		t.Errorf("stored %+v", got)
	}
	for name, want := range map[string]string{
		"ce-id": "1", "ce-source": "/aicc/acme/test", "aicc-extra": "a%20b",
		"Nats-Expected-Stream": "AICC_EVENTS", schemas.HeaderMsgID: "/aicc/acme/test#1",
	} {
		if got.Get(name) != want {
			t.Errorf("header %s is %q, want %q", name, got.Get(name), want)
		}
	}
	if n := testutil.ToFloat64(b.metrics.duplicates); n != 1 {
		t.Errorf("%v duplicates counted", n)
	}
	if n := testutil.ToFloat64(b.metrics.published.WithLabelValues("AICC_EVENTS")); n != 2 {
		t.Errorf("%v published counted", n)
	}
}

func TestPublishRefusesAtOnce(t *testing.T) {
	t.Parallel()
	b := ready(t)
	big := event("1")
	big.Body = []byte(`"` + strings.Repeat("x", embedded.DefaultMaxPayloadBytes) + `"`)
	invalid := event("1")
	invalid.Body = []byte("{")
	elsewhere := event("1")
	elsewhere.Subject = "aicc.v1.acme.nothing"
	for reason, m := range map[schemas.Reason][]schemas.Message{
		schemas.ReasonOversized: {big},
		schemas.ReasonInvalid:   {invalid, elsewhere},
	} {
		for _, m := range m {
			var p *schemas.Permanent
			if err := b.Publish(t.Context(), m); !errors.As(err, &p) || p.Reason != reason {
				t.Errorf("error %v, want reason %s", err, reason)
			}
		}
	}
}

func TestPublishStreamLimitIsPermanent(t *testing.T) {
	t.Parallel()
	b := open(t, server(t), func(o *Options) { o.AcceptWeaker = []string{"AICC_EVENTS.max_msg_size"} })
	weakening{"AICC_EVENTS", func(c *jetstream.StreamConfig) { c.MaxMsgSize = 300 }}.make(t, b)
	if err := ensure(t, b); err != nil {
		t.Fatal(err)
	}
	m := event("1")
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
		if err := b.Publish(t.Context(), file("1")); err != nil {
			t.Fatal(err)
		}
		if got := all(t, b, schemas.StreamFiles); len(got) != 1 || got[0].Get("ce-id") != "1" {
			t.Errorf("%d messages, want 1", len(got))
		}
		s, err := superior(t, b).js.Stream(t.Context(), "AICC_FILES")
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
	b := open(t, server(t))
	if _, err := superior(t, b).js.CreateStream(t.Context(), jetstream.StreamConfig{Name: "OTHER", Subjects: []string{"aicc.v1.*.agent.>"}}); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- b.Publish(ctx, event("1")) }()
	refused := b.publishTo["AICC_EVENTS"]
	await(t, func() bool { return refused.active.Load() })
	if s, err := superior(t, b).js.Stream(t.Context(), "OTHER"); err != nil || s.CachedInfo().State.Msgs != 0 {
		t.Errorf("the wrong stream took the message: %v", err)
	}
	if err := superior(t, b).js.DeleteStream(t.Context(), "OTHER"); err != nil {
		t.Fatal(err)
	}
	if err := ensure(t, b); err != nil { // now it has where to go
		t.Fatal(err)
	}
	if err := <-done; err != nil {
		t.Error(err)
	}
	cancel()
	if got := all(t, b, schemas.StreamEvents); len(got) != 1 {
		t.Errorf("%d messages", len(got))
	}
	if err := b.Publish(ctx, event("2")); !errors.Is(err, context.Canceled) {
		t.Errorf("error %v", err)
	}
	if got := all(t, b, schemas.StreamEvents); len(got) != 1 {
		t.Errorf("stored although the context had ended: %d messages", len(got))
	}
}

// await polls a condition that no channel announces.
func await(t *testing.T, condition func() bool) {
	t.Helper()
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	ctx := limited(t, 10*time.Second)
	for !condition() {
		select {
		case <-tick.C:
		case <-ctx.Done():
			t.Fatal("it did not happen")
		}
	}
}

func TestPublishOverServerRestart(t *testing.T) {
	t.Parallel()
	s := server(t)
	b := open(t, s, func(o *Options) { o.requestTimeout = 500 * time.Millisecond })
	if err := ensure(t, b); err != nil {
		t.Fatal(err)
	}
	restarted := make(chan error, 1)
	const n = 200
	for i := range n {
		if i == n/2 {
			go func() { restarted <- s.Restart() }()
		}
		if err := b.Publish(t.Context(), event(string(rune('a'+i%26))+strings.Repeat("x", i/26))); err != nil {
			t.Fatal(err)
		}
	}
	if err := <-restarted; err != nil {
		t.Fatal(err)
	}
	await(t, func() bool { return b.Connected() == nil }) // all may have been sent before the restart
	list := all(t, b, schemas.StreamEvents)
	ids := map[string]bool{}
	for _, m := range list {
		ids[m.Get("ce-id")] = true
	}
	if len(list) != n || len(ids) != n {
		t.Errorf("%d messages, %d ids, want %d", len(list), len(ids), n)
	}
}

// lossy is a server whose acknowledgements can be swallowed.
type lossy struct {
	nats.InProcessConnProvider
	mu       sync.Mutex
	swallow  string // drop what holds this
	swallows int    // how often
}

func (l *lossy) InProcessConn() (net.Conn, error) {
	c, err := l.InProcessConnProvider.InProcessConn()
	if err != nil {
		return nil, err
	}
	return &lossyConn{Conn: c, lossy: l}, nil
}

func (l *lossy) drop(text string, times int) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.swallow, l.swallows = text, times
}

func (l *lossy) drops(p []byte) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.swallows == 0 || !strings.Contains(string(p), l.swallow) {
		return false
	}
	l.swallows--
	return true
}

type lossyConn struct {
	net.Conn
	lossy *lossy
}

func (c *lossyConn) Read(p []byte) (int, error) {
	for {
		n, err := c.Conn.Read(p)
		if err != nil || !c.lossy.drops(p[:n]) {
			return n, err
		}
	}
}

// The acknowledgement is lost, and the deduplication window has passed before
// the next try.
func TestLostAcknowledgementBeyondTheWindow(t *testing.T) {
	t.Parallel()
	l := &lossy{InProcessConnProvider: server(t)}
	b := open(t, l, func(o *Options) {
		o.AcceptWeaker = []string{"AICC_EVENTS.duplicate_window"}
		o.requestTimeout = 300 * time.Millisecond
	})
	weakening{"AICC_EVENTS", func(c *jetstream.StreamConfig) { c.Duplicates = 100 * time.Millisecond }}.make(t, b)
	if err := ensure(t, b); err != nil {
		t.Fatal(err)
	}
	l.drop(`"stream":"AICC_EVENTS"`, 1)
	if err := b.Publish(t.Context(), event("1")); err != nil {
		t.Fatal(err)
	}
	if got := all(t, b, schemas.StreamEvents); len(got) != 1 {
		t.Errorf("%d messages, want 1", len(got))
	}
	if n := testutil.ToFloat64(b.metrics.retries); n != 1 {
		t.Errorf("%v retries counted", n)
	}
}
