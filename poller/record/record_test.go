package record

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"aiccbridge/internal/ccgateway"
	"aiccbridge/internal/privacy"
	"aiccbridge/schemas"

	"github.com/rs/zerolog"
)

// shelf keeps messages and states in memory.
type shelf struct {
	mu     sync.Mutex
	kept   []schemas.Message
	refuse func(schemas.Message) error // asked before a message is kept
	states [][]byte
	fail   error // of the states
}

func (s *shelf) Publish(_ context.Context, m schemas.Message) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.refuse != nil {
		if err := s.refuse(m); err != nil {
			return err
		}
	}
	s.kept = append(s.kept, m)
	return nil
}

func (s *shelf) Get(context.Context, string) ([]byte, uint64, error) {
	if len(s.states) == 0 || s.fail != nil {
		return nil, 0, s.fail
	}
	return s.states[len(s.states)-1], uint64(len(s.states)), nil
}

func (s *shelf) Put(_ context.Context, _ string, value []byte) (uint64, error) {
	if s.fail != nil {
		return 0, s.fail
	}
	s.states = append(s.states, value)
	return uint64(len(s.states)), nil
}

// names of the messages kept: the last two tokens of their subjects.
func (s *shelf) names() (out []string) {
	for _, m := range s.kept {
		tokens := strings.Split(m.Subject, ".")
		out = append(out, strings.Join(tokens[len(tokens)-2:], "."))
	}
	return out
}

// bodies decodes the bodies of all messages of one type.
func bodies[T any](t *testing.T, s *shelf, messageType string) (out []T) {
	t.Helper()
	for _, m := range s.kept {
		if m.Type == messageType {
			var v T
			if err := json.Unmarshal(m.Body, &v); err != nil {
				t.Fatal(err)
			}
			out = append(out, v)
		}
	}
	return out
}

// options are those of a tenant whose messages go to the shelf.
func (s *shelf) options() Options {
	names, _ := schemas.NewNames("aicc")
	return Options{Tenant: "acme", Names: names, Epoch: 7, Store: s, States: s, Metrics: NewMetrics(nil)}
}

var got = Receipt{Asked: time.Unix(1_795_000_000, 0), At: time.Unix(1_795_000_009, 0)}

func event(eventType, content string) ccgateway.Event {
	return ccgateway.Event{Type: eventType, WorkNo: "291", Content: json.RawMessage(content)}
}

func TestNumbersHaveNoHoles(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &shelf{}
		fails := 0
		s.refuse = func(m schemas.Message) error {
			if strings.HasSuffix(m.Subject, "state.rest") {
				return &schemas.Permanent{Reason: schemas.ReasonOversized, Err: errors.New("too large")}
			}
			if fails++; fails%2 == 0 {
				return errors.New("no response from stream")
			}
			return nil
		}
		r := NewTenant(s.options()).Recorder("291", 41)
		_, err1 := r.Event(t.Context(), event("AgentState_Ready", ""), got)
		_, err2 := r.Event(t.Context(), event("AgentState_SetRest_Success", ""), got)
		err3 := r.Announce(t.Context(), schemas.EventResumed, nil)
		err4 := r.Heartbeat(t.Context())
		err5 := r.Gap(t.Context(), schemas.GapPollUnknown, got.Asked, got.At, "reset", 1)
		err6 := r.DeadLetter(t.Context(), []byte("<html>"), got, errors.New("no sense"))
		if err := errors.Join(err1, err2, err3, err4, err5, err6); err != nil {
			t.Fatal(err)
		}
		want := []string{"state.ready", "deadletter.oversized", "gap.undecodable", "session.resumed", "session.heartbeat", "gap.poll_unknown", "deadletter.undecodable", "gap.undecodable"}
		if got := s.names(); !slices.Equal(got, want) {
			t.Fatalf("stored: %v", got)
		}
		next := uint64(42)
		for _, m := range s.kept {
			var p schemas.Position
			_ = json.Unmarshal(m.Body, &p)
			switch {
			case m.Type == schemas.TypeDeadLetter:
				if m.ID != fmt.Sprintf("7.291.%d", next) {
					t.Errorf("a dead letter before number %d has the id %s", next, m.ID)
				}
			case p.Epoch != 7 || p.Seq != next:
				t.Errorf("%s has the number %d.%d, want 7.%d", m.Subject, p.Epoch, p.Seq, next)
			default:
				next++
			}
		}
		if r.Seq() != next-1 {
			t.Errorf("the last number is %d, want %d", r.Seq(), next-1)
		}
	})
}

