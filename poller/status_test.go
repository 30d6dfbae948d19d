package poller

import (
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"aiccbridge/internal/ccgateway"
	"aiccbridge/poller/session"
	"aiccbridge/schemas"
)

func (s *stage) statuses() (out []schemas.Event) {
	for _, e := range bodies[schemas.Event](s, schemas.TypeEvent) {
		if e.Type == schemas.EventStatus {
			out = append(out, e)
		}
	}
	return out
}

func TestAfterAGapTheGatewayIsAsked(t *testing.T) {
	lost, bad := gotNothing(ccgateway.OutcomeUnknown), gotEvent("AgentState_Ready", "")
	bad.poll.Bad = []json.RawMessage{json.RawMessage(`7`)}
	for name, c := range map[string]struct {
		script []answer
		crash  bool
		cause  schemas.GapCause
	}{
		"poll unknown": {[]answer{gotEmpty(), lost, lost}, false, schemas.GapPollUnknown},
		"undecodable":  {[]answer{gotEmpty(), bad}, false, schemas.GapUndecodable},
		"session lost": {slices.Repeat([]answer{gotNothing(ccgateway.OutcomeNotSent)}, 11), false, schemas.GapSession},
		"unclean stop": {nil, true, schemas.GapUnclean},
		"none":         {[]answer{gotEvent("AgentState_Ready", ""), gotNothing(ccgateway.OutcomeNotSent), gotEmpty()}, false, ""},
	} {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(t *testing.T, s *stage) {
				s.agent("291").status = ccgateway.Status{State: 8, Working: true}
				s.agent("291").script = c.script
				p := s.start(agent291)
				pass(5 * time.Second)
				if c.crash {
					p.crash()
					s.options.Epoch++
					p = s.start(agent291)
				}
				pass(3 * time.Minute)
				got := s.statuses()
				p.end()
				if c.cause == "" {
					if len(got) > 0 {
						t.Errorf("asked without a gap: %v", s.stored())
					}
					return
				}
				gaps, stored := s.gaps(c.cause), s.stored()
				if len(gaps) == 0 || len(got) != 1 || slices.Index(stored, "session.status") < slices.Index(stored, "gap."+string(c.cause)) {
					t.Fatalf("stored: %v", stored)
				}
				if e := got[0]; e.State != schemas.StateRest || e.Group != schemas.GroupSession || string(e.Content) != `{"agentState":8,"isWorking":true}` || e.Seq <= gaps[len(gaps)-1].Seq {
					t.Errorf("status: %+v", e)
				}
				checkEpochs(t, s)
			})
		})
	}
}

// checkEpochs checks the numbers within each epoch.
func checkEpochs(t *testing.T, s *stage) {
	t.Helper()
	seen := map[uint64]uint64{}
	for _, m := range s.store.messages() {
		var p schemas.Position
		if m.Type == schemas.TypeDeadLetter {
			continue
		}
		if err := json.Unmarshal(m.Body, &p); err != nil {
			t.Fatal(err)
		}
		if seen[p.Epoch]++; p.Seq != seen[p.Epoch] {
			t.Errorf("number %d.%d, want %d", p.Epoch, p.Seq, seen[p.Epoch])
		}
	}
}

func TestAStatusThatFailsIsAskedForAgain(t *testing.T) {
	for name, c := range map[string]struct{ fails, asked, stored int }{
		"twice": {2, 3, 1}, "always": {9, 3, 0},
	} {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(t *testing.T, s *stage) {
				s.agent("291").statuses = slices.Repeat([]error{errors.New("busy")}, c.fails)
				s.agent("291").script = []answer{gotNothing(ccgateway.OutcomeUnknown)}
				p := s.start(agent291)
				pass(5 * time.Minute)
				p.end()
				if n := len(s.j.of("status")); n != c.asked || len(s.statuses()) != c.stored {
					t.Errorf("asked %d times, stored: %v", n, s.stored())
				}
			})
		})
	}
}

// What waits in the queue is older than the answer, so it goes before.
func TestTheGatewayIsAskedBehindTheQueue(t *testing.T) {
	bubble(t, func(t *testing.T, s *stage) {
		s.agent("291").script = []answer{gotEmpty(), gotNothing(ccgateway.OutcomeUnknown), gotEvent("AgentState_Busy", ""), gotEvent("AgentState_Ready", "")}
		p := s.start(agent291)
		pass(time.Minute)
		p.end()
		stored := s.stored()
		if i := slices.Index(stored, "session.status"); i < 0 || slices.Contains(stored[i:], "state.ready") {
			t.Errorf("stored: %v", stored)
		}
	})
}

