package poller

import (
	"fmt"
	"testing"
	"time"

	"aiccbridge/poller/session"
	"aiccbridge/schemas"
)

// F26: stopped under load, and during the start, polls in flight end by themselves
// and nothing is lost; the next start has nothing to complain of.
func TestF26StoppedUnderLoad(t *testing.T) {
	const rounds, agents = 50, 5
	grace, clean := 11*time.Second, 0 // one hold and a little
	var longest time.Duration
	for round := range rounds {
		bubble(t, func(t *testing.T, s *stage) {
			s.remember()
			var wanted []session.Agent
			for i := range agents {
				a := agent291
				a.ID = fmt.Sprint(i + 1)
				wanted = append(wanted, a)
				event := gotEvent("AgentEvent_Hold", `"1456401416-3"`)
				event.poll.Events[0].WorkNo = a.ID
				event.after = time.Duration(100+97*((round+i*7)%100)) * time.Millisecond
				s.agent(a.ID).forever = &event
			}
			p := s.start(wanted...)
			pass(time.Duration(round*round) * 17 * time.Millisecond) // the first few: during the start
			begun := time.Now()
			p.end()
			took := time.Since(begun)
			longest = max(longest, took)
			s.restart(12*time.Second, wanted...)
			popped, stored := 0, 0
			for _, a := range s.agents {
				popped += a.popped
			}
			for _, name := range s.stored() {
				if name == "call.hold" {
					stored++
				}
			}
			if gaps := len(bodies[schemas.Gap](s, schemas.TypeGap)); gaps > 0 || took > grace || popped != stored || stored == 0 {
				t.Errorf("round %d: %d gaps, %d of %d events stored, stopped after %s", round, gaps, stored, popped, took)
			} else {
				clean++
			}
		})
	}
	t.Attr("figure", fmt.Sprintf("%d/%d clean, each within %v", clean, rounds, grace))
	t.Attr("measured", fmt.Sprintf("longest stop %.1f s", longest.Seconds()))
	t.Attr("tries", fmt.Sprint(rounds))
	t.Attr("gaps", "0/0")
}

// The second signal cuts at once; what that may cost is said by the next owner.
func TestF26CutByTheSecondSignal(t *testing.T) {
	bubble(t, func(t *testing.T, s *stage) {
		s.remember()
		p := s.start(agent291)
		pass(time.Second)
		p.stopIntake()
		pass(time.Second)
		begun := time.Now()
		p.crash()
		if took := time.Since(begun); took > 0 {
			t.Errorf("cut after %s", took)
		}
		s.restart(time.Second, agent291)
		if n := len(s.gaps(schemas.GapUnclean)); n != 1 {
			t.Errorf("%d gaps, stored: %v", n, s.stored())
		}
		t.Attr("tries", "1")
		t.Attr("figure", "1 poll cut by the second signal, and in a gap")
		t.Attr("gaps", fmt.Sprintf("1/%d", len(s.gaps(schemas.GapUnclean))))
	})
}
