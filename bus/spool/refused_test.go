package spool

import (
	"strings"
	"testing"

	"github.com/nats-io/nats.go/jetstream"

	"aiccbridge/bus/embedded"
	"aiccbridge/bus/internal/bustest"
	"aiccbridge/bus/internal/hubtest"
	"aiccbridge/bus/internal/wire"
	"aiccbridge/bus/kv"
	"aiccbridge/schemas"
)

// A message that the hub does not take ends in quarantine, and its lane goes on.
func TestRefusedMessageStopsNobody(t *testing.T) {
	t.Parallel()
	for name, hub := range map[string]func(t *testing.T) *wire.Conn{
		"stream's limit": func(t *testing.T) *wire.Conn {
			c := hubtest.Open(t, bustest.Server(t))
			hubtest.Differ(t, c, "AICC_EVENTS", func(c *jetstream.StreamConfig) { c.MaxMsgSize = 10_000 })
			return c
		},
		"server's limit": func(t *testing.T) *wire.Conn {
			small := bustest.Listening(t, t.TempDir(), 0, func(o *embedded.Options) { o.MaxPayloadBytes = 10_000 })
			return hubtest.Open(t, small)
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := hub(t)
			hubtest.Ensure(t, b, hubtest.Accept("AICC_EVENTS.max_msg_size"))
			s := spoolOn(t, bustest.Server(t), b)
			big := bustest.AgentEvent(0, 1, true)
			big.Body = []byte(`"` + strings.Repeat("x", 50_000) + `"`)
			for _, m := range []schemas.Message{bustest.AgentEvent(0, 0, true), big, bustest.AgentEvent(0, 2, true)} {
				publish(t, s, m)
			}
			runs(t, s)
			flush(t, s)
			if got := hubtest.All(t, b, schemas.StreamEvents); len(got) != 2 || got[1].Get("ce-id") != "0-2" {
				t.Errorf("hub has %v", got)
			}
			letters := hubtest.All(t, b, schemas.StreamDeadLetters)
			if len(letters) != 1 || letters[0].Subject != "aicc.v1.acme.deadletter.oversized" {
				t.Fatalf("dead letters %v", letters)
			}
			name := "spool/" + s.lines[0].lineage.name(2)
			if !strings.Contains(string(letters[0].Body), `"AICC_QUARANTINE/`+name+`"`) {
				t.Errorf("dead letter %s", letters[0].Body)
			}
			if ok, err := kv.OpenObjects(b, schemas.BucketQuarantine).Has(t.Context(), name); !ok || err != nil {
				t.Errorf("in quarantine: %v, %v", ok, err)
			}
		})
	}
}