func TestTheEndComesBeforeTheStore(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &shelf{refuse: func(schemas.Message) error { return errors.New("stream is full") }}
		r := NewTenant(s.options()).Recorder("291", 0)
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		_, err := r.Event(ctx, event("AgentState_Ready", ""), got)
		if !errors.Is(err, context.DeadlineExceeded) || r.Seq() != 0 || len(s.kept) != 0 {
			t.Errorf("%v, number %d, stored: %v", err, r.Seq(), s.names())
		}
	})
}

// A first gap names the last message before it, whoever's that was.
func TestWhatAGapFollows(t *testing.T) {
	for name, c := range map[string]struct {
		known    []schemas.Position // of earlier owners
		own      uint64
		wantEp   uint64
		wantLast uint64
	}{
		"nothing known":       {nil, 0, 0, 0},
		"one of before":       {[]schemas.Position{{Epoch: 5, Seq: 9}}, 0, 5, 9},
		"the later of two":    {[]schemas.Position{{Epoch: 5, Seq: 9}, {Epoch: 6, Seq: 1}}, 0, 6, 1},
		"an earlier one last": {[]schemas.Position{{Epoch: 5, Seq: 9}, {Epoch: 5, Seq: 3}}, 0, 5, 9},
		"our own":             {[]schemas.Position{{Epoch: 5, Seq: 9}}, 17, 7, 17},
	} {
		s := &shelf{}
		r := NewTenant(s.options()).Recorder("291", 0)
		for _, p := range c.known {
			r.Follow(p)
		}
		r.Continue(c.own)
		if err := r.Gap(t.Context(), schemas.GapUnclean, got.Asked, got.At, "", 0); err != nil {
			t.Fatal(err)
		}
		if g := bodies[schemas.Gap](t, s, schemas.TypeGap)[0]; g.LastEp != c.wantEp || g.LastSeq != c.wantLast || g.Seq != c.own+1 {
			t.Errorf("%s: %+v", name, g)
		}
	}
}

// TestEventsSayWhatEnds: only an event of the agent's own says that its session is over.
func TestEventsSayWhatEnds(t *testing.T) {
	stranger := event("AgentOther_ShutdownService", "")
	stranger.WorkNo = "292"
	nobody := event("AgentOther_ShutdownService", "")
	nobody.WorkNo = ""
	for name, c := range map[string]struct {
		e    ccgateway.Event
		want bool
	}{
		"the end": {event("AgentOther_ShutdownService", `{"loginTime":"1"}`), true}, "of nobody": {nobody, true},
		"of another": {stranger, false}, "something else": {event("AgentState_Ready", ""), false},
	} {
		s := &shelf{}
		ends, err := NewTenant(s.options()).Recorder("291", 0).Event(t.Context(), c.e, got)
		if err != nil || ends != c.want || len(s.kept) != 1 {
			t.Errorf("%s: %t, %v", name, ends, err)
		}
	}
}

