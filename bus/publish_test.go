package bus

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"aiccbridge/bus/embedded"
	"aiccbridge/bus/internal/bustest"
	"aiccbridge/bus/internal/hubtest"
	"aiccbridge/schemas"
)

func TestPublish(t *testing.T) {
	t.Parallel()
	b := ready(t)
	m := bustest.Event("1")
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
	if n := b.counted(t, "duplicates_total", ""); n != 1 {
		t.Errorf("%v duplicates counted", n)
	}
	if n := b.counted(t, "published_total", "AICC_EVENTS"); n != 2 {
		t.Errorf("%v published counted", n)
	}
}

func TestPublishRefusesAtOnce(t *testing.T) {
	t.Parallel()
	b := ready(t)
	big := bustest.Event("1")
	big.Body = []byte(`"` + strings.Repeat("x", embedded.DefaultMaxPayloadBytes) + `"`)
	invalid := bustest.Event("1")
	invalid.Body = []byte("{")
	elsewhere := bustest.Event("1")
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
	b := open(t, bustest.Server(t))
	hubtest.Differ(t, b.conn, "AICC_EVENTS", func(c *jetstream.StreamConfig) { c.MaxMsgSize = 300 })
	hubtest.Ensure(t, b.conn, accept("AICC_EVENTS.max_msg_size"))
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
		if got := all(t, b, schemas.StreamFiles); len(got) != 1 || got[0].Get("ce-id") != "1" {
			t.Errorf("%d messages, want 1", len(got))
		}
		s, err := boss(t, b).Stream(t.Context(), "AICC_FILES")
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
	if _, err := boss(t, b).CreateStream(t.Context(), jetstream.StreamConfig{Name: "OTHER", Subjects: []string{"aicc.v1.*.agent.>"}}); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- b.Publish(ctx, bustest.Event("1")) }()
	refused := b.conn.Trouble("stream", "AICC_EVENTS")
	bustest.Await(t, func() bool { return refused.Active() })
	if s, err := boss(t, b).Stream(t.Context(), "OTHER"); err != nil || s.CachedInfo().State.Msgs != 0 {
		t.Errorf("the wrong stream took the message: %v", err)
	}
	if err := boss(t, b).DeleteStream(t.Context(), "OTHER"); err != nil {
		t.Fatal(err)
	}
	hubtest.Ensure(t, b.conn)
	if err := <-done; err != nil {
		t.Error(err)
	}
	cancel()
	if got := all(t, b, schemas.StreamEvents); len(got) != 1 {
		t.Errorf("%d messages", len(got))
	}
	if err := b.Publish(ctx, bustest.Event("2")); !errors.Is(err, context.Canceled) {
		t.Errorf("error %v", err)
	}
	if got := all(t, b, schemas.StreamEvents); len(got) != 1 {
		t.Errorf("stored although the context had ended: %d messages", len(got))
	}
}

func TestPublishOverServerRestart(t *testing.T) {
	t.Parallel()
	s := bustest.Server(t)
	b := open(t, s, func(o *Options) { o.RequestTimeout = 500 * time.Millisecond })
	hubtest.Ensure(t, b.conn)
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
	list := all(t, b, schemas.StreamEvents)
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
	b := open(t, l, func(o *Options) { o.RequestTimeout = 300 * time.Millisecond })
	hubtest.Differ(t, b.conn, "AICC_EVENTS", func(c *jetstream.StreamConfig) { c.Duplicates = 100 * time.Millisecond })
	hubtest.Ensure(t, b.conn, accept("AICC_EVENTS.duplicate_window"))
	l.Drop(`"stream":"AICC_EVENTS"`, 1)
	if err := b.Publish(t.Context(), bustest.Event("1")); err != nil {
		t.Fatal(err)
	}
	if got := all(t, b, schemas.StreamEvents); len(got) != 1 {
		t.Errorf("%d messages, want 1", len(got))
	}
	if n := b.counted(t, "publish_retries_total", ""); n != 1 {
		t.Errorf("%v retries counted", n)
	}
}
