package bus

import (
	"context"
	"strings"
	"testing"
	"time"

	"github.com/rs/zerolog"

	"aiccbridge/bus/internal/bustest"
	"aiccbridge/bus/internal/hubtest"
	"aiccbridge/bus/kv"
	"aiccbridge/bus/lease"
	"aiccbridge/bus/spool"
	"aiccbridge/schemas"
)

// An outage is a line or two when it begins, and two when it has ended.
func TestOutageIsSaidOnce(t *testing.T) {
	t.Parallel()
	var log bustest.Log
	proxy, hub, direct := proxied(t, func(o *Options) {
		o.Logger = zerolog.New(&log).Level(zerolog.InfoLevel)
		o.RequestTimeout = time.Second
	})
	s, err := spool.Open(t.Context(), spool.Options{Server: bustest.Server(t), Hub: hub.conn, Logger: hub.log})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.Close)
	background(t, s.Run)
	l := lease.NewKept(hub.conn, s.Bucket(schemas.BucketLeases), lease.Options{Tenant: "acme", Partition: "0"})
	if _, err := l.Acquire(t.Context()); err != nil {
		t.Fatal(err)
	}
	background(t, l.Run)
	publish := func(i int) {
		t.Helper()
		if err := s.Publish(t.Context(), bustest.AgentEvent(0, i, true)); err != nil {
			t.Fatal(err)
		}
	}
	c := consume(t, hub, 2)
	t.Cleanup(func() { c.stop(t) })
	following(t, hub)
	hubtest.AwaitConsumer(t, direct.conn, "AICC_EVENTS")
	publish(0)
	if err := s.Flush(bustest.Limited(t, 60*time.Second)); err != nil {
		t.Fatal(err)
	}
	before := log.String()
	proxy.Away(true)
	writing := bustest.Limited(t, 3*time.Second) // every part notices meanwhile
	for i := range 5 {
		publish(i + 1)
	}
	if _, err := kv.Open(hub.conn, schemas.BucketWindows).Put(writing, "k", []byte("1")); err == nil {
		t.Error("the hub is not away")
	}
	away := strings.TrimPrefix(log.String(), before)
	if n := strings.Count(away, "\n"); n < 1 || n > 2 {
		t.Errorf("%d lines when it goes:\n%s", n, away)
	}
	proxy.Away(false)
	bustest.Await(t, func() bool { return strings.Contains(log.String(), `"messages":5,"took"`) })
	bustest.Await(t, func() bool { return hub.Connected() == nil })
	back := strings.TrimPrefix(log.String(), before+away)
	if n := strings.Count(back, "\n"); n < 1 || n > 3 {
		t.Errorf("%d lines when it is back:\n%s", n, back)
	}
}

// background runs something until the test ends.
func background(t *testing.T, run func(context.Context) error) {
	t.Helper()
	ctx, end := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- run(ctx) }()
	t.Cleanup(func() {
		end()
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
}

// following reads the events until the test ends.
func following(t *testing.T, b *Bus) <-chan schemas.Stored {
	t.Helper()
	got, done := make(chan schemas.Stored, 10), make(chan error, 1)
	ctx := t.Context()
	go func() {
		done <- b.Follow(ctx, schemas.StreamEvents, "", func(m schemas.Stored) error { got <- m; return nil })
	}()
	t.Cleanup(func() { // ctx has ended
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
	return got
}
