package poller

import (
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"aiccbridge/internal/ccgateway"
	"aiccbridge/schemas"

	"github.com/prometheus/client_golang/prometheus"
)

func TestNoPollWhileNothingCanBeStored(t *testing.T) {
	bubble(t, func(t *testing.T, s *stage) {
		s.agent("291").script = []answer{gotEmpty(), gotEvent("AgentState_Ready", "")}
		p := s.start(agent291)
		synctestUntil(t, func() bool { return len(s.j.of("ask")) == 1 })
		s.store.setRefuse(func(schemas.Message) error { return errors.New("stream is full") })
		pass(10 * time.Minute)
		if n := len(s.j.of("ask")); n != 2 {
			t.Errorf("%d polls, want 2", n)
		}
		s.store.setRefuse(nil)
		pass(time.Minute)
		if !slices.Contains(s.stored(), "state.ready") || len(s.j.of("ask")) < 5 {
			t.Errorf("stored: %v", s.stored())
		}
		p.end()
		if n := strings.Count(s.logs.String(), "not stored; no poll until it is"); n != 1 {
			t.Errorf("logged %d times, want once", n)
		}
	})
}

func synctestUntil(t *testing.T, ok func() bool) {
	t.Helper()
	for range 1000 {
		if ok() {
			return
		}
		pass(time.Millisecond)
	}
	t.Fatal("did not happen")
}

func TestWhatCannotBeReadBecomesDeadLetterAndGap(t *testing.T) {
	bubble(t, func(t *testing.T, s *stage) {
		undecodable := func(body string) answer {
			a := gotNothing(ccgateway.OutcomeUnknown)
			a.poll.Body, a.poll.Err = []byte(body), ccgateway.ErrUndecodable
			return a
		}
		refused := gotEvent("AgentEvent_RequestConnect", `{"signature":"s3cret","callid":"1-1"}`)
		s.store.refuse = func(m schemas.Message) error {
			if strings.HasSuffix(m.Subject, "request_connect") {
				return &schemas.Permanent{Reason: schemas.ReasonOversized, Err: errors.New("too large")}
			}
			return nil
		}
		s.agent("291").script = []answer{
			undecodable("<html>busy</html>"), gotEmpty(),
			undecodable("\xff\xfe\x00"), gotEmpty(),
			undecodable(`{"event":{"content":{"signature":"s3cret"`), gotEmpty(),
			undecodable(strings.Repeat("x", 1<<20)), gotEmpty(),
			refused,
		}
		p := s.start(agent291)
		pass(time.Minute)
		p.end()
		gaps, letters := bodies[schemas.Gap](s, schemas.TypeGap), bodies[schemas.DeadLetter](s, schemas.TypeDeadLetter)
		if len(gaps) != 5 || len(letters) != 5 {
			t.Fatalf("%d gaps, %d dead letters, want 5 each", len(gaps), len(letters))
		}
		for i, g := range gaps {
			if g.Cause != schemas.GapUndecodable {
				t.Errorf("gap %d: %+v", i, g)
			}
		}
		for i, want := range []string{"<html>busy</html>", "data:application/octet-stream;base64,//4A", `{"event":{"content":{"signature":"***"`} {
			var got string
			_ = json.Unmarshal(letters[i].Original, &got)
			if got != want || letters[i].Reason != schemas.ReasonUndecodable {
				t.Errorf("dead letter %d: %s", i, letters[i].Original)
			}
		}
		if n := len(letters[3].Original); n > schemas.MaxOriginalBytes+2 {
			t.Errorf("original of %d bytes", n)
		}
		if got := string(letters[4].Original); strings.Contains(got, "s3cret") || !strings.Contains(got, "RequestConnect") {
			t.Errorf("original: %s", got)
		}
		if letters[4].Reason != schemas.ReasonOversized {
			t.Errorf("an event that is too large is called %s", letters[4].Reason)
		}
		checkNumbers(t, s, 7)
	})
}

// The event of a poll of an agent may name another one. It is a message of the
// polled agent all the same: subject, id and number agree. It says nothing of the
// polled agent's state or session.
func TestAnEventOfAnotherAgent(t *testing.T) {
	bubble(t, func(t *testing.T, s *stage) {
		foreign := func(eventType string) answer {
			a := gotEvent(eventType, `{"a":1}`)
			a.poll.Events[0].WorkNo = "292"
			return a
		}
		nobody := gotEvent("AgentOther_BeQcStart", `{"qcType":8}`)
		nobody.poll.Events[0].WorkNo = ""
		s.agent("291").script = []answer{gotEvent("AgentState_Ready", ""), foreign("AgentState_Rest_Success"), foreign("AgentOther_ShutdownService"), nobody}
		other := agent291
		other.ID = "292"
		p := s.start(agent291, other)
		pass(time.Minute)
		if k := s.state("291"); k.State != schemas.StateReady {
			t.Errorf("state: %+v", k)
		}
		p.end()
		checkNumbers(t, s, 7)
		ids, polled := map[string]bool{}, 0
		for _, m := range s.store.messages() {
			if ids[m.MsgID()] {
				t.Errorf("id %s twice", m.MsgID())
			}
			ids[m.MsgID()] = true
			var e schemas.Event
			_ = json.Unmarshal(m.Body, &e)
			if strings.HasPrefix(e.Type, "Agent") {
				polled++
				if e.Agent != "291" || !strings.Contains(m.Subject, ".agent.291.") || m.ID != fmt.Sprintf("7.291.%d", e.Seq) || e.State != "" && e.State != schemas.StateReady {
					t.Errorf("subject %s, id %s, event %+v", m.Subject, m.ID, e)
				}
			}
		}
		if polled != 4 || slices.Contains(s.stored(), "session.signed_out") {
			t.Errorf("stored: %v", s.stored())
		}
		if n := strings.Count(s.logs.String(), "name another agent"); n != 1 {
			t.Errorf("logged %d times, want once", n)
		}
	})
}

