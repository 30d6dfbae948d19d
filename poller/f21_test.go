package poller

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"aiccbridge/internal/ccgateway"
	"aiccbridge/schemas"
)

// stamped gives events the platform's time.
func stamped(answers []answer) []answer {
	at := time.Date(2026, 11, 20, 8, 0, 0, 0, time.UTC)
	for i := range answers {
		answers[i].poll.Events = slices.Clone(answers[i].poll.Events)
		answers[i].poll.Events[0].GeneratedAt = at.Add(time.Duration(i) * time.Second)
	}
	return answers
}

// F21: a site switchover. Connections are refused, then the other site answers that
// it is not ready, the GUID may be dead, and the queue is told once more.
func TestF21Switchover(t *testing.T) {
	queue := func() []answer {
		return stamped(calls("Ready SetRest_Success CancelRest_Success Busy Ringing:1 Talking:1 Call_Release:1 Ready"))
	}
	const events = 8
	switching := slices.Concat(
		slices.Repeat([]answer{gotNothing(ccgateway.OutcomeNotSent)}, 4),
		slices.Repeat([]answer{gotCode("000-004")}, 30), []answer{gotCode("105-002"), gotCode("105-003")})
	var took []time.Duration
	for name, c := range map[string]struct {
		after   []answer
		signIns int
	}{
		"GUID good": {nil, 1},
		"GUID dead": {[]answer{gotCode("105-001")}, 2},
	} {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(t *testing.T, s *stage) {
				s.agent("291").script = slices.Concat(queue(), switching, c.after, queue())
				p := s.start(agent291)
				pass(5 * time.Minute)
				p.end()
				var repeated []bool
				for _, e := range bodies[schemas.Event](s, schemas.TypeEvent) {
					if e.Group != schemas.GroupSession {
						repeated = append(repeated, e.Repeated)
					}
				}
				want := append(make([]bool, events), slices.Repeat([]bool{true}, events)...)
				if !slices.Equal(repeated, want) {
					t.Errorf("repeated: %v", repeated)
				}
				if n := len(s.j.of("sign in")); n != c.signIns || len(s.gaps(schemas.GapInferred)) > 0 {
					t.Errorf("%d sign-ins, stored: %v", n, s.stored())
				}
				checkNumbers(t, s, 7)
				good := s.j.of("answer")
				last := events + len(switching) + len(c.after) // polls before the first repeated event
				took = append(took, good[last].at.Sub(good[last-1-len(c.after)].at))
			})
		})
	}
	t.Attr("figure", "repeats kept and marked 2/2, polled on when the site was ready")
	t.Attr("measured", fmt.Sprintf("after %.1f s", slices.Max(took).Seconds()))
	t.Attr("tries", fmt.Sprint(len(took)))
}

func TestRepeatedEventsAreKnownAgain(t *testing.T) {
	const remembered = 32 // as in package record
	bubble(t, func(t *testing.T, s *stage) {
		fresh := func(n int) (out []answer) { // the same but for the time
			out = slices.Repeat([]answer{gotEvent("AgentState_Ready", `{"a":1}`)}, n)
			return stamped(out)
		}
		untimed := slices.Repeat([]answer{gotEvent("AgentState_Work", "")}, 2)
		s.agent("291").script = slices.Concat(fresh(remembered+1), fresh(1), fresh(3)[2:], untimed)
		p := s.start(agent291)
		pass(time.Minute)
		p.end()
		n := 0
		for i, e := range bodies[schemas.Event](s, schemas.TypeEvent)[1:] {
			if e.Repeated {
				n++
				if i != remembered+2 { // the first is forgotten by then, the third is not
					t.Errorf("event %d is marked", i)
				}
			}
		}
		if n != 1 {
			t.Errorf("%d events are marked", n)
		}
	})
}
