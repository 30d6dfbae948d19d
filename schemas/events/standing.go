package events

import (
	"cmp"
	"time"

	"aiccbridge/schemas"
)

// callOver lists the events after which the call they name is no longer the
// agent's.
var callOver = map[string]bool{
	"AgentEvent_Call_Release":     true,
	"AgentEvent_Call_Out_Fail":    true,
	"AgentEvent_Inside_Call_Fail": true,
	"AgentEvent_Connect_Fail":     true,
	"AgentEvent_No_Answer":        true,
}

// After is where an agent stands after an event, when it stood at before. A state begins
// when its event occurred, or when it was first seen; where nobody says, when the event was
// received.
func After(before schemas.AgentState, e schemas.Event) schemas.AgentState {
	k := before
	k.Position = e.Position
	if e.State != "" && e.State != k.State {
		k.State, k.Since, k.Via = e.State, e.ReceivedAt, e.Via
		for _, at := range []time.Time{e.OccurredBefore, e.OccurredAt} {
			if !at.IsZero() {
				k.Since = at
			}
		}
	}
	switch {
	case e.State != "" && e.State != schemas.StateOnCall:
		k.CallID = ""
	case callOver[e.Type]:
		if e.CallID == k.CallID {
			k.CallID = ""
		}
	case e.Group == schemas.GroupCall && e.CallRole != "assistant" && e.Name != "customer_release":
		k.CallID = cmp.Or(e.CallID, k.CallID)
	}
	return k
}
