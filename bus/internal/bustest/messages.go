package bustest

import (
	"bytes"
	"encoding/json"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"aiccbridge/schemas"
)

// Names are those of the prefix aicc.
func Names(t testing.TB) schemas.Names {
	t.Helper()
	n, err := schemas.NewNames("aicc")
	if err != nil {
		t.Fatal(err)
	}
	return n
}

// Message is a valid message of any kind.
func Message(subject, id string, dedupe bool) schemas.Message {
	return schemas.Message{
		Subject: subject, ID: id, Type: "aicc.v1.event", Source: "/aicc/acme/test",
		Time: time.Now(), Schema: "urn:aicc:schema:v1:event", Dedupe: dedupe,
		Body: json.RawMessage(`{"id":"` + id + `"}`),
	}
}

// Event is a message of agent 291.
func Event(id string) schemas.Message {
	return Message("aicc.v1.acme.agent.291.call.ringing", id, true)
}

// AgentEvent is the i-th message of an agent. Without an id for the server's own
// deduplication the fence alone must do.
func AgentEvent(agent, i int, dedupe bool) schemas.Message {
	return Message(fmt.Sprintf("aicc.v1.acme.agent.%d.call.e%d", agent, i%3), fmt.Sprintf("%d-%d", agent, i), dedupe)
}

// File is a message about a file.
func File(id string) schemas.Message { return Message("aicc.v1.acme.file.cdr.ready", id, true) }

// Notice is a callback's notice.
func Notice(tenant string, i int) schemas.FileNotice {
	id := fmt.Sprintf("%032x", i)
	return schemas.FileNotice{Tenant: tenant, ResponseID: id, FileName: "20261101_" + id + ".zip", ReceivedAt: time.Now(), Via: schemas.ViaCallback}
}

// Log is a log that may be read while it is written.
type Log struct {
	mu  sync.Mutex
	out bytes.Buffer
}

// Write appends a line.
func (l *Log) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.out.Write(p)
}

// String is all that was written.
func (l *Log) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.out.String()
}

// Has reports whether a text was written.
func (l *Log) Has(text string) bool { return strings.Contains(l.String(), text) }
