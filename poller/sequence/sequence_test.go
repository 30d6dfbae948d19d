package sequence

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"aiccbridge/internal/platformsim/world"
	"aiccbridge/schemas"
	"aiccbridge/schemas/events"
)

// shifts plays a simulated contact centre for a virtual while and returns the
// events of each agent, as a poller makes them.
func shifts(t *testing.T, o world.Options, in world.SignIn, length time.Duration) (all [][]schemas.Event) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		w, err := world.New(o)
		if err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithCancel(t.Context())
		var running sync.WaitGroup
		running.Go(func() { _ = w.Run(ctx) })
		all = make([][]schemas.Event, len(w.Agents()))
		for i, a := range w.Agents() {
			in.Deliver = func(e world.Event) { all[i] = append(all[i], asEvent(a.ID, e, len(all[i])+1)) }
			if _, err := w.SignIn(a.ID, in); err != nil {
				t.Fatal(err)
			}
			if err := w.ResetSkills(a.ID); err != nil {
				t.Fatal(err)
			}
		}
		time.Sleep(length) // virtual
		cancel()
		running.Wait()
	})
	return all
}

func asEvent(agent string, e world.Event, seq int) schemas.Event {
	event := schemas.Event{Via: schemas.WayPoll, Tenant: "acme", Agent: agent, Type: e.Type, ReceivedAt: e.At, Position: schemas.Position{Epoch: 7, Seq: uint64(seq)}}
	info, _ := events.Lookup(e.Type)
	info.Fill(&event, e.Content)
	return event
}

// centres are contact centres of different ways.
func centres(t *testing.T, agents int, length time.Duration) (all [][]schemas.Event) {
	yes, no := true, false
	for seed, in := range []world.SignIn{{}, {WrapUpAfterCall: true}, {AutoAnswer: &yes, OffHook: true}, {AutoAnswer: &no, Status: world.Busy}, {Status: world.WrapUp}} {
		o := world.Options{Seed: uint64(seed) + 1, Agents: agents, CallInfo: seed%2 == 0}
		if seed == 4 {
			o.Pace = world.Pace{Idle: time.Second, Queue: time.Second, Ring: time.Second, Talk: 8 * time.Second, Rest: 5 * time.Second, WrapUp: 3 * time.Second}
		}
		all = append(all, shifts(t, o, in, length)...)
	}
	return all
}

// find runs events through a machine and returns its findings, by the index of the
// event that revealed each.
func find(h *Habits, events []schemas.Event) map[int]Finding {
	c := New(h)
	found := map[int]Finding{}
	for i, e := range events {
		if f := c.Observe(e); f.Any() {
			found[i] = f
		}
	}
	return found
}

// trusting are the habits of a gateway that keeps to every rule.
func trusting() *Habits {
	h := &Habits{}
	for i := range h.scores {
		h.scores[i].Store(mostTrust)
	}
	return h
}

func TestWholeStreamsLackNothing(t *testing.T) {
	events, learned := 0, &Habits{}
	for _, shift := range centres(t, 8, 5*time.Hour) {
		for _, h := range []*Habits{trusting(), learned} {
			for i, l := range find(h, shift) {
				t.Errorf("event %d (%s): %s", i, shift[i].Type, l)
			}
		}
		events += len(shift)
	}
	if events < 12_000 {
		t.Errorf("only %d events", events)
	}
	t.Attr("figure", fmt.Sprintf("0 inferred in %d events", events))
}

// TestARemovedEventIsMissed takes each event of an hour out, one at a time.
func TestARemovedEventIsMissed(t *testing.T) {
	var total, found int
	byType := map[string][2]int{}
	for _, shift := range centres(t, 4, time.Hour)[:16] { // the last centre has ten times as many events
		for i, gone := range shift {
			rest := append(append([]schemas.Event(nil), shift[:i]...), shift[i+1:]...)
			lacks := find(trusting(), rest)
			n := byType[gone.Type]
			n[1]++
			total++
			if len(lacks) > 0 {
				n[0]++
				found++
			}
			byType[gone.Type] = n
			if len(lacks) > 1 {
				t.Errorf("without event %d (%s): %v", i, gone.Type, lacks)
			}
			for at, l := range lacks {
				if l.Since.After(gone.ReceivedAt) || rest[at].ReceivedAt.Before(gone.ReceivedAt) || l.Seq > gone.Seq {
					t.Errorf("event %d (%s) is not within %s to %s", i, gone.Type, l.Since, rest[at].ReceivedAt)
				}
				if !strings.Contains(l.String(), gone.Type) {
					t.Errorf("event %d (%s): %s", i, gone.Type, l)
				}
			}
		}
	}
	for name, n := range byType {
		t.Logf("%-40s %d/%d", name, n[0], n[1])
	}
	if 100*found < 35*total {
		t.Errorf("%d of %d removed events were missed", found, total)
	}
	t.Attr("figure", fmt.Sprintf("%d of %d removed events noticed (%d %%)", found, total, 100*found/total))
}

