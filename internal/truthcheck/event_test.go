package truthcheck

import (
	"slices"
	"strings"
	"testing"
	"time"

	"aiccbridge/internal/platformsim/truth"
	"aiccbridge/schemas"
)

// eventCase changes a good scene; want are the counters that differ from zero
// afterwards.
type eventCase struct {
	name   string
	change func(*scene)
	want   EventReport // Lost, Popped, Stored and Gaps are not compared
	lost   int
	ok     bool
}

var eventCases = []eventCase{
	{"nothing", func(*scene) {}, EventReport{}, 0, true},
	{"lost without gap", func(s *scene) {
		s.pop("101", "AgentState_Work", `null`)
		s.event("101", "AgentState_Ready", `null`)
	}, EventReport{UnexplainedLost: 1}, 1, false},
	{"lost with gap", func(s *scene) {
		e := s.pop("101", "AgentState_Work", `null`)
		s.gap("101", e.At.Add(-time.Second), e.At.Add(time.Second), 1)
	}, EventReport{}, 1, true},
	{"lost within the slack of a gap", func(s *scene) {
		e := s.pop("101", "AgentState_Work", `null`)
		s.gap("101", e.At.Add(gapSlack), e.At.Add(time.Minute), 1)
	}, EventReport{}, 1, true},
	{"lost beside a gap", func(s *scene) {
		e := s.pop("101", "AgentState_Work", `null`)
		s.gap("101", e.At.Add(gapSlack+time.Millisecond), e.At.Add(time.Minute), 1)
	}, EventReport{UnexplainedLost: 1}, 1, false},
	{"lost in another agent's gap", func(s *scene) {
		e := s.pop("101", "AgentState_Work", `null`)
		s.gap("102", e.At.Add(-time.Second), e.At.Add(time.Second), 1)
	}, EventReport{UnexplainedLost: 1}, 1, false},
	{"two lost in a gap of one", func(s *scene) {
		e := s.pop("101", "AgentState_Work", `null`)
		s.pop("101", "AgentState_Ready", `null`)
		s.gap("101", e.At.Add(-time.Second), e.At.Add(time.Minute), 1)
	}, EventReport{UnexplainedLost: 1}, 2, false},
	{"two lost in a gap without bound", func(s *scene) {
		e := s.pop("101", "AgentState_Work", `null`)
		s.pop("101", "AgentState_Ready", `null`)
		s.gap("101", e.At.Add(-time.Second), e.At.Add(time.Minute), 0)
	}, EventReport{}, 2, true},
	{"two lost in two gaps that overlap", func(s *scene) {
		e := s.pop("101", "AgentState_Work", `null`)
		later := s.pop("101", "AgentState_Ready", `null`)
		s.gap("101", e.At, later.At.Add(time.Minute), 1)
		s.gap("101", e.At, e.At.Add(time.Second), 1)
	}, EventReport{}, 2, true},
	{"lost, and inferred", func(s *scene) {
		e := s.pop("101", "AgentState_Work", `null`)
		s.gapOf("101", schemas.GapInferred, e.At.Add(-time.Minute), e.At.Add(time.Minute), 0)
	}, EventReport{Inferred: 1}, 1, true},
	{"inferred for nothing", func(s *scene) {
		s.gapOf("101", schemas.GapInferred, s.now.Add(-time.Second), s.now, 0)
	}, EventReport{Inferred: 1, Unfounded: 1}, 0, false},
	{"lost elsewhere, and inferred for nothing", func(s *scene) {
		e := s.pop("101", "AgentState_Work", `null`)
		s.gapOf("101", schemas.GapInferred, e.At.Add(gapSlack+time.Second), e.At.Add(time.Minute), 0)
	}, EventReport{UnexplainedLost: 1, Inferred: 1, Unfounded: 1}, 1, false},
	// Which of three equal events was lost is told by their times.
	{"the one of equal events that is in the gap", func(s *scene) {
		s.event("101", "AgentState_Rest_Timeout", `null`)
		e := s.pop("101", "AgentState_Rest_Timeout", `null`)
		s.gap("101", e.At.Add(-time.Second), e.At.Add(time.Second), 1)
		s.event("101", "AgentState_Rest_Timeout", `null`)
	}, EventReport{}, 1, true},
	{"the same without the platform's time", func(s *scene) {
		ghost := func() truth.Event {
			e := s.pop("101", "AgentState_Rest_Timeout", `null`)
			e.GeneratedAt = time.Time{}
			return e
		}
		lost := ghost()
		s.gap("101", lost.At.Add(-time.Second), lost.At.Add(time.Second), 1)
		s.store(ghost(), `null`)
		s.store(ghost(), `null`)
		lost = ghost()
		s.gap("101", lost.At.Add(-time.Second), lost.At.Add(time.Second), 1)
	}, EventReport{}, 2, true},
	{"stored twice", func(s *scene) {
		e := s.pop("101", "AgentState_Work", `null`)
		s.store(e, `null`)
		s.store(e, `null`)
	}, EventReport{Duplicated: 1}, 0, false},
	{"the same message twice", func(s *scene) {
		s.events = append(s.events, s.events[len(s.events)-1])
	}, EventReport{Duplicated: 1, RepeatedIDs: 2}, 0, false}, // its id and its number
	{"never popped", func(s *scene) {
		s.event("101", "AgentState_Work", `null`)
		s.truth.Events = s.truth.Events[:len(s.truth.Events)-1]
	}, EventReport{Foreign: 1}, 0, false},
	{"of an agent that the platform does not know", func(s *scene) {
		s.event("199", "AgentState_Work", `null`)
		s.truth.Events = s.truth.Events[:len(s.truth.Events)-1]
	}, EventReport{Foreign: 1}, 0, false},
	{"another content", func(s *scene) {
		s.store(s.pop("101", "AgentEvent_Ringing", `{"caller":"1"}`), `{"caller":"2"}`)
	}, EventReport{Foreign: 1, UnexplainedLost: 1}, 1, false},
	{"another type", func(s *scene) {
		e := s.pop("101", "AgentState_Work", `null`)
		e.Type = "AgentState_Ready"
		e.GeneratedAt = time.Time{}
		s.store(e, `null`)
	}, EventReport{Duplicated: 1, UnexplainedLost: 1}, 1, false},
	{"what the gateway varies", func(s *scene) {
		e := s.pop("101", "AgentEvent_Ringing", `{"caller":"70001","mediaType":5,"deep":{"a":[1,null,true]}}`)
		e.Type = " AgentEvent_Ringing"
		s.store(e, `{"deep":{"a":["1",null,true]},"mediaType":"5","caller":"70001\u0000\u0000","jsonKey":["caller"]}`)
	}, EventReport{}, 0, true},
	{"a redacted credential", func(s *scene) {
		s.event("101", "AgentEvent_RequestConnect", `{"callid":"1-1","signature":"secret"}`)
	}, EventReport{}, 0, true},
	{"a credential in clear", func(s *scene) {
		s.event("101", "AgentEvent_RequestConnect", `{"callid":"1-1","signature":"secret"}`)
		m := &s.events[len(s.events)-1]
		m.Body = []byte(strings.Replace(string(m.Body), "***", "secret", 1))
	}, EventReport{Unredacted: 1}, 0, false},
	{"numbers swapped", func(s *scene) {
		a, b := s.pop("101", "AgentState_Work", `null`), s.pop("101", "AgentState_Ready", `null`)
		s.store(b, `null`)
		s.store(a, `null`)
	}, EventReport{Misordered: 1}, 0, false},
	{"equal events swapped", func(s *scene) {
		a, b := s.pop("101", "AgentState_Work", `null`), s.pop("101", "AgentState_Work", `null`)
		s.store(b, `null`)
		s.store(a, `null`)
	}, EventReport{Misordered: 1}, 0, false},
	{"messages swapped", func(s *scene) {
		n := len(s.events)
		s.events[n-1], s.events[n-2] = s.events[n-2], s.events[n-1]
	}, EventReport{Misordered: 1}, 0, false},
	{"an owner of the past pops one more", func(s *scene) {
		s.epoch++
		s.store(s.pop("101", "AgentState_Ready", `null`), `null`)
		s.epoch--
		late := s.pop("101", "AgentState_Work", `null`)
		s.store(late, `null`)
	}, EventReport{Late: 1}, 0, false},
	{"a hole in the numbers", func(s *scene) {
		s.next("101")
		s.next("101")
		s.session("101", schemas.EventLeft)
	}, EventReport{Holes: 2}, 0, false},
	{"a hole that a gap of the store explains", func(s *scene) {
		after := s.next("101")
		after.Seq--
		s.next("101")
		m, err := s.names.GapMessage(schemas.Gap{
			Tenant: tenant, Agent: "101", From: s.now, To: s.now, Cause: schemas.GapStoreDamaged, MaxLost: 2,
			LastEp: after.Epoch, LastSeq: after.Seq, Position: s.next("101"),
		})
		s.put(&s.events, m, err)
	}, EventReport{}, 0, true},
	{"a hole that is larger than the gap", func(s *scene) {
		after := s.next("101")
		after.Seq--
		s.next("101")
		s.next("101")
		m, err := s.names.GapMessage(schemas.Gap{
			Tenant: tenant, Agent: "101", From: s.now, To: s.now, Cause: schemas.GapStoreDamaged, MaxLost: 2,
			LastEp: after.Epoch, LastSeq: after.Seq, Position: s.next("101"),
		})
		s.put(&s.events, m, err)
	}, EventReport{Holes: 3}, 0, false},
	{"the first number missing", func(s *scene) {
		s.epoch = 2
		s.next("101")
		s.session("101", schemas.EventResumed)
	}, EventReport{Holes: 1}, 0, false},
	{"a new epoch", func(s *scene) {
		s.epoch = 2
		s.session("101", schemas.EventResumed)
		s.event("101", "AgentState_Ready", `null`)
	}, EventReport{}, 0, true},
	{"a heartbeat with the last number", func(s *scene) {
		s.heartbeat("101", schemas.Position{Epoch: 1, Seq: s.seq["101/1"]})
	}, EventReport{}, 0, true},
	{"an event taken out of the stream", func(s *scene) {
		s.event("101", "AgentState_Work", `null`)
		s.session("101", schemas.EventLeft)
		s.events = slices.Delete(s.events, len(s.events)-2, len(s.events)-1)
	}, EventReport{UnexplainedLost: 1, Holes: 1}, 1, false},
	{"one number twice", func(s *scene) {
		s.session("101", schemas.EventLeft)
		s.seq["101/1"]--
		s.event("101", "AgentState_Work", `null`)
		s.events[len(s.events)-1].Header["ce-id"] = []string{"1.101.77"}
	}, EventReport{RepeatedIDs: 1}, 0, false},
	{"an event that names another agent", func(s *scene) {
		s.event("101", "AgentEvent_Ringing", `{"caller":"1"}`)
		m := &s.events[len(s.events)-1]
		m.Body = []byte(strings.Replace(string(m.Body), `"agent":"101"`, `"agent":"102"`, 1))
	}, EventReport{}, 0, true},
}

func TestEvents(t *testing.T) {
	for _, c := range eventCases {
		t.Run(c.name, func(t *testing.T) {
			s := good(t)
			c.change(s)
			r := s.report()
			got := r.Events
			if len(got.Lost) != c.lost {
				t.Errorf("lost %d, want %d", len(got.Lost), c.lost)
			}
			got.Lost, got.Popped, got.Stored, got.Gaps = nil, 0, 0, 0
			if got, want := counters(t, got), counters(t, c.want); got != want || r.OK != c.ok {
				t.Errorf("got %s, ok %v; want %s, ok %v\n%s", got, r.OK, want, c.ok, strings.Join(r.Problems, "\n"))
			}
		})
	}
}
