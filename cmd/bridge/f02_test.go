//go:build faults

package main

import (
	"math/rand/v2"
	"testing"
	"time"
)

// TestF02HubRestarts: whatever restarts of NATS, its own or an external one, do to
// a bridge under load, all arrives once and in order.
func TestF02HubRestarts(t *testing.T) {
	const times = 20
	sum := scenes(t, map[string]func(*testing.T) score{
		"external": func(t *testing.T) score {
			o := busy()
			o.external = true
			s := newScene(t, o)
			random := rand.New(rand.NewPCG(seed(t), 2))
			r := s.run()
			c := s.consumer()
			for range times {
				s.moreEvents(c, 5)
				s.hub.restart(time.Duration(random.IntN(1500)) * time.Millisecond)
			}
			c.Close()
			return r.judged()
		},
		"embedded": func(t *testing.T) score {
			o := busy()
			o.embedded = true // it restarts the server in the bridge's process
			s := newScene(t, o)
			r := s.run()
			for range times {
				s.moreEvents(r.bus, 5)
				if err := r.server.Restart(); err != nil {
					t.Fatal(err)
				}
			}
			return r.judged()
		},
	})
	sum.tries = 2 * times
	sum.report(t, "%d restarts, %d lost, %d duplicated, %d misordered", sum.tries, sum.lost, sum.duplicated, sum.misordered)
}
