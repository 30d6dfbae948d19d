package poller

import (
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

// hand puts a GUID into the bucket as another system does.
func (s *stage) hand(id, guid string) {
	sealed, _ := s.options.Seal.Seal([]byte(guid), schemas.AgentKey("acme", id))
	s.sessions.mu.Lock()
	defer s.sessions.mu.Unlock()
	s.sessions.set(schemas.AgentKey("acme", id), []byte(`{"tenant":"acme","agent":"`+id+`","guid":"`+sealed+`"}`))
}

func TestWithoutPasswordTheGUIDComesFromTheBucket(t *testing.T) {
	bubble(t, func(t *testing.T, s *stage) {
		p := s.start(session.Agent{ID: "291"})
		pass(time.Minute)
		if n := len(s.j.of("ask", "sign in")); n != 0 {
			t.Fatalf("%d requests without GUID or password", n)
		}
		last := func() string { asks := s.j.of("ask"); return asks[len(asks)-1].text }
		s.hand("291", "first")
		pass(11 * time.Second)
		if last() != "first" {
			t.Fatalf("polled with %q", last())
		}
		// The other system signs in anew: our GUID dies, the new one is in the bucket.
		s.agent("291").then(gotCode("000-003"))
		s.hand("291", "second")
		pass(30 * time.Second)
		if last() != "second" {
			t.Errorf("polled with %q", last())
		}
		// The next one replaces a GUID that still works: noticed at the refresh.
		s.hand("291", "third")
		pass(40 * time.Second)
		if last() != "third" {
			t.Errorf("polled with %q", last())
		}
		// Gone, and only then handed over once more.
		s.agent("291").then(gotCode("100-006"))
		pass(30 * time.Second)
		n := len(s.j.of("ask"))
		pass(time.Minute)
		if len(s.j.of("ask")) != n {
			t.Error("polled on without session")
		}
		s.hand("291", "fourth")
		pass(11 * time.Second)
		if last() != "fourth" {
			t.Errorf("polled with %q", last())
		}
		// Handed over before we notice that the old one is gone.
		gone := gotCode("100-006")
		gone.after = 9 * time.Second
		s.agent("291").then(gone)
		pass(15 * time.Second)
		s.hand("291", "fifth")
		pass(30 * time.Second)
		if last() != "fifth" {
			t.Errorf("polled with %q", last())
		}
		p.end()
		once := []string{"session.resumed", "session.status", "session.signed_out"}
		replaced := once[:2] // signed in anew by the other system
		want := slices.Concat(replaced, replaced, once, once, []string{"session.resumed", "session.status", "session.left"})
		if got := s.stored(); !slices.Equal(got, want) || len(s.j.of("sign in")) != 0 {
			t.Errorf("stored: %v", got)
		}
	})
}

func TestAWriteWhoseAnswerIsLostIsKnownAgain(t *testing.T) {
	bubble(t, func(t *testing.T, s *stage) {
		for _, guid := range []string{"a", "b", "c"} {
			next := gotEmpty()
			next.after, next.guid = 25*time.Second, guid
			s.agent("291").script = append(s.agent("291").script, next)
		}
		n := 0
		s.sessions.late = func() error { // every second write happens, and fails
			if n++; n%2 == 0 {
				return errors.New("timeout")
			}
			return nil
		}
		p := s.start(agent291)
		pass(5 * time.Minute)
		p.end()
		var used []string
		for _, e := range s.j.of("ask") {
			if len(used) == 0 || used[len(used)-1] != e.text {
				used = append(used, e.text)
			}
		}
		if !slices.Equal(used, []string{"guid-291-1", "a", "b", "c"}) {
			t.Errorf("polled with %v", used)
		}
		if e := s.entry("291"); e.Polling || e.Epoch != 7 {
			t.Errorf("entry: %+v", e)
		}
	})
}

// A bare GUID put into the bucket by hand is no entry. Polling goes on, and the
// next new GUID replaces it.
func TestAnUnreadableEntryDoesNotStopPolling(t *testing.T) {
	bubble(t, func(t *testing.T, s *stage) {
		rotated := gotEmpty()
		rotated.after, rotated.guid = 10*time.Second, "rotated"
		s.agent("291").script = []answer{rotated}
		p := s.start(agent291)
		pass(time.Second)
		s.sessions.mu.Lock()
		s.sessions.set("acme.291", []byte("4f3c1d9e-0a6b.AgentGateway0"))
		s.sessions.mu.Unlock()
		pass(time.Minute)
		if n := len(s.j.of("ask")); n < 5 || s.entry("291").Epoch != 7 {
			t.Errorf("%d polls in a minute, entry %+v", n, s.entry("291"))
		}
		p.end()
		if n := strings.Count(s.logs.String(), "not the JSON it should be"); n != 1 || strings.Contains(s.logs.String(), "4f3c1d9e") {
			t.Errorf("warned %d times: %s", n, s.logs.String())
		}
	})
}

// A load balancer may set another cookie with each answer. That is no new GUID.
func TestAChangingCookieIsNoRotation(t *testing.T) {
	bubble(t, func(t *testing.T, s *stage) {
		for i := range 300 {
			a := gotEvent("AgentEvent_Hold", "")
			a.lb = fmt.Sprintf("lb=%d", i)
			s.agent("291").script = append(s.agent("291").script, a)
		}
		p := s.start(agent291)
		pass(60100 * time.Millisecond) // 300 polls
		if n := len(s.j.of("session entry")); n < 5 || n > 16 {
			t.Errorf("%d writes of the entry in a minute", n)
		}
		denied := gotCode("000-003")
		denied.lb = "lb=x"
		s.agent("291").then(gotNothing(ccgateway.OutcomeUnknown), gotEmpty(), denied)
		pass(18 * time.Second)
		if n := len(s.j.of("sign in")); n != 2 || len(s.j.of("update guid")) != 0 {
			t.Errorf("%d sign-ins: a new cookie was taken for a newer GUID", n)
		}
		last := gotEmpty() // its cookie is not due, but kept when the session is left
		last.after, last.lb = 2*time.Second, "lb=last"
		before := gotEmpty()
		before.lb = "lb=before"
		s.agent("291").then(before, last)
		pass(11 * time.Second)
		p.end()
		plain, err := s.options.Seal.Open(s.entry("291").GUID, "acme.291")
		if err != nil || !strings.HasSuffix(string(plain), "\nlb=last") {
			t.Errorf("kept %q, %v", plain, err)
		}
	})
}

// In a session whose GUID rotates a new one is asked for after a lost answer, also
// when that brought a cookie.
func TestACookieDoesNotHideALostGUID(t *testing.T) {
	bubble(t, func(t *testing.T, s *stage) {
		rotated, lost, good := gotEmpty(), gotNothing(ccgateway.OutcomeUnknown), gotEmpty()
		rotated.guid, lost.lb, good.lb = "rotated", "lb=1", "lb=2"
		s.agent("291").script = []answer{rotated, lost, good}
		s.agent("291").updated = "asked-for"
		p := s.start(agent291)
		pass(20 * time.Second)
		p.end()
		if n := len(s.j.of("update guid")); n != 1 {
			t.Errorf("GUID asked for %d times, want once", n)
		}
	})
}

// A write that was given up may still be done. What it left in the bucket is our
// own GUID of before, not one handed over.
func TestAnOwnWriteOfBeforeIsNoHandOver(t *testing.T) {
	bubble(t, func(t *testing.T, s *stage) {
		rotated := gotEmpty()
		rotated.after, rotated.guid = 5*time.Second, "rotated"
		idle := gotEmpty()
		idle.after = 10 * time.Second
		s.agent("291").script = []answer{idle, idle, rotated}
		n := 0
		s.sessions.late = func() error {
			if n++; n == 3 { // the refresh, after the claim and the sign-in
				return errors.New("timeout")
			}
			return nil
		}
		p := s.start(agent291)
		pass(40 * time.Second)
		p.end()
		asks := s.j.of("ask")
		if n < 4 || asks[len(asks)-1].text != "rotated" {
			t.Errorf("%d writes, polled with %q", n, asks[len(asks)-1].text)
		}
	})
}

// What is not needed for the next poll must not keep it waiting.
func TestAHangingBucketDoesNotKeepThePollWaiting(t *testing.T) {
	for name, hang := range map[string]func(s *stage){
		"refresh": func(s *stage) { s.sessions.hang = func(op string) bool { return op == "swap" } },
		"state":   func(s *stage) { s.states.hang = func(string) bool { return true } },
		"status":  func(s *stage) { s.agent("291").statusHangs = true },
	} {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(t *testing.T, s *stage) {
				p := s.start(agent291)
				pass(time.Second)
				s.sessions.mu.Lock()
				s.states.mu.Lock()
				hang(s)
				s.states.mu.Unlock()
				s.sessions.mu.Unlock()
				s.agent("291").then(gotNothing(ccgateway.OutcomeUnknown), gotEvent("AgentState_Ready", ""), gotEvent("AgentState_Work", ""))
				pass(3 * time.Minute)
				asks := s.j.of("ask", "answer")
				for i := 1; i < len(asks); i++ {
					if pause := asks[i].at.Sub(asks[i-1].at); pause > 10*time.Second || asks[i].what == "ask" && pause > 5*time.Second+2*time.Second {
						t.Errorf("%s after %s", asks[i].what, pause)
					}
				}
				if len(asks) < 20 {
					t.Errorf("%d polls", len(asks)/2)
				}
				p.crash()
			})
		})
	}
}

