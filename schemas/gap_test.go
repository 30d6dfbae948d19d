package schemas

import (
	"bytes"
	"encoding/json"
	"testing"
)

// TestGoldenAroundAGap are the messages by which a gap shows that no poll reported,
// and those that follow on one.
func TestGoldenAroundAGap(t *testing.T) {
	n := testNames(t)
	inferred, err := n.GapMessage(Gap{
		Tenant: "acme", Agent: "291", From: at(2), To: at(9), Cause: GapInferred, Detail: "missing AgentEvent_Talking",
		LastSeq: 12, LastEp: 7, Position: Position{7, 20},
	})
	if err != nil {
		t.Fatal(err)
	}
	info, _ := LookupEvent(EventStatus)
	status, err := n.EventMessage(Event{
		Tenant: "acme", Agent: "291", Type: info.Type, Group: info.Group, Name: info.Name, State: StateReady,
		ReceivedAt: at(3), Position: Position{7, 14}, Content: json.RawMessage(`{"agentState":4,"isWorking":false}`),
	})
	if err != nil {
		t.Fatal(err)
	}
	event := Event{Tenant: "acme", Agent: "291", Type: "AgentState_Ready", OccurredAt: at(1), ReceivedAt: at(3), Repeated: true, Position: Position{7, 15}}
	info, _ = LookupEvent(event.Type)
	info.Fill(&event, nil)
	repeated, err := n.EventMessage(event)
	if err != nil {
		t.Fatal(err)
	}
	var out bytes.Buffer
	for _, m := range []Message{inferred, status, repeated} {
		if err := validateBody(t, compileSchema(t, m.Type), m.Body); err != nil {
			t.Error(err)
		}
		out.WriteString(m.Subject + " " + string(m.Body) + "\n")
	}
	golden(t, "around_a_gap.golden", out.Bytes())
}
