//go:build faults

package main

import (
	"fmt"
	"testing"
	"time"
)

// TestF04HubAway: the hub is away for longer than its window against repeats
// (2 minutes) and than the platform lets an agent be silent. Polling goes on, and
// when the hub is back all arrives in order, once.
func TestF04HubAway(t *testing.T) {
	const away = 135 * time.Second
	o := busy()
	o.external = true
	s := newScene(t, o)
	r := s.run()
	c := s.consumer()
	s.moreEvents(c, 30)
	c.Close()
	begun := len(s.sim.Truth().Events)
	s.hub.restart(away)
	truth := s.sim.Truth()
	if n := len(truth.Events) - begun; n < 100 {
		t.Errorf("only %d events were fetched meanwhile", n)
	}
	sum := r.judged()
	longest := time.Duration(0)
	for agent, p := range s.sim.Truth().Polling {
		longest = max(longest, p.LongestSilence)
		if p.Overlaps > 0 {
			t.Errorf("agent %s was polled twice at once", agent)
		}
	}
	for _, e := range s.sim.Truth().Sessions {
		if e.Change == "silent" {
			t.Errorf("agent %s was signed out for his silence", e.Agent)
		}
	}
	sum.tries = 1
	sum.report(t, "away %v, %d lost, %d duplicated, %d misordered, nobody signed out for silence",
		away, sum.lost, sum.duplicated, sum.misordered)
	t.Attr("measured", fmt.Sprintf("longest silence %.1f s", longest.Seconds()))
}