// flow makes events of their types; "type:X" is about the inbound call X, "type:X+"
// about an outbound one, "type:X!" about an assistant leg.
func flow(types string) (all []schemas.Event) {
	at := time.Date(2026, 11, 20, 8, 0, 0, 0, time.UTC)
	for i, word := range strings.Fields(types) {
		name, id, _ := strings.Cut(word, ":")
		id, assistant := strings.CutSuffix(id, "!")
		id, outbound := strings.CutSuffix(id, "+")
		for _, prefix := range []string{"AgentState_", "AgentEvent_", "AgentOther_", "AgentMediaEvent_", "AgentConf_", "AgentChat_", ""} {
			if _, known := events.Lookup(prefix + name); !known && prefix != "" {
				continue
			}
			role, feature := "main", "0"
			if assistant {
				role = "assistant"
			}
			if outbound {
				feature = "7"
			}
			content := fmt.Sprintf(`{"callid":%q,"type":%q,"feature":%q}`, id, role, feature)
			all = append(all, asEvent("291", world.Event{Type: prefix + name, At: at.Add(time.Duration(i) * time.Second), Content: []byte(content)}, i+1))
			break
		}
	}
	return all
}

// documented are sequences that the platform's pages allow, or do not forbid.
var documented = map[string]string{
	"outbound":                       "Ready PhoneAlerting PhoneOffhook Busy Customer_Alerting:1+ Talking:1+ Record:1+ Call_Release:1 Customer_Release:1 PhoneRelease StopRecordDone Ready Busy Ready",
	"not lifted":                     "Ready PhoneAlerting Call_Out_Fail:1 Connect_Fail:1 PhoneRelease Busy Ready",
	"no answer":                      "Ready PhoneAlerting PhoneOffhook Busy Customer_Alerting:1 PhoneRelease Call_Out_Fail:1 Connect_Fail:1 Ready Busy Ready",
	"inbound":                        "Ready Busy PhoneAlerting PhoneOffhook Ringing:1 Customer_Alerting:1 Talking:1 Call_Release:1 Customer_Release:1 PhoneRelease Work CancelWork_Success Busy Ready",
	"inbound, not answered":          "Ready Busy Ringing:1 No_Answer:1 SetNotReady_Success CancelNotReady_Success Busy Ready",
	"inbound, automatic":             "Ready Busy Auto_Answer:1 Talking:1 Call_Release:1 Ready Busy Ready",
	"the end in any order":           "Ready Busy Ringing:1 Record:1 Talking:1 StopRecordDone Ready PhoneRelease Customer_Release:1 Call_Release:1 Busy Ready",
	"ringing before the state":       "Ready Ringing:1 Busy Talking:1 Call_Release:1 Ready Busy Ready",
	"hold":                           "Ready Busy Ringing:1 Talking:1 Hold:1 Talking:1 Hold:1 Call_Release:1 Ready Busy Ready",
	"talk transfer":                  "Ready Busy Ringing:1 Talking:1 Hold:1 Customer_Alerting:2! Talking:2! Connect_Fail:1 Ready Busy Ready",
	"success transfer":               "Ready Busy Ringing:1 Talking:1 SuccTransResult:1 Ready Busy Ready",
	"consulted, then given the call": "Ready Busy Ringing:1 Talking:1 Talking:2 Call_Release:2 Ready Busy Ready",
	"three parties":                  "Ready Busy Ringing:1 Talking:1 Hold:1 Customer_Alerting:2! Talking:2! Conference:1 Customer_Release:2 Call_Release:1 Ready Busy Ready",
	"a call in IVR":                  "Ready Busy Ringing:1 Talking:1 Ready ReturnFromIvr:1 Busy Talking:1 Call_Release:1 Ready Busy Ready",
	"conference":                     "Ready Busy PhoneAlerting PhoneOffhook SelfJoinResult RequestSuccess SelfLeaveResult Ready Busy Ready",
	"predictive":                     "Ready Agent_Occupyed Busy Talking:1+ Call_Release:1 Ready Busy Ready",
	"two chats and a call":           "Ready Busy Ring:7 Connected:7 Ringing:1 Talking:1 Call_Release:1 Busy Disconnected:7 Ready Busy Ready",
	"a pause asked for in a call":    "Ready Busy Ringing:1 Talking:1 CancelNotReady_Success Call_Release:1 Ready SetNotReady_Success CancelNotReady_Success Busy Ready",
	"ready, then the pause's end":    "Ready SetNotReady_Success Ready CancelNotReady_Success SetRest_Success Ready CancelRest_Success",
	"a pause within a pause":         "Ready SetNotReady_Success SetRest_Success CancelRest_Success CancelNotReady_Success Busy Ready",
	"a call from a pause":            "Ready SetNotReady_Success Busy Customer_Alerting:1+ Talking:1+ Call_Release:1 SetNotReady_Success CancelNotReady_Success",
	"ended by force":                 "Ready SetRest_Success Force_Ready Busy Ready Ready",
	"in the middle of a call":        "Hold:1 Talking:1 Record:1 Call_Release:1 Ready StopRecordDone Customer_Release:1 Busy Ready",
	"in the middle of a pause":       "CancelRest_Success Busy Ready",
	"signed in twice":                "Ready SetRest_Success InService Ready SetNotReady_Success ShutdownService CancelRest_Success InService Busy Ready",
	"supervised":                     "Ready Busy BeQcStart Talking:1 Hold:1 BeQcStop Ready Busy Ready",
	"call ids of stragglers":         "Ready Busy Ringing:1 Talking:1 Call_Release:1 Ready Busy Customer_Release:1 Ringing:2 Talking:2 Call_Release:2 Ready Busy Ready",
	"transferred, the leg not told":  "Ready Busy Ringing:1 Talking:1 Connect_Fail:1 Ready Busy Ready",
	"consult fails":                  "Ready Busy Ringing:1 Talking:1 Hold:1 Customer_Alerting:2! Consult_Fail:2 Talking:1 Call_Release:1 Ready Busy Ready",
	"consult as a main call":         "Ready Busy Ringing:1 Talking:1 Hold:1 Customer_Alerting:2+ Talking:2+ Call_Release:2 Talking:1 Call_Release:1 Ready Busy Ready",
	"consult, both legs end":         "Ready Busy Ringing:1 Talking:1 Hold:1 Customer_Alerting:2+ Talking:2+ Call_Release:1 Call_Release:2 Work CancelWork_Success Busy Ready",
	"consulted, own leg ends first":  "Ready Busy Ringing:2 Talking:2 Call_Release:2 Talking:1 Customer_Release:1 Call_Release:1 Ready Busy Ready",
	"preview":                        "Ready Preview_CallOut Agent_Occupyed Busy Customer_Alerting:1+ Talking:1+ Call_Release:1 Customer_Release:1 Ready Busy Ready",
	"preview withdrawn":              "Ready Preview Release_Preview Busy Ringing:1 Talking:1 Call_Release:1 Ready Busy Ready",
	"preview in a call":              "Ready Busy Ringing:1 Talking:1 Preview Call_Release:1 Busy Customer_Alerting:2+ Talking:2+ Call_Release:2 Ready Busy Ready",
	"a recorded conference":          "Ready Busy SelfJoinResult RequestSuccess Record:9 SelfLeaveResult StopRecordDone Ready Busy Ready",
	"a call from wrap-up":            "Ready Busy Ringing:1 Talking:1 Call_Release:1 Work Busy Customer_Alerting:2+ Talking:2+ Call_Release:2 Work CancelWork_Success Busy Ready",
	"refused":                        "Ready Busy Ringing:1 SetNotReady_Success No_Answer:1 CancelNotReady_Success Busy Ready",
	"to video and back":              "Ready Busy Ringing:1 Talking:1 MediaSwith:1 MediaSwith:1 Call_Release:1 Ready Busy Ready",
	"a silent chat and two calls":    "Ready Ring:7 Connected:7 Busy Ringing:1 Talking:1 Call_Release:1 Busy Ringing:2 Talking:2 Call_Release:2 Busy Disconnected:7 Ready Busy Ready",
	"a chat from before":             "Ready Busy Connected:7 Ready Busy Ringing:1 Talking:1 Call_Release:1 Busy Disconnected:7 Ready Busy Ready",
	"without a call id":              "Ready Busy Talking Hold Call_Release Ready Busy Ready",
}

