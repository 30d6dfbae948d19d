package spool

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"maps"
	"net"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"
	"github.com/rs/zerolog"

	"aiccbridge/bus/assets"
	"aiccbridge/bus/embedded"
	"aiccbridge/bus/internal/bustest"
	"aiccbridge/bus/internal/hubtest"
	"aiccbridge/bus/internal/wire"
	"aiccbridge/schemas"
)

// spoolOn opens a spool on a server of its own, or on p.
func spoolOn(t testing.TB, p nats.InProcessConnProvider, hub *wire.Conn, change ...func(*Options)) *Spool {
	t.Helper()
	o := Options{
		Server: p, Hub: hub, MaxBytes: 64 << 20,
		requestTimeout: 500 * time.Millisecond, upkeepEvery: 20 * time.Millisecond,
	}
	for _, f := range change {
		f(&o)
	}
	s, err := Open(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.Close)
	return s
}

// runs starts Run; the result ends it and waits.
func runs(t testing.TB, s *Spool) (stop func()) {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- s.Run(ctx) }()
	stop = sync.OnceFunc(func() {
		cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
	t.Cleanup(stop)
	return stop
}

func publish(t testing.TB, s *Spool, m schemas.Message) {
	t.Helper()
	if err := s.Publish(t.Context(), m); err != nil {
		t.Fatal(err)
	}
}

// direct stores a message at the hub as a bridge without a spool does.
func direct(t *testing.T, hub *wire.Conn, m schemas.Message) {
	t.Helper()
	stream, _ := hub.Names().StreamOf(m.Subject)
	publisher := wire.NewPublisher(hub, wire.PublisherOptions{})
	if err := publisher.Publish(t.Context(), hub.Names().Stream(stream), wire.Message(m)); err != nil {
		t.Fatal(err)
	}
}

func flush(t *testing.T, s *Spool) {
	t.Helper()
	if err := s.Flush(bustest.Limited(t, 60*time.Second)); err != nil {
		t.Fatal(err)
	}
}

// stats compares what the hub has with what was sent: n messages of each agent.
type stats struct{ lost, duplicated, misordered int }

func statsAt(t *testing.T, hub *wire.Conn, agents, each int) (got stats) {
	t.Helper()
	seen := map[string]int{}
	last := map[string]int{}
	for _, m := range hubtest.All(t, hub, schemas.StreamEvents) {
		agent, text, _ := strings.Cut(m.Get("ce-id"), "-")
		i, err := strconv.Atoi(text)
		if err != nil {
			t.Fatal(err)
		}
		if seen[m.Get("ce-id")]++; seen[m.Get("ce-id")] > 1 {
			got.duplicated++
		} else if i < last[agent] {
			got.misordered++
		}
		last[agent] = max(last[agent], i)
	}
	for agent := range agents {
		for i := range each {
			if seen[fmt.Sprintf("%d-%d", agent, i)] == 0 {
				got.lost++
			}
		}
	}
	return got
}

func (got stats) report(t *testing.T, tries int) {
	t.Helper()
	t.Attr("tries", strconv.Itoa(tries))
	t.Attr("lost", strconv.Itoa(got.lost))
	t.Attr("duplicated", strconv.Itoa(got.duplicated))
	t.Attr("misordered", strconv.Itoa(got.misordered))
}

func TestSpoolForwardsUnchanged(t *testing.T) {
	t.Parallel()
	hub, other := hubtest.Ready(t), hubtest.Ready(t)
	local, registry := bustest.Server(t), prometheus.NewRegistry()
	s := spoolOn(t, local, hub, func(o *Options) { o.Registerer = registry })
	letter := bustest.Message("aicc.v1.acme.deadletter.invalid_message", "letter", true)
	for _, m := range []schemas.Message{bustest.AgentEvent(1, 0, true), bustest.AgentEvent(2, 0, true), bustest.AgentEvent(1, 1, true), letter} {
		publish(t, s, m)
		direct(t, other, m)
	}
	if err := s.refresh(t.Context()); err != nil {
		t.Fatal(err)
	}
	if st := s.State(); st.Messages != 4 || st.Bytes == 0 || st.MaxBytes == 0 || st.Oldest.IsZero() {
		t.Errorf("state %+v", st)
	}
	if m, found, err := s.Last(t.Context(), "aicc.v1.acme.agent.1.>"); err != nil || !found || m.Get("ce-id") != "1-1" {
		t.Errorf("last is %v, %v, %v", m, found, err)
	}
	stop := runs(t, s)
	flush(t, s)
	bustest.Await(t, func() bool { return s.State().Messages == 0 })
	for _, stream := range []schemas.Stream{schemas.StreamEvents, schemas.StreamDeadLetters} {
		want, got := hubtest.All(t, other, stream), hubtest.All(t, hub, stream)
		if len(got) != len(want) {
			t.Fatalf("%d messages in %s, want %d", len(got), stream, len(want))
		}
		byID := map[string]schemas.Stored{}
		for _, m := range got {
			byID[m.Get("ce-id")] = m
		}
		for _, w := range want {
			g := byID[w.Get("ce-id")]
			maps.DeleteFunc(g.Header, func(k string, _ []string) bool {
				return k == headerSpool || strings.HasPrefix(k, "Nats-Expected-Last-")
			})
			if g.Subject != w.Subject || !bytes.Equal(g.Body, w.Body) || !maps.EqualFunc(g.Header, w.Header, func(a, b []string) bool { return a[0] == b[0] }) {
				t.Errorf("hub has %v, want %v", g, w)
			}
		}
	}
	if m, found, err := s.Last(t.Context(), "aicc.v1.acme.agent.1.>"); err != nil || !found || m.Get("ce-id") != "1-1" {
		t.Errorf("the hub's last is %v, %v, %v", m, found, err)
	}
	if n := testutil.ToFloat64(s.metrics.forwarded.WithLabelValues("AICC_SPOOL_EVENTS")); n != 3 {
		t.Errorf("%v events counted", n)
	}
	stop()
}

func TestSpoolRefusesAtOnce(t *testing.T) {
	t.Parallel()
	s := spoolOn(t, bustest.Server(t), hubtest.Ready(t))
	big, invalid := bustest.AgentEvent(1, 0, true), bustest.AgentEvent(1, 0, true)
	big.Body = []byte(`"` + strings.Repeat("x", embedded.DefaultMaxPayloadBytes) + `"`)
	invalid.Body = []byte("{")
	file := bustest.Message("aicc.v1.acme.file.cdr.ready", "1", true)
	for reason, list := range map[schemas.Reason][]schemas.Message{schemas.ReasonOversized: {big}, schemas.ReasonInvalid: {invalid, file}} {
		for _, m := range list {
			var p *schemas.Permanent
			if err := s.Publish(t.Context(), m); !errors.As(err, &p) || p.Reason != reason {
				t.Errorf("error %v, want reason %s", err, reason)
			}
		}
	}
	var p *schemas.Permanent
	if err := s.Accept(t.Context(), schemas.FileNotice{Tenant: "acme"}); !errors.As(err, &p) {
		t.Errorf("error %v", err)
	}
	if _, err := Open(t.Context(), Options{}); err == nil {
		t.Error("a spool without a hub")
	}
}

// A spool's stream that somebody has weakened is refused by name; its size is a
// setting, and follows it.
func TestSpoolAssets(t *testing.T) {
	t.Parallel()
	local, hub := bustest.Server(t), hubtest.Ready(t)
	s := spoolOn(t, local, hub)
	size := func(s *Spool) int64 {
		info, err := s.local.StreamInfo(t.Context(), "AICC_SPOOL_EVENTS")
		if err != nil {
			t.Fatal(err)
		}
		return info.Config.MaxBytes
	}
	if got := size(s); got != 64<<20 {
		t.Errorf("%d bytes", got)
	}
	for _, want := range []int64{32 << 20, 128 << 20} {
		if got := size(spoolOn(t, local, hub, func(o *Options) { o.MaxBytes = want })); got != want {
			t.Errorf("%d bytes, want %d", got, want)
		}
	}
	c, err := s.local.StreamConfig(t.Context(), "AICC_SPOOL_EVENTS")
	if err != nil {
		t.Fatal(err)
	}
	c.Discard = jetstream.DiscardOld
	if _, err := s.local.JetStream().UpdateStream(t.Context(), *c); err != nil {
		t.Fatal(err)
	}
	var weaker *assets.Error
	_, err = Open(t.Context(), s.opts)
	if !errors.As(err, &weaker) || weaker.Differences[0].Name() != "AICC_SPOOL_EVENTS.discard" {
		t.Errorf("error %v", err)
	}
}

// A full spool makes its callers wait, and goes on by itself.
func TestFullSpoolWaits(t *testing.T) {
	t.Parallel()
	const agents, each = 4, 60
	hub := hubtest.Ready(t)
	s := spoolOn(t, bustest.Server(t), hub, func(o *Options) { o.MaxBytes = 64 << 10 })
	var group sync.WaitGroup
	for agent := range agents {
		group.Go(func() {
			for i := range each {
				m := bustest.AgentEvent(agent, i, true)
				m.Body = []byte(`"` + strings.Repeat("x", 1000) + `"`)
				if err := s.Publish(t.Context(), m); err != nil {
					t.Error(err)
				}
			}
		})
	}
	bustest.Await(t, func() bool { return s.local.Trouble("stream", "AICC_SPOOL_EVENTS").Active() })
	if err := s.refresh(t.Context()); err != nil {
		t.Fatal(err)
	}
	if st := s.State(); st.Bytes > st.MaxBytes || st.Messages >= agents*each {
		t.Errorf("state %+v", st)
	}
	runs(t, s)
	group.Wait()
	flush(t, s)
	if got := statsAt(t, hub, agents, each); got != (stats{}) {
		t.Errorf("%+v", got)
	}
}

// A disk so slow that a look at a stream takes most of what it may, and some are not answered at all,
// opens a spool all the same.
func TestOpenOnSlowDisk(t *testing.T) {
	t.Parallel()
	hub, local := hubtest.Ready(t), bustest.Server(t)
	spoolOn(t, local, hub).Close() // all is there
	var looks atomic.Int64
	slow := &bustest.Link{InProcessConnProvider: local, Write: func(c net.Conn, p []byte) (int, error) {
		if bytes.Contains(p, []byte("$JS.API.STREAM.INFO.")) {
			if looks.Add(1)%4 == 0 {
				return len(p), nil // not of the first: with that it may subscribe to the answers
			}
			time.Sleep(200 * time.Millisecond) // of 500
		}
		return c.Write(p)
	}}
	spoolOn(t, slow, hub)
	if n := looks.Load(); n < 15 { // of twelve that are needed
		t.Errorf("there were %d looks", n)
	}
}

// The hub is away when the spool opens, comes, goes and comes.
func TestSpoolOutlivesTheHub(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	first := bustest.Listening(t, dir, 0)
	port := bustest.PortOf(t, first)
	url := first.ClientURL()
	first.Shutdown()
	hub, err := wire.Open(wire.Options{
		Names: bustest.Names(t), Instance: "one", URL: url, InboxPrefix: assets.BridgeInbox, RequestTimeout: 500 * time.Millisecond,
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(hub.Close)
	var log bustest.Log
	s := spoolOn(t, bustest.Server(t), hub, func(o *Options) { o.Logger = zerolog.New(&log) })
	if _, _, err := s.Last(t.Context(), "aicc.v1.acme.agent.1.>"); err == nil {
		t.Error("the last message is known although nobody can tell")
	}
	runs(t, s)
	publish(t, s, bustest.AgentEvent(0, 0, true))
	bustest.Await(t, func() bool { return log.Has("hub takes no messages") })
	second := bustest.Listening(t, dir, port)
	if err := hub.Ready(bustest.Limited(t, 20*time.Second)); err != nil {
		t.Fatal(err)
	}
	hubtest.Ensure(t, hub)
	flush(t, s)
	bustest.Await(t, func() bool { return log.Has(`"messages":1,"took"`) && log.Has("caught up with the hub") })
	second.Shutdown()
	publish(t, s, bustest.AgentEvent(0, 1, true))
	if _, found, err := s.Last(t.Context(), "aicc.v1.acme.agent.0.>"); err != nil || !found {
		t.Errorf("%v, %v", found, err)
	}
	bustest.Listening(t, dir, port)
	flush(t, s)
	if got := statsAt(t, hub, 1, 2); got != (stats{}) {
		t.Errorf("%+v", got)
	}
}

// Notices go out in the order of their tenant; a tenant whose notices are not
// taken holds up nobody else.
func TestNotices(t *testing.T) {
	t.Parallel()
	hub := hubtest.Ready(t)
	var mu sync.Mutex
	got := map[string][]string{}
	tries := 0
	open := make(chan struct{})
	s := spoolOn(t, bustest.Server(t), hub, func(o *Options) {
		o.Notice = func(ctx context.Context, n schemas.FileNotice) error {
			if n.Tenant == "slow" {
				select {
				case <-open:
				case <-ctx.Done():
					return ctx.Err()
				}
			}
			mu.Lock()
			defer mu.Unlock()
			if n.ResponseID == bustest.Notice("", 2).ResponseID {
				if tries++; tries < 3 {
					return errors.New("not now")
				}
			}
			got[n.Tenant] = append(got[n.Tenant], n.ResponseID)
			if n.ResponseID == bustest.Notice("", 3).ResponseID {
				return &schemas.Permanent{Reason: schemas.ReasonUnknownResponse, Err: errors.New("whose is it?")}
			}
			return nil
		}
	})
	want := map[string][]string{}
	for i := range 5 {
		for _, tenant := range []string{"acme", "slow"} {
			for range 2 { // a repeat is no second notice
				if err := s.Accept(t.Context(), bustest.Notice(tenant, i)); err != nil {
					t.Fatal(err)
				}
			}
			want[tenant] = append(want[tenant], bustest.Notice(tenant, i).ResponseID)
		}
	}
	runs(t, s)
	publish(t, s, bustest.AgentEvent(0, 0, true))
	bustest.Await(t, func() bool { mu.Lock(); defer mu.Unlock(); return len(got["acme"]) == 5 && len(got["slow"]) == 0 })
	bustest.Await(t, func() bool { return len(hubtest.All(t, hub, schemas.StreamEvents)) == 1 })
	close(open)
	flush(t, s)
	bustest.Await(t, func() bool { return s.State().Messages == 0 })
	for tenant, list := range want {
		if fmt.Sprint(got[tenant]) != fmt.Sprint(list) {
			t.Errorf("%s: got %v, want %v", tenant, got[tenant], list)
		}
	}
	letters := hubtest.All(t, hub, schemas.StreamDeadLetters)
	if len(letters) != 2 || letters[0].Subject != "aicc.v1.acme.deadletter.unknown_response" || !bytes.Contains(letters[0].Body, []byte(bustest.Notice("", 3).FileName)) {
		t.Errorf("dead letters %v", letters)
	}
}