// day are the events of an agent's calls, the last of which lacks an event; every rule
// counts by then.
func day() (all []ccgateway.Event) {
	call := func(id, types string) {
		for _, name := range strings.Fields(types) {
			content := ""
			if strings.HasPrefix(name, "AgentEvent") {
				content = fmt.Sprintf(`{"callid":%q,"type":"main","feature":"0","caller":"5550123"}`, id)
			}
			all = append(all, event(name, content))
		}
	}
	for i := range 12 {
		call(fmt.Sprintf("1456401416-%d", i), "AgentState_Busy AgentEvent_Ringing AgentEvent_Talking AgentEvent_Hold AgentEvent_Talking AgentEvent_Call_Release AgentState_Ready")
	}
	call("1456401499-1", "AgentState_Busy AgentEvent_Ringing AgentEvent_Hold AgentEvent_Call_Release AgentState_Ready")
	call("", "AgentState_Busy")
	return all
}

// TestAPolicyChangesWhatIsPublishedAndNotWhatIsInferred: the order of events is checked on
// what the platform sent, even under a policy that takes away what tells calls apart.
func TestAPolicyChangesWhatIsPublishedAndNotWhatIsInferred(t *testing.T) {
	inferred := func(p Privacy) (gaps []schemas.Gap, events []schemas.Event) {
		s := &shelf{}
		o := s.options()
		o.Privacy = func() Privacy { return p }
		r := NewTenant(o).Recorder("291", 0)
		for _, e := range day() {
			if _, err := r.Event(t.Context(), e, got); err != nil {
				t.Fatal(err)
			}
		}
		return bodies[schemas.Gap](t, s, schemas.TypeGap), bodies[schemas.Event](t, s, schemas.TypeEvent)
	}
	want, plain := inferred(nil)
	if len(want) != 1 || want[0].Cause != schemas.GapInferred || want[0].Detail != "missing AgentEvent_Talking" {
		t.Fatalf("inferred: %+v", want)
	}
	for name, p := range map[string]*privacy.Policy{
		"phone numbers": policy(t, privacy.Mask),
		"all of a call": policy(t, privacy.Drop, "callid=drop", "type=drop", "call_role=drop", "feature=drop", "call_feature=drop"),
	} {
		gaps, events := inferred(p)
		if !slices.Equal(gaps, want) || len(events) != len(plain) {
			t.Errorf("%s: inferred %+v, want %+v", name, gaps, want)
		}
		for i, e := range events {
			if e.State != plain[i].State || e.Group != plain[i].Group || e.Name != plain[i].Name || e.Position != plain[i].Position {
				t.Errorf("%s: event %d is %+v, want %+v", name, i, e, plain[i])
			}
			if strings.Contains(e.Caller+string(e.Content), "5550123") || strings.HasPrefix(name, "all") && e.CallID+e.CallRole+e.CallFeature != "" {
				t.Errorf("%s: event %d is published as %+v", name, i, e)
			}
		}
	}
}

func TestWhatALastMessageSays(t *testing.T) {
	stored := func(body string, err error) func(context.Context, string) (schemas.Stored, bool, error) {
		return func(_ context.Context, filter string) (schemas.Stored, bool, error) {
			if filter != "aicc.v1.acme.agent.291.>" {
				t.Errorf("asked for %s", filter)
			}
			return schemas.Stored{Body: []byte(body), StoredAt: got.At}, body != "", err
		}
	}
	said := func(member string, after time.Duration) string {
		return fmt.Sprintf(`{"epoch":5,"seq":9,"type":"AgentState_Ready",%q:%q}`, member, got.At.Add(after).Format(time.RFC3339Nano))
	}
	for name, c := range map[string]struct {
		ask             func(context.Context, string) (schemas.Stored, bool, error)
		ok, final, left bool
		before          time.Duration // that it was stored
	}{
		"cannot be asked":      {ask: nil},
		"none":                 {ask: stored("", nil)},
		"error":                {ask: stored(`{"epoch":5,"seq":9}`, errors.New("timeout"))},
		"no JSON":              {ask: stored(`<html>`, nil)},
		"no number":            {ask: stored(`{"type":"AgentState_Ready"}`, nil)},
		"an event":             {ask: stored(`{"epoch":5,"seq":9,"type":"AgentState_Ready"}`, nil), ok: true},
		"left":                 {ask: stored(`{"epoch":5,"seq":9,"type":"bridge.session.left"}`, nil), ok: true, final: true, left: true},
		"signed out":           {ask: stored(`{"epoch":5,"seq":9,"type":"bridge.session.signed_out"}`, nil), ok: true, final: true},
		"a gap":                {ask: stored(`{"epoch":5,"seq":9,"cause":"poll_unknown"}`, nil), ok: true},
		"a first gap":          {ask: stored(`{"epoch":5,"seq":9,"cause":"unclean_stop"}`, nil), ok: true, final: true},
		"an event of earlier":  {ask: stored(said("received_at", -time.Minute), nil), ok: true, before: time.Minute},
		"a beat of earlier":    {ask: stored(said("at", -time.Hour), nil), ok: true, before: time.Hour},
		"a gap of earlier":     {ask: stored(said("to", -time.Second), nil), ok: true, before: time.Second},
		"of a clock far ahead": {ask: stored(said("received_at", time.Hour), nil), ok: true},
	} {
		s := &shelf{}
		o := s.options()
		o.LastStored = c.ask
		last, ok := NewTenant(o).Recorder("291", 0).Last(t.Context())
		if ok != c.ok || last.Final() != c.final || last.Left() != c.left || ok && (last.Epoch != 5 || last.Seq != 9 || !last.At.Equal(got.At.Add(-c.before))) {
			t.Errorf("%s: %+v, %t", name, last, ok)
		}
	}
}

