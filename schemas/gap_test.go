package schemas_test

import (
	"bytes"
	"encoding/json"
	"testing"

	"aiccbridge/schemas"
	"aiccbridge/schemas/internal/schematest"
)

// TestGoldenAroundAGap are the messages by which a gap shows that no poll reported,
// and those that follow on one.
func TestGoldenAroundAGap(t *testing.T) {
	n := schematest.Names(t)
	inferred, err := n.GapMessage(schemas.Gap{
		Tenant: "acme", Agent: "291", From: schematest.At(2), To: schematest.At(9), Cause: schemas.GapInferred, Detail: "missing AgentEvent_Talking",
		LastSeq: 12, LastEp: 7, Position: schemas.Position{7, 20},
	})
	if err != nil {
		t.Fatal(err)
	}
	info, _ := schemas.LookupEvent(schemas.EventStatus)
	status, err := n.EventMessage(schemas.Event{
		Tenant: "acme", Agent: "291", Type: info.Type, Group: info.Group, Name: info.Name, State: schemas.StateReady,
		ReceivedAt: schematest.At(3), Position: schemas.Position{7, 14}, Content: json.RawMessage(`{"agentState":4,"isWorking":false}`),
	})
	if err != nil {
		t.Fatal(err)
	}
	event := schemas.Event{Tenant: "acme", Agent: "291", Type: "AgentState_Ready", OccurredAt: schematest.At(1), ReceivedAt: schematest.At(3), Repeated: true, Position: schemas.Position{7, 15}}
	info, _ = schemas.LookupEvent(event.Type)
	info.Fill(&event, nil)
	repeated, err := n.EventMessage(event)
	if err != nil {
		t.Fatal(err)
	}
	var out bytes.Buffer
	for _, m := range []schemas.Message{inferred, status, repeated} {
		if err := schematest.Validate(t, schematest.Compile(t, m.Type), m.Body); err != nil {
			t.Error(err)
		}
		out.WriteString(m.Subject + " " + string(m.Body) + "\n")
	}
	golden(t, "around_a_gap.golden", out.Bytes())
}