func TestWhatIsDocumentedLacksNothing(t *testing.T) {
	for name, types := range documented {
		events := flow(types)
		if len(events) != len(strings.Fields(types)) {
			t.Fatal(name)
		}
		for i, l := range find(trusting(), events) {
			t.Errorf("%s: event %d (%s): %s", name, i, events[i].Type, l)
		}
	}
}

func TestWhatIsMissing(t *testing.T) {
	for name, c := range map[string]struct{ types, want string }{
		"no ringing":          {"Ready Busy Talking:1 Call_Release:1 Ready Busy", "missing AgentEvent_Ringing or AgentEvent_Auto_Answer"},
		"no talking":          {"Ready Busy Ringing:1 Hold:1 Call_Release:1 Ready Busy", "missing AgentEvent_Talking"},
		"no release":          {"Ready Busy Ringing:1 Talking:1 Ready Busy", "missing AgentEvent_Call_Release"},
		"no state":            {"Ready Ringing:1 Talking:1 Call_Release:1 Ready", "missing AgentState_Busy"},
		"no state afterwards": {"Ready Busy Ringing:1 Talking:1 Call_Release:1 Busy", "missing AgentState_Ready or AgentState_Work"},
		"no wrap-up":          {"Ready Busy Ringing:1 Talking:1 Call_Release:1 CancelWork_Success Busy", "missing AgentState_Ready or AgentState_Work"},
		"no rest":             {"Ready CancelRest_Success", "missing AgentState_SetRest_Success"},
		"no pause":            {"Ready Busy Ready CancelNotReady_Success", "missing AgentState_SetNotReady_Success"},
		"no recording":        {"Ready Busy Ringing:1 Talking:1 StopRecordDone Call_Release:1 Ready Busy", "missing AgentMediaEvent_Record"},
		"a recording for ever": {
			"Ready Busy Ringing:1 Talking:1 Record:1 StopRecordDone Record:1 Call_Release:1 Ready Busy", "missing AgentMediaEvent_StopRecordDone"},
		"two": {"Ready Busy Ringing:1 Record:1 Call_Release:1 Ready Busy",
			"missing AgentEvent_Talking, and AgentMediaEvent_StopRecordDone"},
	} {
		events := flow(c.types)
		found := find(trusting(), events)
		if l := found[len(events)-1]; len(found) != 1 || l.String() != c.want || l.Seq == 0 {
			t.Errorf("%s: %v", name, found)
		}
		if found := find(&Habits{}, events); len(found) != 0 {
			t.Errorf("%s: a rule counts that the gateway was never seen to keep: %v", name, found)
		}
	}
}

// A rule that a gateway does not keep to falls silent, and counts again later.
func TestHabits(t *testing.T) {
	h := &Habits{}
	judged := func(n int, kept bool) (found int) {
		for range n {
			if h.judge(0, kept) {
				found++
			}
		}
		return found
	}
	if judged(trusted-1, true) != 0 || judged(1, false) != 0 {
		t.Error("found before the rule was trusted")
	}
	if judged(mostTrust, true) != 0 || judged(100, false) != mostTrust/penalty {
		t.Error("a rule that is always broken is trusted on")
	}
	found := 0
	for range 1000 { // nine in ten
		judged(9, true)
		found += judged(1, false)
	}
	if found > 0 {
		t.Errorf("a rule that holds nine times in ten was broken %d times", found)
	}
	if judged(trusted, true) != 0 || judged(1, false) != 1 {
		t.Error("a rule kept again does not count again")
	}
}
