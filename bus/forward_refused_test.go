package bus

import (
	"fmt"
	"strings"
	"testing"

	"github.com/nats-io/nats.go/jetstream"

	"aiccbridge/bus/embedded"
	"aiccbridge/schemas"
)

// A message that the hub does not take ends in quarantine, and its lane goes on.
func TestRefusedMessageStopsNobody(t *testing.T) {
	t.Parallel()
	for name, hub := range map[string]func(t *testing.T) *Bus{
		"stream's limit": func(t *testing.T) *Bus {
			b := open(t, server(t), func(o *Options) { o.AcceptWeaker = []string{"AICC_EVENTS.max_msg_size"} })
			weakening{"AICC_EVENTS", func(c *jetstream.StreamConfig) { c.MaxMsgSize = 10_000 }}.make(t, b)
			return b
		},
		"server's limit": func(t *testing.T) *Bus {
			small := hubOn(t, t.TempDir(), 0, func(o *embedded.Options) { o.MaxPayloadBytes = 10_000 })
			return open(t, small)
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := hub(t)
			if err := ensure(t, b); err != nil {
				t.Fatal(err)
			}
			s := spoolOn(t, server(t), b)
			big := agentEvent(0, 1, true)
			big.Body = []byte(`"` + strings.Repeat("x", 50_000) + `"`)
			for _, m := range []schemas.Message{agentEvent(0, 0, true), big, agentEvent(0, 2, true)} {
				publish(t, s, m)
			}
			runs(t, s)
			flush(t, s)
			if got := all(t, b, schemas.StreamEvents); len(got) != 2 || got[1].Get("ce-id") != "0-2" {
				t.Errorf("hub has %v", got)
			}
			letters := all(t, b, schemas.StreamDeadLetters)
			if len(letters) != 1 || letters[0].Subject != "aicc.v1.acme.deadletter.oversized" {
				t.Fatalf("dead letters %v", letters)
			}
			name := fmt.Sprintf("spool/%s/2", s.lines[0].id)
			if !strings.Contains(string(letters[0].Body), `"AICC_QUARANTINE/`+name+`"`) {
				t.Errorf("dead letter %s", letters[0].Body)
			}
			if ok, err := b.Quarantine().Has(t.Context(), name); !ok || err != nil {
				t.Errorf("in quarantine: %v, %v", ok, err)
			}
		})
	}
}