func TestRepeatedEventsAreMarkedAndSayNothingNew(t *testing.T) {
	s := &shelf{}
	r := NewTenant(s.options()).Recorder("291", 0)
	e := event("AgentState_Ready", "")
	e.GeneratedAt = got.Asked
	later := event("AgentState_Busy", "")
	later.GeneratedAt = got.At
	for _, e := range []ccgateway.Event{e, later, e} {
		if _, err := r.Event(t.Context(), e, got); err != nil {
			t.Fatal(err)
		}
	}
	events := bodies[schemas.Event](t, s, schemas.TypeEvent)
	if len(events) != 3 || events[0].Repeated || events[1].Repeated || !events[2].Repeated || r.Standing.known.State != schemas.StateOnCall {
		t.Errorf("%+v, then the agent stands at %s", events, r.Standing.known.State)
	}
}

// TestSignsOfLife: what the platform sends is heard, once; what the bridge makes is not.
func TestSignsOfLife(t *testing.T) {
	s := &shelf{}
	o, heard := s.options(), 0
	o.Heard = func(agent string, at time.Time) {
		if heard++; agent != "291" || !at.Equal(got.At) {
			t.Errorf("heard of %s at %s", agent, at)
		}
	}
	r := NewTenant(o).Recorder("291", 0)
	e := event("AgentState_Ready", "")
	e.GeneratedAt = got.Asked
	for range 2 { // the second is a repetition
		if _, err := r.Event(t.Context(), e, got); err != nil {
			t.Fatal(err)
		}
	}
	err := errors.Join(
		r.Announce(t.Context(), schemas.EventResumed, nil), r.Heartbeat(t.Context()),
		r.Gap(t.Context(), schemas.GapInferred, got.Asked, got.At, "", 1),
	)
	if err != nil || heard != 1 || len(s.kept) != 5 {
		t.Errorf("%v; heard %d of %v", err, heard, s.names())
	}
}

func TestStrangersAreToldOnce(t *testing.T) {
	var logs strings.Builder
	s := &shelf{}
	o := s.options()
	o.Logger = zerolog.New(&logs)
	r := NewTenant(o).Recorder("291", 0)
	for _, other := range []string{"292", "292", "", "291", "293"} {
		e := event("AgentState_Ready", "")
		e.WorkNo = other
		if _, err := r.Event(t.Context(), e, got); err != nil {
			t.Fatal(err)
		}
	}
	if n := strings.Count(logs.String(), "name another agent"); n != 2 {
		t.Errorf("logged %d times: %s", n, logs.String())
	}
}
