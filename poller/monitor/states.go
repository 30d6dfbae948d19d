package monitor

import (
	"strconv"
	"time"

	"aiccbridge/internal/cccms"
	"aiccbridge/poller/record"
	"aiccbridge/schemas"
)

// liveStates are the states of the bridge that those of the CTI are (cec_07_0697). What is left
// out is said by no live event.
var liveStates = [...]schemas.State{
	cccms.SignedOut: schemas.StateSignedOut,
	cccms.Idle:      schemas.StateReady,
	cccms.Reserved:  schemas.StateOnCall,
	cccms.Occupied:  schemas.StateOnCall,
	cccms.Answering: schemas.StateOnCall,
	cccms.Talking:   schemas.StateOnCall,
	cccms.Working:   schemas.StateWrapup,
	cccms.Busy:      schemas.StateNotReady,
	cccms.Resting:   schemas.StateRest,
}

// StateOf is an agent's state as live events would have it; unknown for what they don't say.
func StateOf(s cccms.State) schemas.State {
	if s < 0 || int(s) >= len(liveStates) {
		return schemas.StateUnknown
	}
	return liveStates[s]
}

// contentOf is what a row says.
func contentOf(a cccms.Agent, was schemas.State) record.SeenContent {
	state := int(a.State)
	c := record.SeenContent{CTIState: &state, Was: was}
	if a.Reason >= 0 && (a.State == cccms.Resting || a.State == cccms.SignedOut) { // of others it means nothing (cec_07_0627)
		c.Reason = strconv.Itoa(a.Reason)
	}
	if StateOf(a.State) == schemas.StateUnknown {
		c.Cause = record.UnknownNoLiveState
	}
	return c
}

// span is when something happened, between two times; one that is zero bounds nothing.
type span struct{ after, before time.Time }

// began is when the agent's live state did, by how long the platform says that it has lasted: it
// counts whole seconds. It was asked and it answered at these times. The CTI has several states
// for a call, so that of the live state only the end of the span is known.
func began(a cccms.Agent, asked, answered time.Time) span {
	if a.For < 0 {
		return span{}
	}
	s := span{before: answered.Add(-a.For)}
	if StateOf(a.State) != schemas.StateOnCall {
		s.after = asked.Add(-a.For - time.Second)
	}
	return s
}

// within is the part that two spans share; s where they share none: clocks, or another change
// meanwhile, are in the way.
func (s span) within(t span) span {
	u := s
	if u.after.Before(t.after) {
		u.after = t.after
	}
	if u.before.IsZero() || !t.before.IsZero() && t.before.Before(u.before) {
		u.before = t.before
	}
	if !u.before.IsZero() && u.before.Before(u.after) {
		return s
	}
	return u
}
