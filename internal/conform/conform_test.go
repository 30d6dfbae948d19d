package conform

import (
	"encoding/json"
	"strings"
	"testing"
	"time"

	"aiccbridge/schemas"
)

func names(t *testing.T) schemas.Names {
	t.Helper()
	n, err := schemas.NewNames("aicc")
	if err != nil {
		t.Fatal(err)
	}
	return n
}

// TestMessage: a good message passes; one with another subject, attribute, type or body does
// not, and what is said of it holds nothing of it.
func TestMessage(t *testing.T) {
	t.Parallel()
	n := names(t)
	good := func() schemas.Stored {
		m, err := n.HeartbeatMessage(schemas.Heartbeat{Tenant: "acme", Agent: "5550100", State: schemas.StateReady, At: time.Unix(0, 0), Position: schemas.Position{Epoch: 1, Seq: 1}})
		if err != nil {
			t.Fatal(err)
		}
		return schemas.Stored{Subject: m.Subject, Header: m.Headers(), Body: m.Body}
	}
	c := New(n)
	if err := c.Message(schemas.StreamEvents, good()); err != nil {
		t.Error(err)
	}
	for what, change := range map[string]func(*schemas.Stored){
		"subject":        func(m *schemas.Stored) { m.Subject = "aicc.v1.acme.row.cdr.x" },
		"ce-type":        func(m *schemas.Stored) { m.Header["ce-type"] = []string{"aicc.v1.other"} },
		"ce-id":          func(m *schemas.Stored) { delete(m.Header, "ce-id") },
		"ce-dataschema":  func(m *schemas.Stored) { m.Header["ce-dataschema"] = []string{"urn:other"} },
		"/state":         func(m *schemas.Stored) { m.Body = []byte(strings.Replace(string(m.Body), `"ready"`, `"5550100"`, 1)) },
		"body is not":    func(m *schemas.Stored) { m.Body = []byte("{5550100") },
		"/ is against r": func(m *schemas.Stored) { m.Body = []byte("{}") },
	} {
		m := good()
		change(&m)
		err := c.Message(schemas.StreamEvents, m)
		if err == nil || !strings.Contains(err.Error(), what) || strings.Contains(err.Error(), "5550100") {
			t.Errorf("%s: %v", what, err)
		}
	}
}

// TestEntry: what the bridge writes passes, and nothing else does.
func TestEntry(t *testing.T) {
	t.Parallel()
	c := New(names(t))
	w := schemas.Window{From: time.Unix(0, 0), To: time.Unix(3600, 0)}
	entry := schemas.WindowEntry{
		Tenant: "acme", Kind: schemas.KindCDR, Window: w, State: schemas.WindowFailed, Attempts: 2, DueAt: w.To, Budget: "b", ResponseID: strings.Repeat("0", 32),
		FileName: "20261101_x.zip", Via: schemas.ViaCallback, Passed: 1, RequestedAt: w.To, ReadyAt: w.To, CompletedAt: w.To, Rows: 3,
		Reason: schemas.ReasonOverdue, Error: "late", Object: "o", Past: []string{"x"}, Unplanned: true, Format: 2,
	}
	for key, value := range map[string]any{
		schemas.WindowKey("acme", schemas.KindCDR, w): entry,
		schemas.UnmatchedKey("acme", "0"): schemas.FileNotice{
			Tenant: "acme", ResponseID: strings.Repeat("0", 32), FileName: "20261101_x.zip", ReceivedAt: w.To, Via: schemas.ViaCallback,
			Request: &schemas.WindowRequest{Kind: schemas.KindCDR, Window: w, At: w.To},
		},
	} {
		body, err := json.Marshal(value)
		if err != nil {
			t.Fatal(err)
		}
		if err := c.Entry(schemas.BucketWindows, key, body); err != nil {
			t.Errorf("%s: %v", key, err)
		}
		if err := c.Entry(schemas.BucketWindows, key, []byte("{}")); err == nil {
			t.Errorf("%s: nothing is enough", key)
		}
	}
	for bucket, value := range map[schemas.Bucket]any{
		schemas.BucketState:    schemas.AgentState{Tenant: "acme", Agent: "1", State: schemas.StateUnknown},
		schemas.BucketSessions: schemas.Session{Tenant: "acme", Agent: "1", GUID: "x"},
		schemas.BucketClients:  map[string]any{"tenant": "acme", "agent": "1", "badges": []any{map[string]any{"sealed": "v1.x", "clients": nil}}, "updated_at": "2026-11-30T10:00:00Z"},
	} {
		body, err := json.Marshal(value)
		if err == nil {
			err = c.Entry(bucket, schemas.AgentKey("acme", "1"), body)
		}
		if err != nil {
			t.Errorf("%s: %v", bucket, err)
		}
	}
	if err := c.Entry(schemas.BucketState, "acme", []byte("{}")); err == nil {
		t.Error("a key of nobody")
	}
}
