package poller

import (
	"bytes"
	"encoding/json"
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"aiccbridge/internal/ccgateway"
	"aiccbridge/internal/privacy"
	"aiccbridge/poller/record"
	"aiccbridge/schemas"
	"aiccbridge/schemas/events"
)

// TestPrivacyOfDeadLettersAndGaps: what cannot be read is masked, too, and the call
// that an agent is in stays known.
func TestPrivacyOfDeadLettersAndGaps(t *testing.T) {
	bubble(t, func(t *testing.T, s *stage) {
		o := privacy.Options{PhoneNumbers: privacy.HMAC, Key: []byte("0123456789abcdef0123456789abcdef")}
		o.Phones, o.Lists = events.PhoneNames()
		policy, err := privacy.New(o)
		if err != nil {
			t.Fatal(err)
		}
		s.options.Privacy = func() record.Privacy { return policy }
		broken := gotNothing(ccgateway.OutcomeUnknown)
		broken.poll.Body = []byte(`{"event":{"caller":"5550123","call`)
		broken.poll.Err = errors.New("no sense in +1 (555) 012-3456")
		odd := gotEvent("AgentEvent_Talking", `{"caller":"5550123","callid":"1456401416-3"}`)
		odd.poll.Bad = []json.RawMessage{json.RawMessage(`{"caller":5550123}`), json.RawMessage(`"5550123"`)}
		over := gotCode("100-006")
		over.poll.Message = "phone 5550123 is gone, token=s3cret"
		s.agent("291").then(odd, broken, over)
		p := s.start(agent291)
		pass(30 * time.Second)
		p.end()
		letters := bodies[schemas.DeadLetter](s, schemas.TypeDeadLetter)
		if len(letters) != 3 || len(bodies[schemas.Gap](s, schemas.TypeGap)) < 3 {
			t.Fatalf("%d dead letters, %q", len(letters), s.stored())
		}
		for _, m := range s.store.messages() {
			if bytes.Contains(m.Body, []byte("5550123")) || bytes.Contains(m.Body, []byte("012-3456")) || bytes.Contains(m.Body, []byte("s3cret")) {
				t.Errorf("%s has the number: %s", m.Subject, m.Body)
			}
		}
		if events := bodies[schemas.Event](s, schemas.TypeEvent); !slices.ContainsFunc(events, func(e schemas.Event) bool { return e.CallID == "1456401416-3" && strings.HasPrefix(e.Caller, "hmac:") }) {
			t.Errorf("the call is not there: %+v", events)
		}
	})
}
