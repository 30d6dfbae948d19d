package schemas_test

import (
	"bytes"
	"encoding/json"
	"testing"

	"aiccbridge/schemas"
	"aiccbridge/schemas/events"
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
	info, _ := events.Lookup(schemas.EventStatus)
	status, err := n.EventMessage(schemas.Event{
		Via:    schemas.WayPoll,
		Tenant: "acme", Agent: "291", Type: info.Type, Group: info.Group, Name: info.Name, State: schemas.StateReady,
		ReceivedAt: schematest.At(3), Position: schemas.Position{7, 14}, Content: json.RawMessage(`{"agentState":4,"isWorking":false}`),
	})
	if err != nil {
		t.Fatal(err)
	}
	event := schemas.Event{Via: schemas.WayPoll, Tenant: "acme", Agent: "291", Type: "AgentState_Ready", OccurredAt: schematest.At(1), ReceivedAt: schematest.At(3), Repeated: true, Position: schemas.Position{7, 15}}
	info, _ = events.Lookup(event.Type)
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

// What takes the place of a message that no stream takes has its number and id, and says
// what it was.
func TestGapInstead(t *testing.T) {
	n := schematest.Names(t)
	at := schemas.Position{7, 20}
	event, err := n.EventMessage(schemas.Event{
		Via:    schemas.WayPoll,
		Tenant: "acme", Agent: "29 1", Type: "AgentState_Ready", Group: schemas.GroupState, Name: "ready", ReceivedAt: schematest.At(3), OccurredAt: schematest.At(1), Position: at,
	})
	if err != nil {
		t.Fatal(err)
	}
	gap, err := n.GapMessage(schemas.Gap{Tenant: "acme", Agent: "29 1", From: schematest.At(2), To: schematest.At(9), Cause: schemas.GapPollUnknown, MaxLost: 1, Position: at})
	if err != nil {
		t.Fatal(err)
	}
	heartbeat, err := n.HeartbeatMessage(schemas.Heartbeat{Tenant: "acme", Agent: "29 1", State: schemas.StateReady, Since: schematest.At(1), At: schematest.At(2), Position: at})
	if err != nil {
		t.Fatal(err)
	}
	unnumbered, foreign := event, event
	unnumbered.Body = []byte(`{"tenant":"acme","agent":"29 1","received_at":"2026-11-01T00:00:00Z"}`)
	foreign.Body = []byte(`"x"`)
	for name, test := range map[string]struct {
		of       schemas.Message
		ok       bool
		from, to int
		most     int
		detail   string
	}{
		"an event":    {event, true, 3, 3, 1, "AgentState_Ready: why"},
		"a gap":       {gap, true, 2, 9, 0, "a gap record: why"},
		"a heartbeat": {of: heartbeat},
		"no number":   {of: unnumbered},
		"no object":   {of: foreign},
	} {
		m, ok := n.GapInstead(schemas.Stored{Subject: test.of.Subject, Header: test.of.Headers(), Body: test.of.Body}, "why")
		if ok != test.ok {
			t.Errorf("%s: %v", name, ok)
		}
		if !ok {
			continue
		}
		var g schemas.Gap
		if err := json.Unmarshal(m.Body, &g); err != nil {
			t.Fatal(err)
		}
		want := schemas.Gap{
			Tenant: "acme", Agent: "29 1", From: schematest.At(test.from), To: schematest.At(test.to), Cause: schemas.GapRefused,
			Detail: test.detail, LastSeq: 19, LastEp: 7, MaxLost: test.most, Position: at,
		}
		if g != want || m.MsgID() != test.of.MsgID() || m.Subject == test.of.Subject {
			t.Errorf("%s: %+v, %s on %s", name, g, m.ID, m.Subject)
		}
		if err := schematest.Validate(t, schematest.Compile(t, m.Type), m.Body); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
}
