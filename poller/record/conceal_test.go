package record

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"aiccbridge/internal/ccgateway"
	"aiccbridge/internal/platformsim/world"
	"aiccbridge/internal/privacy"
	"aiccbridge/schemas"
	"aiccbridge/schemas/events"
)

var policyKey = []byte("0123456789abcdef0123456789abcdef")

// policy is a policy for all known fields with phone numbers, and more by
// name=action pairs.
func policy(t testing.TB, phones privacy.Action, fields ...string) *privacy.Policy {
	t.Helper()
	o := privacy.Options{PhoneNumbers: phones, Key: policyKey, Fields: map[string]privacy.Action{}}
	o.Phones, o.Lists = events.PhoneNames()
	for _, f := range fields {
		name, action, _ := strings.Cut(f, "=")
		o.Fields[name] = privacy.Action(action)
	}
	p, err := privacy.New(o)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// published is what a policy lets through of an event.
func published(p Privacy, e ccgateway.Event, from origin) schemas.Event {
	plain, _ := normalise(e, from)
	return concealer{p}.event(plain, e.Content)
}

var anywhere = origin{
	via:    schemas.WayPoll,
	tenant: "acme", agent: "291", receivedAt: time.Unix(1, 0), position: schemas.Position{Epoch: 1, Seq: 1},
}

func TestPrivacyOfEvents(t *testing.T) {
	hash := func(value string) string {
		s, _ := policy(t, privacy.HMAC).Cell("caller", value)
		return s
	}
	for _, c := range []struct {
		name, eventType, content           string
		p                                  Privacy
		caller, called, other, wantContent string
	}{
		{"none", "AgentEvent_Talking", `{"caller":"5550123","called":"49999"}`, nil,
			"5550123", "49999", "", `{"caller":"5550123","called":"49999"}`},
		{"nil policy", "AgentEvent_Talking", `{"caller":"5550123"}`, (*privacy.Policy)(nil), "5550123", "", "", `{"caller":"5550123"}`},
		{"mask", "AgentEvent_Talking", `{"caller":"5550123","called":"49999"}`, policy(t, privacy.Mask),
			"555**23", "*****", "", `{"caller":"555**23","called":"*****"}`},
		{"hmac of a number", "AgentEvent_Talking", `{"caller":5550123,"callid":"1456401416-3"}`, policy(t, privacy.HMAC),
			hash("5550123"), "", "", `{"caller":"` + hash("5550123") + `","callid":"1456401416-3"}`},
		{"drop", "AgentEvent_Talking", `{"caller":"5550123","called":"49999"}`, policy(t, privacy.Drop), "", "", "", `{}`},
		{"addresses", "AgentEvent_linkagePhoneCallOut", `{"addrCaller":{"address":"5550123"},"addrCalled":"5550199"}`, policy(t, privacy.Mask),
			"555**23", "555**99", "", `{"addrCaller":{"address":"555**23"},"addrCalled":"555**99"}`},
		{"several", "AgentEvent_Conference", `{"partner":"49997,5550123"}`, policy(t, privacy.HMAC),
			"", "", hash("49997") + "," + hash("5550123"), `{"partner":"` + hash("49997") + "," + hash("5550123") + `"}`},
		{"a field's own action", "AgentEvent_Customer_Release", `{"number":"5550123"}`, policy(t, privacy.Keep, "number=drop"), "", "", "", `{}`},
		{"the event's own name", "AgentEvent_Customer_Release", `{"number":"5550123"}`, policy(t, privacy.Keep, "other_party=mask"),
			"", "", "555**23", `{"number":"5550123"}`},
		{"no JSON", "AgentEvent_Talking", `{"caller":"5550123",`, policy(t, privacy.Mask), "", "", "", `"{\"caller\":\"555**23\","`},
		{"call data", "AgentEvent_Preview_CallOut", `{"dialeddigits":"5550123","callData":"{\"phonenum\":\"5550123\"}"}`, policy(t, privacy.Mask),
			"", "", "", `{"dialeddigits":"555**23","callData":"{\"phonenum\":\"555**23\"}"}`},
	} {
		e := published(c.p, ccgateway.Event{Type: c.eventType, WorkNo: "291", Content: json.RawMessage(c.content)}, anywhere)
		if e.Caller != c.caller || e.Called != c.called || e.OtherParty != c.other || string(e.Content) != c.wantContent {
			t.Errorf("%s: %q, %q, %q, %s", c.name, e.Caller, e.Called, e.OtherParty, e.Content)
		}
	}
}

// simulatedHour is all that the agents of a simulated contact centre hear within an
// hour, and the phone numbers in it.
func simulatedHour(t *testing.T) (events []world.Event, numbers map[string]bool) {
	numbers = map[string]bool{}
	synctest.Test(t, func(t *testing.T) {
		w, err := world.New(world.Options{Seed: 7, CallInfo: true})
		if err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan error, 1)
		go func() { done <- w.Run(ctx) }()
		var mu sync.Mutex
		for _, a := range w.Agents() {
			numbers[a.Phone] = true
			_, err := w.SignIn(a.ID, world.SignIn{Deliver: func(e world.Event) {
				mu.Lock()
				defer mu.Unlock()
				events = append(events, e)
			}})
			if err = errors.Join(err, w.ResetSkills(a.ID)); err != nil {
				t.Fatal(err)
			}
		}
		time.Sleep(time.Hour) // virtual
		synctest.Wait()
		cancel()
		if err := <-done; err != nil {
			t.Fatal(err)
		}
	})
	customer := regexp.MustCompile(`\b55501\d\d\b`)
	for _, e := range events {
		for _, number := range customer.FindAllString(string(e.Content), -1) {
			numbers[number] = true
		}
	}
	return events, numbers
}

