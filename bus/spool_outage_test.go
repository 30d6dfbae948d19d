package bus

import (
	"bytes"
	"context"
	"errors"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/rs/zerolog"

	"aiccbridge/schemas"
)

// The lines of an outage count what waited, and how long it took to bring it.
func TestOutageFigures(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var out bytes.Buffer
		o := &outage{log: zerolog.New(&out).Level(zerolog.InfoLevel)}
		fails, succeeds := func() { o.failed(errors.New("away")) }, func() { o.success() }
		second := func(waiting uint64, connected bool, reports func(), n int, want string) {
			t.Helper()
			for range n {
				reports()
			}
			time.Sleep(time.Second)
			o.tick(waiting, connected)
			if got := strings.TrimSpace(out.String()); got != want {
				t.Errorf("logged %s, want %s", got, want)
			}
			out.Reset()
		}
		second(0, true, succeeds, 3, "")
		second(5, false, fails, 9, "")
		second(9, false, fails, 9, "")
		second(7, true, succeeds, 2, `{"level":"info","messages":9,"away":"1s","message":"hub is back; catching up"}`)
		second(0, true, succeeds, 8, `{"level":"info","messages":10,"took":"2s","message":"caught up with the hub"}`)
		second(4, true, fails, 2, `{"level":"warn","error":"away","message":"hub takes no messages; they wait in the spool"}`)
		second(0, true, succeeds, 4, `{"level":"info","messages":4,"took":"1s","message":"caught up with the hub"}`)
		second(0, true, succeeds, 1, "")
	})
}

// An outage is a line or two when it begins, and two when it has ended.
func TestOutageIsSaidOnce(t *testing.T) {
	t.Parallel()
	var log logLines
	proxy, hub, direct := proxied(t, func(o *Options) {
		o.Logger = zerolog.New(&log).Level(zerolog.InfoLevel)
		o.requestTimeout = time.Second
	})
	s := spoolOn(t, server(t), hub, func(o *SpoolOptions) { o.Logger = hub.log })
	runs(t, s)
	l, err := s.Lease(t.Context(), "acme", "0", 0)
	if err != nil {
		t.Fatal(err)
	}
	ctx, end := context.WithCancel(t.Context())
	renewing := make(chan error, 1)
	go func() { renewing <- l.Run(ctx) }()
	t.Cleanup(func() { end(); <-renewing })
	c := consume(t, hub, 2)
	t.Cleanup(func() { c.stop(t) })
	watching(t, hub)
	awaitConsumer(t, direct, "AICC_EVENTS")
	publish(t, s, agentEvent(0, 0, true))
	flush(t, s)
	before := log.String()
	proxy.Away(true)
	writing := limited(t, 3*time.Second) // every part notices meanwhile
	for i := range 5 {
		publish(t, s, agentEvent(0, i+1, true))
	}
	if _, err := hub.Bucket(schemas.BucketWindows).Put(writing, "k", []byte("1")); err == nil {
		t.Error("the hub is not away")
	}
	away := strings.TrimPrefix(log.String(), before)
	if n := strings.Count(away, "\n"); n < 1 || n > 2 {
		t.Errorf("%d lines when it goes:\n%s", n, away)
	}
	proxy.Away(false)
	await(t, func() bool { return strings.Contains(log.String(), `"messages":5,"took"`) })
	await(t, func() bool { return hub.Connected() == nil })
	back := strings.TrimPrefix(log.String(), before+away)
	if n := strings.Count(back, "\n"); n < 1 || n > 3 {
		t.Errorf("%d lines when it is back:\n%s", n, back)
	}
}
