package spool

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats.go/jetstream"
	"golang.org/x/sync/errgroup"

	"aiccbridge/bus/embedded"
	"aiccbridge/bus/internal/bustest"
	"aiccbridge/bus/internal/hubtest"
	"aiccbridge/bus/internal/wire"
	"aiccbridge/bus/kv"
	"aiccbridge/schemas"
)

// A message that the hub does not take ends in quarantine, and its lane goes on.
func TestRefusedMessageStopsNobody(t *testing.T) {
	t.Parallel()
	for name, hub := range map[string]func(t *testing.T) *wire.Conn{
		"stream's limit": func(t *testing.T) *wire.Conn {
			c := hubtest.Open(t, bustest.Server(t))
			hubtest.Differ(t, c, "AICC_EVENTS", func(c *jetstream.StreamConfig) { c.MaxMsgSize = 10_000 })
			return c
		},
		"server's limit": func(t *testing.T) *wire.Conn {
			small := bustest.Listening(t, t.TempDir(), 0, func(o *embedded.Options) { o.MaxPayloadBytes = 10_000 })
			return hubtest.Open(t, small)
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := hub(t)
			hubtest.Ensure(t, b, hubtest.Accept("AICC_EVENTS.max_msg_size"))
			s := spoolOn(t, bustest.Server(t), b)
			big := bustest.AgentEvent(0, 1, true)
			big.Body = []byte(`"` + strings.Repeat("x", 50_000) + `"`)
			for _, m := range []schemas.Message{bustest.AgentEvent(0, 0, true), big, bustest.AgentEvent(0, 2, true)} {
				publish(t, s, m)
			}
			runs(t, s)
			flush(t, s)
			if got := hubtest.All(t, b, schemas.StreamEvents); len(got) != 2 || got[1].Get("ce-id") != "0-2" {
				t.Errorf("hub has %v", got)
			}
			letters := hubtest.All(t, b, schemas.StreamDeadLetters)
			if len(letters) != 1 || letters[0].Subject != "aicc.v1.acme.deadletter.oversized" {
				t.Fatalf("dead letters %v", letters)
			}
			name := "spool/" + s.lines[0].lineage.name(2)
			if !strings.Contains(string(letters[0].Body), `"AICC_QUARANTINE/`+name+`"`) {
				t.Errorf("dead letter %s", letters[0].Body)
			}
			if _, ok, err := kv.OpenObjects(b, schemas.BucketQuarantine).Find(t.Context(), name); !ok || err != nil {
				t.Errorf("in quarantine: %v, %v", ok, err)
			}
		})
	}
}

// The number of an event that the hub refuses for good is not left empty, also when the
// bridge dies before the spool is trimmed: a gap record with the same id has it.
func TestF46RefusedEventLeavesNoHole(t *testing.T) {
	t.Parallel()
	const events, every = 20, 4 // each fourth is too large
	hub := hubtest.Open(t, bustest.Server(t))
	hubtest.Differ(t, hub, "AICC_EVENTS", func(c *jetstream.StreamConfig) { c.MaxMsgSize = 10_000 })
	hubtest.Ensure(t, hub, hubtest.Accept("AICC_EVENTS.max_msg_size"))
	local := bustest.Server(t)
	s := spoolOn(t, local, hub)
	at := time.Date(2026, 11, 1, 0, 0, 0, 0, time.UTC)
	for seq := uint64(1); seq <= events; seq++ {
		e := schemas.Event{
			Via:    schemas.WayPoll,
			Tenant: "acme", Agent: "101", Type: "AgentState_Ready", Group: schemas.GroupState, Name: "ready",
			ReceivedAt: at.Add(time.Duration(seq) * time.Second), Position: schemas.Position{Epoch: 7, Seq: seq},
		}
		if seq%every == 0 {
			e.Content = []byte(`"` + strings.Repeat("x", 50_000) + `"`)
		}
		m, err := hub.Names().EventMessage(e)
		if err != nil {
			t.Fatal(err)
		}
		publish(t, s, m)
	}
	last := s.lines[0].lineage.name(events)
	forwardUntrimmed(t, s, events)
	s = spoolOn(t, local, hub) // what the first one has not trimmed may have been sent
	runs(t, s)
	flush(t, s)

	var got stats
	gaps, before := 0, uint64(0)
	for _, m := range hubtest.All(t, hub, schemas.StreamEvents) {
		var body struct {
			schemas.Gap
			Type string `json:"type"`
		}
		if err := json.Unmarshal(m.Body, &body); err != nil {
			t.Fatal(err)
		}
		switch want := before + 1; {
		case body.Seq > want:
			got.lost += int(body.Seq - want)
		case body.Seq < want:
			got.duplicated++
		}
		before = body.Seq
		refused := m.Get("ce-type") == schemas.TypeGap
		if refused != (body.Seq%every == 0) || m.Get("ce-id") != fmt.Sprintf("7.101.%d", body.Seq) {
			t.Errorf("seq %d is %s on %s", body.Seq, m.Get("ce-id"), m.Subject)
		}
		if !refused {
			continue
		}
		gaps++
		when := at.Add(time.Duration(body.Seq) * time.Second)
		if body.Cause != schemas.GapRefused || !strings.Contains(body.Detail, "AgentState_Ready") || body.LastSeq != body.Seq-1 || body.LastEp != 7 || !body.From.Equal(when) || body.MaxLost != 1 {
			t.Errorf("gap %+v", body.Gap)
		}
	}
	if before != events {
		got.lost += int(events - before)
	}
	letters := 0
	for _, m := range hubtest.All(t, hub, schemas.StreamDeadLetters) {
		if m.Get("ce-id") == last {
			letters++
		}
	}
	if got != (stats{}) || gaps != events/every || letters == 0 {
		t.Errorf("%+v, %d gaps, %d dead letters of the last event", got, gaps, letters)
	}
	got.report(t, events)
	t.Attr("figure", fmt.Sprintf("%d of %d numbers refused, each a gap record", gaps, events))
	t.Attr("gaps", fmt.Sprintf("%d/%d", events/every, gaps))
}

// forwardUntrimmed forwards the events, as many as there are, and ends before the spool is
// trimmed.
func forwardUntrimmed(t *testing.T, s *Spool, events uint64) {
	t.Helper()
	defer s.Close()
	f := s.lines[0]
	ctx, cancel := context.WithCancel(t.Context())
	var group errgroup.Group
	group.Go(func() error { return s.hub.Back(ctx, s.hubBack.Ring) })
	group.Go(func() error { return f.run(ctx) })
	if err := f.progress.wait(bustest.Limited(t, time.Minute), events); err != nil {
		t.Error(err)
	}
	f.progress.trimming.Lock()
	f.trimmed = events // or so it thinks
	f.progress.trimming.Unlock()
	cancel()
	if err := group.Wait(); err != nil {
		t.Error(err)
	}
}