// A write of the state happens with many events, so it gets less time.
func TestAHangingStateCostsASecond(t *testing.T) {
	bubble(t, func(t *testing.T, s *stage) {
		s.states.hang = func(op string) bool { return op == "put" }
		s.agent("291").script = []answer{gotEvent("AgentState_Ready", ""), gotEvent("AgentState_Work", ""), gotEvent("AgentState_Ready", "")}
		p := s.start(agent291)
		pass(30 * time.Second)
		asks := s.j.of("ask")
		for i := 1; i < 4; i++ {
			if pause := asks[i].at.Sub(asks[i-1].at); pause != time.Second {
				t.Errorf("poll %d after %s, want 1 s", i, pause)
			}
		}
		p.crash()
	})
}

func TestAGUIDThatCannotBeOpenedIsNoSession(t *testing.T) {
	for name, value := range map[string]string{
		"another key": `{"guid":"foreign","updated_at":"2000-01-01T00:00:00Z"}`,
		"no entry":    `<html>`,
	} {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(t *testing.T, s *stage) {
				s.sessions.values[schemas.AgentKey("acme", "291")] = []byte(value)
				s.sessions.revs[schemas.AgentKey("acme", "291")] = 1
				s.sessions.revision = 1
				s.sessions.values[schemas.AgentKey("acme", "292")] = []byte(value)
				s.sessions.revs[schemas.AgentKey("acme", "292")] = 1
				p := s.start(agent291, session.Agent{ID: "292"})
				pass(time.Minute)
				p.end()
				if got := s.stored(); !slices.Equal(got, []string{"session.signed_in", "session.left"}) {
					t.Errorf("stored: %v", got)
				}
			})
		})
	}
}

// One sealed with another key stays in the bucket while the agent waits.
func TestAGUIDThatCannotBeOpenedIsComplainedOfOnce(t *testing.T) {
	bubble(t, func(t *testing.T, s *stage) {
		p := s.start(session.Agent{ID: "291"})
		pass(time.Second)
		s.sessions.mu.Lock()
		s.sessions.set("acme.291", []byte(`{"guid":"foreign"}`))
		s.sessions.mu.Unlock()
		pass(time.Minute)
		if n := strings.Count(s.logs.String(), "can't be opened"); n != 1 {
			t.Errorf("complained %d times, want once", n)
		}
		s.hand("291", "good")
		pass(11 * time.Second)
		if n := len(s.j.of("ask")); n == 0 {
			t.Error("a good one is not polled with")
		}
		p.end()
	})
}
