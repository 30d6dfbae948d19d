package ask

import (
	"encoding/json"
	"fmt"
	"os"
	"testing"
	"time"

	"go.uber.org/goleak"

	"aiccbridge/bus/kv"
	"aiccbridge/internal/hubtest"
	"aiccbridge/schemas"
	"aiccbridge/schemas/events"
)

func TestMain(m *testing.M) {
	code := m.Run()
	if err := goleak.Find(); err != nil && code == 0 {
		fmt.Fprintln(os.Stderr, err)
		code = 1
	}
	os.Exit(code)
}

const acme = "acme"

// hub is a hub in this process, with questions to ask of it.
type hub struct {
	hubtest.Hub
	Questions
	t *testing.T
}

func newHub(t *testing.T) hub {
	t.Helper()
	h, names := hubtest.Start(t)
	return hub{Hub: h, t: t, Questions: Questions{Hub: h, Names: names, Lease: func(string) string { return "7" }}}
}

// publish stores a message.
func (h hub) publish(m schemas.Message, err error) {
	h.t.Helper()
	if err == nil {
		err = h.Publish(h.t.Context(), m)
	}
	if err != nil {
		h.t.Fatal(err)
	}
}

// put stores a value in a bucket.
func (h hub) put(bucket schemas.Bucket, key string, value any) {
	h.t.Helper()
	body, err := json.Marshal(value)
	if err == nil {
		_, err = kv.Open(h.Conn(), bucket).Put(h.t.Context(), key, body)
	}
	if err != nil {
		h.t.Fatal(err)
	}
}

// event stores an event of the platform that occurred at a time.
func (h hub) event(agent, eventType string, seq uint64, at time.Time, content string) {
	h.t.Helper()
	e := schemas.Event{Via: schemas.WayPoll, Tenant: acme, Agent: agent, Type: eventType, OccurredAt: at, ReceivedAt: at.Add(100 * time.Millisecond), Position: schemas.Position{Epoch: 1, Seq: seq}}
	info, _ := events.Lookup(eventType)
	info.Fill(&e, json.RawMessage(content))
	h.publish(h.Names.EventMessage(e))
}

func (h hub) heartbeat(agent string, state schemas.State, since, at time.Time, seq uint64) {
	h.t.Helper()
	h.publish(h.Names.HeartbeatMessage(schemas.Heartbeat{
		Tenant: acme, Agent: agent, State: state, Since: since, At: at, Position: schemas.Position{Epoch: 1, Seq: seq},
	}))
}