// The answer may bring a new GUID, which must be kept before the next poll.
func TestAGUIDToldWithTheStatusIsKept(t *testing.T) {
	bubble(t, func(t *testing.T, s *stage) {
		s.agent("291").statusGUID = "new.AgentGateway0"
		s.agent("291").script = []answer{gotNothing(ccgateway.OutcomeUnknown), gotEmpty()}
		p := s.start(agent291)
		for len(s.j.of("status")) == 0 {
			pass(100 * time.Millisecond)
		}
		pass(time.Second) // into the next poll, which takes longer
		p.crash()
		plain, err := (&fakeSealer{}).Open(s.entry("291").GUID, schemas.AgentKey("acme", "291"))
		if err != nil || !strings.HasPrefix(string(plain), "new.AgentGateway0") {
			t.Errorf("kept %q, %v", plain, err)
		}
	})
}

// A gateway that comes back has gaps of everybody, and is not asked by everybody
// at once.
func TestAskingIsNoStorm(t *testing.T) {
	const agents, limit = 40, 5
	bubble(t, func(t *testing.T, s *stage) {
		s.options.Limits = session.NewLimits(limit)
		var wanted []session.Agent
		for i := range agents {
			wanted = append(wanted, session.Agent{ID: fmt.Sprint(10000 + i), Phone: "1", Password: "p"})
			s.agent(wanted[i].ID).script = []answer{{after: 10 * time.Second, poll: gotEmpty().poll}, gotNothing(ccgateway.OutcomeUnknown)}
		}
		p := s.start(wanted...)
		pass(2 * time.Minute)
		p.end()
		asked := map[time.Time]int{}
		for _, e := range s.j.of("status") {
			asked[e.at.Truncate(time.Second)]++
		}
		most, all := 0, 0
		for _, n := range asked {
			most, all = max(most, n), all+n
		}
		if all != agents || most > 2*limit {
			t.Errorf("asked %d times, up to %d in a second", all, most)
		}
	})
}

// calls are events as polls answer them, of their types without AgentState_ or
// AgentEvent_; "type:X" is about the inbound call X.
func calls(types string) (answers []answer) {
	for _, word := range strings.Fields(types) {
		name, id, ofCall := strings.Cut(word, ":")
		a := gotEvent("AgentState_"+name, "")
		if ofCall {
			a = gotEvent("AgentEvent_"+name, fmt.Sprintf(`{"callid":%q,"type":"main","feature":"0"}`, id))
		}
		a.after = time.Second
		answers = append(answers, a)
	}
	return answers
}

// ordinary are enough good calls for every rule about them to count (package
// sequence trusts one after ten).
func ordinary() string {
	var b strings.Builder
	b.WriteString("Ready")
	for i := range 11 {
		b.WriteString(strings.ReplaceAll(" Busy Ringing:x Talking:x Hold:x Talking:x Call_Release:x Ready", "x", fmt.Sprint(100+i)))
	}
	return b.String()
}

func TestAnInferredGapIsStored(t *testing.T) {
	bubble(t, func(t *testing.T, s *stage) {
		s.agent("291").script = calls(ordinary() + " Busy Ringing:2 Hold:2 Call_Release:2 Ready SetRest_Success CancelRest_Success")
		p := s.start(agent291)
		pass(10 * time.Minute)
		p.end()
		gaps := s.gaps(schemas.GapInferred)
		if len(gaps) != 1 || len(bodies[schemas.Gap](s, schemas.TypeGap)) != 1 || len(s.statuses()) != 0 {
			t.Fatalf("stored: %v", s.stored())
		}
		g, stored := gaps[0], s.stored()
		if g.Detail != "missing AgentEvent_Talking" || g.MaxLost != 0 || g.LastEp != 7 || stored[g.LastSeq-1] != "state.on_call" ||
			stored[g.Seq-2] != "state.rest" || !g.From.Before(g.To) {
			t.Errorf("%+v after %s, found by %s", g, stored[g.LastSeq-1], stored[g.Seq-2])
		}
		checkNumbers(t, s, 7)
	})
}

// What follows on a known gap proves nothing.
func TestNothingIsInferredAfterAGap(t *testing.T) {
	for name, between := range map[string][]answer{
		"unknown":    {gotNothing(ccgateway.OutcomeUnknown)},
		"switchover": {gotCode("000-004")},
		"signed out": {gotCode("100-006")},
	} {
		bubble(t, func(t *testing.T, s *stage) {
			s.agent("291").then(calls(ordinary() + " Busy Ringing:2")...)
			s.agent("291").then(between...)
			s.agent("291").then(calls("Hold:2 Call_Release:2 Ready Busy Ready SetRest_Success")...)
			p := s.start(agent291)
			pass(10 * time.Minute)
			p.end()
			if g := s.gaps(schemas.GapInferred); len(g) != 0 || !slices.Contains(s.stored(), "state.rest") {
				t.Errorf("%s: %+v", name, g)
			}
		})
	}
}
