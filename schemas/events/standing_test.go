package events

import (
	"slices"
	"testing"
	"time"

	"aiccbridge/schemas"
)

// TestAfter: a state begins with its event, a call is the agent's until it is over or another
// state says so, and what is said of others alters nothing.
func TestAfter(t *testing.T) {
	begin := time.Date(2026, 11, 30, 10, 0, 0, 0, time.UTC)
	at := func(s int) time.Time { return begin.Add(time.Duration(s) * time.Second) }
	on := func(typ, call string) schemas.Event {
		e := schemas.Event{Via: schemas.WayPoll, Type: typ, ReceivedAt: at(9), Position: schemas.Position{Epoch: 2, Seq: 7}}
		info, _ := Lookup(typ)
		info.Fill(&e, nil)
		e.CallID = call
		return e
	}
	occurred := func(e schemas.Event, s int) schemas.Event {
		e.OccurredAt = at(s)
		return e
	}
	seen := on(schemas.EventSeen(schemas.StateRest), "")
	seen.Via, seen.OccurredAfter, seen.OccurredBefore = schemas.WayMonitor, at(2), at(6)
	assistant := on("AgentEvent_Talking", "7-2")
	assistant.CallRole = "assistant"
	ready := schemas.AgentState{State: schemas.StateReady, Since: begin}
	busy := schemas.AgentState{State: schemas.StateOnCall, Since: begin, CallID: "7-1"}
	for _, c := range []struct {
		what   string
		before schemas.AgentState
		e      schemas.Event
		want   schemas.AgentState // but for the position
	}{
		{"a new state, as of when it occurred", ready, occurred(on("AgentState_Busy", ""), 5), schemas.AgentState{State: schemas.StateOnCall, Since: at(5), Via: schemas.WayPoll}},
		{"a new state of a platform without times", ready, on("AgentState_Busy", ""), schemas.AgentState{State: schemas.StateOnCall, Since: at(9), Via: schemas.WayPoll}},
		{"a state that was seen, as of the first look", busy, seen, schemas.AgentState{State: schemas.StateRest, Since: at(6), Via: schemas.WayMonitor}},
		{"the same state once more", ready, occurred(on("AgentState_Ready", ""), 5), ready},
		{"a call begins", ready, on("AgentEvent_Ringing", "7-1"), schemas.AgentState{State: schemas.StateReady, Since: begin, CallID: "7-1"}},
		{"an event of a call without its id", busy, on("AgentEvent_Talking", ""), busy},
		{"a consultation", busy, assistant, busy},
		{"the customer hangs up first", busy, on("AgentEvent_Customer_Release", "7-9"), busy},
		{"the call is over", busy, on("AgentEvent_Call_Release", "7-1"), schemas.AgentState{State: schemas.StateOnCall, Since: begin}},
		{"another call is over", busy, on("AgentEvent_Call_Release", "7-2"), busy},
		{"no answer", busy, on("AgentEvent_No_Answer", "7-1"), schemas.AgentState{State: schemas.StateOnCall, Since: begin}},
		{"a state without a call", busy, occurred(on("AgentState_Work", ""), 5), schemas.AgentState{State: schemas.StateWrapup, Since: at(5), Via: schemas.WayPoll}},
		{"what says nothing of the agent", busy, on("AgentOther_PhoneAlerting", "7-5"), busy},
	} {
		c.want.Position = c.e.Position
		if got := After(c.before, c.e); got != c.want {
			t.Errorf("%s: %+v, want %+v", c.what, got, c.want)
		}
	}
}

func TestPhoneFieldsNameTheirSource(t *testing.T) {
	_, lists := PhoneNames()
	for _, f := range phoneFields {
		if f.source == "" || f.list != slices.Contains(lists, f.name) {
			t.Errorf("%+v", f)
		}
	}
}