// numbersIn returns the words of the messages that are among numbers.
func numbersIn(messages []schemas.Message, numbers map[string]bool) (found []string) {
	word := regexp.MustCompile(`[0-9A-Za-z]+`)
	for _, m := range messages {
		text := fmt.Sprintf("%s %s %s %s %v %s", m.Subject, m.ID, m.Type, m.Source, m.Header, m.Body)
		for _, w := range word.FindAllString(text, -1) {
			if numbers[w] {
				found = append(found, w)
			}
		}
	}
	return found
}

func TestNoSimulatedNumberIsStored(t *testing.T) {
	events, numbers := simulatedHour(t)
	names, _ := schemas.NewNames("aicc")
	for _, action := range []privacy.Action{privacy.Keep, privacy.Mask, privacy.HMAC, privacy.Drop} {
		p := policy(t, action)
		var messages []schemas.Message
		for i, e := range events {
			event := published(p, ccgateway.Event{Type: e.Type, WorkNo: "291", Content: e.Content, GeneratedAt: e.At}, origin{
				via:    schemas.WayPoll,
				tenant: "acme", agent: "291", receivedAt: e.At, position: schemas.Position{Epoch: 1, Seq: uint64(i + 1)},
			})
			m, err := names.EventMessage(event)
			if err != nil {
				t.Fatal(err)
			}
			messages = append(messages, m)
		}
		found := numbersIn(messages, numbers)
		t.Logf("%s: %d numbers, %d hits in %d events", action, len(numbers), len(found), len(messages))
		if (len(found) > 0) != (action == privacy.Keep) || len(numbers) < 20 || len(messages) < 300 {
			t.Errorf("%s: %d messages hold %d of %d numbers: %.200q", action, len(messages), len(found), len(numbers), slices.Sorted(maps.Keys(numbers)))
		}
	}
}

func BenchmarkNormalise(b *testing.B) {
	event := ccgateway.Event{Type: "AgentEvent_Ringing", WorkNo: "291", Content: json.RawMessage(
		`{"caller":"5550123","transfer":"no","callid":"1456401416-3","transfrom":"","called":"49999","type":"main","mediaType":"5","mediaAbility":"1","feature":"0"}`)}
	for _, action := range []privacy.Action{"none", privacy.Keep, privacy.Mask, privacy.HMAC, privacy.Drop} {
		var p Privacy
		if action != "none" {
			p = policy(b, action)
		}
		b.Run(string(action), func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				published(p, event, anywhere)
			}
		})
	}
}

// An event about another agent says nothing of ours, and the other's id is concealed by a
// name of its own: it is no field of the content.
func TestPrivacyOfTheNamedAgent(t *testing.T) {
	e := ccgateway.Event{Type: "AgentState_Ready", WorkNo: "700123", Content: json.RawMessage(`{"workNo":"700123"}`)}
	for name, c := range map[string]struct {
		p    Privacy
		want string
	}{
		"none":         {nil, "700123"},
		"another name": {policy(t, privacy.Mask), "700123"},
		"masked":       {policy(t, privacy.Keep, "named_agent=mask"), "700*23"},
		"dropped":      {policy(t, privacy.Keep, "named_agent=drop"), ""},
	} {
		if got := published(c.p, e, anywhere); got.NamedAgent != c.want || got.State != "" || got.Name != "ready" {
			t.Errorf("%s: %+v", name, got)
		}
	}
}
