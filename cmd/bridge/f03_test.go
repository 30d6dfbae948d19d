//go:build faults

package main

import (
	"math/rand/v2"
	"testing"
	"time"
)

// TestF03AcksSwallowed: the server stores, its answer is lost, and with it the
// connection. What is sent again is there once.
func TestF03AcksSwallowed(t *testing.T) {
	const cuts, scenesAtOnce = 100, 4
	play := func(t *testing.T) score {
		o := busy()
		o.external, o.window = true, 15*time.Second
		s := newScene(t, o)
		random := rand.New(rand.NewPCG(seed(t), 3))
		r := s.run()
		for n := range cuts / scenesAtOnce {
			// Mostly acknowledgements of events, which come all the time.
			needle := `"stream":"AICC_EVENTS"`
			if others := []string{"AICC_ROWS", "AICC_FILES", "KV_AICC_WINDOWS", "KV_AICC_SESSIONS"}; n%3 == 2 {
				needle = `"stream":"` + others[random.IntN(len(others))] + `"`
			}
			s.hub.proxy.Swallow(1, needle)
			s.until("an acknowledgement with "+needle+" is swallowed", func() bool { return s.hub.proxy.Swallowed() > n })
		}
		return r.judged()
	}
	sum := scenes(t, map[string]func(*testing.T) score{"1": play, "2": play, "3": play, "4": play})
	sum.tries = cuts
	sum.report(t, "%d cuts behind a stored message, %d duplicated, %d lost", sum.tries, sum.duplicated, sum.lost)
}
