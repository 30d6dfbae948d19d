//go:build faults

package main

import (
	"testing"
	"time"
)

// TestF05SlowHub: every answer comes after the bridge has stopped waiting for it;
// the late one and that of the retry are of one message.
func TestF05SlowHub(t *testing.T) {
	const times = 5
	o := busy()
	o.external = true
	s := newScene(t, o)
	r := s.run()
	c := s.consumer()
	for range times {
		s.moreEvents(c, 20)
		s.hub.proxy.Delay(1500 * time.Millisecond) // each way; the bridge waits 2 s
		pause(t, 8*time.Second)
		s.hub.proxy.Delay(0)
	}
	c.Close()
	sum := r.judged()
	sum.tries = times
	sum.report(t, "slow %d times, %d duplicated, %d lost, %d misordered", times, sum.duplicated, sum.lost, sum.misordered)
}
