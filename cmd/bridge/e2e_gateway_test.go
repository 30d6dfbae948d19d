package main

import (
	"encoding/json"
	"net/http"
	"strings"
	"testing"
	"time"

	"aiccbridge/internal/platformsim/fault"
	"aiccbridge/schemas"
)

// TestGatewayFaults lets polls go wrong in every way there is. Each poll that may
// have lost an event makes one gap, and no other does.
func TestGatewayFaults(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name    string
		rules   []fault.Rule
		gaps    int // polls that may have lost an event
		lost    int // events lost for certain
		letters int // answers that cannot be read

		sessions int // sessions that end with events still waiting, at most
	}{
		{
			name: "connection",
			rules: []fault.Rule{
				{Fault: "poll.cut_after_pop", Next: 5}, {Fault: "poll.cut", Next: 2}, {Fault: "poll.cut_reused", Next: 2},
				{Fault: "poll.slow", Next: 3, Delay: fault.Duration(1500 * time.Millisecond)}, {Fault: "poll.truncated", Next: 2},
			},
			gaps: 11, lost: 7, letters: 2,
		}, {
			name: "answer",
			rules: []fault.Rule{
				{Fault: "poll.empty", Next: 2}, {Fault: "poll.bad_json", Next: 2}, {Fault: "poll.gbk", Next: 4}, {Fault: "poll.nul", Next: 4},
				{Fault: "poll.wrong_types", Next: 4}, {Fault: "poll.unknown_type", Next: 3},
			},
			gaps: 4, lost: 2, letters: 2,
		}, {
			name: "status",
			rules: []fault.Rule{
				{Fault: "poll.status", Status: 500, Next: 1}, {Fault: "poll.status", Status: 502, Next: 1}, {Fault: "poll.status", Status: 503, Next: 1},
				{Fault: "poll.status_after_pop", Status: 503, Next: 1}, {Fault: "poll.status", Status: 404, Next: 1},
				{Fault: "poll.code", Code: "000-000", Next: 1, Agent: "105"}, {Fault: "poll.code", Code: "000-002", Next: 1, Agent: "104"},
				{Fault: "poll.code", Code: "000-003", Next: 1, Agent: "102"}, {Fault: "signin.status", Status: 503, Next: 1},
				{Fault: "poll.code", Code: "000-004", For: fault.Duration(1000 * time.Millisecond)}, {Fault: "poll.code", Code: "000-001", Next: 1, Agent: "103"},
			},
			gaps: 4, lost: 1, sessions: 3,
		},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			s := newScene(t, setup{agents: 5})
			r := s.run()
			for _, rule := range c.rules {
				s.strike(rule)
			}
			if s.journal.contains("does not let the agent be polled (000-001)") { // such an agent waits for a restart
				r.end()
				r = s.run()
			}
			more := len(s.sim.Truth().Events) + 20
			s.until("polling works again", func() bool { return len(s.sim.Truth().Events) >= more })
			letters := s.letters(r.bus)
			polls, sessions := s.gaps(r)
			report := r.finish()
			if len(polls) != c.gaps || len(report.Events.Lost) != c.lost || len(sessions) > c.sessions {
				t.Errorf("%d gaps of polls and %d lost events, want %d and %d; %d gaps of sessions, want at most %d\n%s\n%s",
					len(polls), len(report.Events.Lost), c.gaps, c.lost, len(sessions), c.sessions, polls, sessions)
			}
			for _, m := range letters {
				if !strings.HasSuffix(m.Subject, string(schemas.ReasonUndecodable)) {
					t.Errorf("a dead letter is on %s", m.Subject)
				}
			}
			if len(letters) != c.letters {
				t.Errorf("%d dead letters, want %d", len(letters), c.letters)
			}
		})
	}
}

// gaps are the bodies of the gap records: of polls, and of whole sessions.
func (s *scene) gaps(r *running) (polls, sessions []string) {
	s.t.Helper()
	for _, m := range s.messages(r.bus, schemas.StreamEvents) {
		if m.Get("ce-type") != schemas.TypeGap {
			continue
		}
		var g schemas.Gap
		if err := json.Unmarshal(m.Body, &g); err != nil {
			s.t.Fatal(err)
		}
		if g.Cause == schemas.GapPollUnknown || g.Cause == schemas.GapUndecodable {
			polls = append(polls, string(m.Body))
		} else {
			sessions = append(sessions, string(m.Body))
		}
	}
	return polls, sessions
}

// strike adds one rule and waits until it has been used up. A rule about
// sign-ins throws an agent out, so that there is one.
func (s *scene) strike(rule fault.Rule) {
	s.t.Helper()
	begun := time.Now()
	if err := s.sim.AddFaults(rule); err != nil {
		s.t.Fatal(err)
	}
	last := len(s.sim.Faults()) - 1
	if strings.HasPrefix(rule.Fault, "signin.") {
		s.until("an agent is thrown out", func() bool { return s.sim.Expel("101") })
	}
	s.until(rule.Fault+" "+http.StatusText(rule.Status)+rule.Code+" has struck", func() bool {
		return s.sim.Faults()[last].Next == 0 && time.Since(begun) > time.Duration(rule.For)
	})
}