func TestStateAndHeartbeat(t *testing.T) {
	bubble(t, func(t *testing.T, s *stage) {
		s.agent("291").status.State = 7
		s.agent("291").script = []answer{
			gotEvent("AgentState_Ready", ""),
			gotEvent("AgentState_Busy", ""),
			gotEvent("AgentEvent_Talking", `{"callid":"1456401416-3","type":"main"}`),
			gotEvent("AgentEvent_Talking", `{"callid":"1456401499-9","type":"assistant"}`),
			gotEvent("AgentEvent_Customer_Release", `{"callid":"1456401416-3"}`),
		}
		fails := 0
		s.states.fail = func(op string) error {
			if fails++; op == "put" && fails%2 == 0 {
				return errors.New("no responders")
			}
			return nil
		}
		p := s.start(agent291)
		pass(time.Minute)
		if k := s.state("291"); k.State != schemas.StateOnCall || k.CallID != "1456401416-3" || k.Since.IsZero() || k.Epoch != 7 {
			t.Errorf("state: %+v", k)
		}
		pass(5 * time.Minute)
		beats := bodies[schemas.Heartbeat](s, schemas.TypeHeartbeat)
		if len(beats) != 1 || beats[0].State != schemas.StateOnCall || beats[0].CallID != "1456401416-3" {
			t.Errorf("heartbeats: %+v", beats)
		}
		s.states.setFail(nil)
		s.agent("291").then(gotEvent("AgentEvent_Call_Release", `"1456401416-3"`))
		pass(20 * time.Second)
		if k := s.state("291"); k.State != schemas.StateOnCall || k.CallID != "" {
			t.Errorf("state: %+v", k)
		}
		p.end()
		if k := s.state("291"); k.State != schemas.StateUnknown {
			t.Errorf("state after leaving: %+v", k)
		}
	})
}

func TestAfterALostAnswerStateAndGUIDAreAskedFor(t *testing.T) {
	bubble(t, func(t *testing.T, s *stage) {
		rotated := gotEmpty()
		rotated.guid = "rotated"
		s.agent("291").status.State = 8
		s.agent("291").updated = "asked-for"
		s.agent("291").script = []answer{gotEvent("AgentState_Ready", ""), rotated, gotNothing(ccgateway.OutcomeUnknown)}
		p := s.start(agent291)
		pass(30 * time.Second)
		p.end()
		if n := len(s.j.of("update guid")); n != 1 || len(s.j.of("status")) != 1 {
			t.Errorf("GUID asked for %d times, status %d times, want once each", n, len(s.j.of("status")))
		}
		asks := s.j.of("ask")
		if asks[len(asks)-1].text != "asked-for" {
			t.Errorf("polled with %q", asks[len(asks)-1].text)
		}
		var states []string
		for _, e := range s.j.of("state") {
			var k schemas.AgentState
			_ = json.Unmarshal([]byte(e.text), &k)
			states = append(states, string(k.State))
		}
		if !slices.Contains(states, "rest") {
			t.Errorf("states: %v", states)
		}
	})
}

func TestMetrics(t *testing.T) {
	bubble(t, func(t *testing.T, s *stage) {
		r := prometheus.NewPedanticRegistry()
		s.options.Metrics = NewMetrics(r)
		s.agent("291").script = []answer{gotEvent("AgentState_Ready", ""), gotNothing(ccgateway.OutcomeUnknown)}
		if _, err := New(s.options); err != nil { // a second pool shares the metrics
			t.Fatal(err)
		}
		p := s.start(agent291)
		pass(30 * time.Second)
		during := scrape(t, r)
		p.end()
		after := scrape(t, r)
		for name, want := range map[string]float64{
			"aicc_poller_polls_total acme event":       1,
			"aicc_poller_polls_total acme unknown":     1,
			"aicc_poller_events_total acme session":    2, // signed in, and the status after the gap
			"aicc_poller_events_total acme state":      1,
			"aicc_poller_gaps_total acme poll_unknown": 1,
			"aicc_poller_agents acme polling":          1,
			"aicc_poller_publish_seconds acme":         4,
			"aicc_poller_agents acme starting":         0,
		} {
			if during[name] != want {
				t.Errorf("%s = %v, want %v", name, during[name], want)
			}
		}
		for name, value := range after {
			if strings.HasPrefix(name, "aicc_poller_agents") && value != 0 {
				t.Errorf("after the end %s = %v", name, value)
			}
			if strings.Contains(name, "291") {
				t.Errorf("label names an agent: %s", name)
			}
		}
	})
}

func scrape(t *testing.T, g prometheus.Gatherer) map[string]float64 {
	t.Helper()
	families, err := g.Gather()
	if err != nil {
		t.Fatal(err)
	}
	out := map[string]float64{}
	for _, f := range families {
		for _, m := range f.GetMetric() {
			name := f.GetName()
			labels := map[string]string{}
			for _, l := range m.GetLabel() {
				labels[l.GetName()] = l.GetValue()
			}
			name += " " + labels["tenant"]
			for _, l := range m.GetLabel() {
				if l.GetName() != "tenant" {
					name += " " + l.GetValue()
				}
			}
			out[name] = m.GetCounter().GetValue() + m.GetGauge().GetValue() + float64(m.GetHistogram().GetSampleCount())
		}
	}
	return out
}
