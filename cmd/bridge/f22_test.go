//go:build faults

package main

import (
	"syscall"
	"testing"

	"aiccbridge/schemas"
)

// TestF22TwoBridges: the bridge that polls is paused for twice the lifetime of its
// lease, and wakes up when another one has taken over. It stores what it had in
// hand under its old epoch, and polls nobody any more.
func TestF22TwoBridges(t *testing.T) {
	const times = 3
	play := func(t *testing.T) score {
		o := busy()
		o.external, o.kinds = true, nil
		s := newScene(t, o)
		first := s.start()
		c := s.consumer()
		s.moreEvents(c, 30)
		r := s.beside("second").run() // waits for the lease
		first.signal(syscall.SIGSTOP)
		pause(t, 2*schemas.LeaseTTL)
		before := s.sim.Truth().Polling
		s.moreEvents(c, 10)
		first.signal(syscall.SIGCONT)
		s.moreEvents(c, 30)
		first.signal(syscall.SIGTERM)
		if state := first.state(); !state.Exited() || state.ExitStatus() != exitOK {
			t.Errorf("the first bridge ended with %v", first.cmd.ProcessState)
		}
		c.Close()
		sum := r.judged()
		for agent, p := range s.sim.Truth().Polling {
			if n := p.Overlaps - before[agent].Overlaps; n > 1 {
				t.Errorf("agent %s: %d polls overlapped", agent, n)
			}
			sum.overlaps += p.Overlaps
		}
		sum.tries = 1
		return sum
	}
	plays := map[string]func(*testing.T) score{}
	for _, name := range []string{"1", "2", "3"}[:times] {
		plays[name] = play
	}
	sum := scenes(t, plays)
	sum.report(t, "%d takeovers from a paused bridge, %d overlapping polls, %d lost, %d duplicated, %d gaps / %d expected",
		sum.tries, sum.overlaps, sum.lost, sum.duplicated, sum.recorded, sum.expected)
}
