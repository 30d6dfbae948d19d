package main

import (
	"testing"

	"aiccbridge/internal/platformsim/fault"
	"aiccbridge/schemas"
)

// pushed has the gateway push, and often again what it pushed already.
func pushed(o setup) setup {
	o.events = "push"
	o.faults = []fault.Rule{{Fault: "push.twice", Share: 0.5}, {Fault: "push.unheard", Share: 0.3}}
	return o
}

// TestPushes: bridges are killed while the gateway pushes, in both dialects, and pushes much
// twice: every event is in the stream once and in order. There is nothing to be said of gaps where
// the gateway keeps what is not taken; at a pushUrl it may have given it up.
func TestPushes(t *testing.T) {
	t.Parallel()
	for _, dialect := range []string{"callBackUri", "pushUrl"} {
		t.Run(dialect, func(t *testing.T) {
			t.Parallel()
			o := unhurried(pushed(busy()))
			o.push = "dialect: " + dialect
			s := newScene(t, o)
			seen := uint64(0)
			for range 3 {
				c := s.start()
				seen = s.waitFor(schemas.StreamEvents, seen+70)
				c.kill()
			}
			report := s.run().finish()
			if e := report.Events; len(e.Lost)+e.Duplicated+e.Misordered != 0 || (e.Gaps == 0) != (dialect == "callBackUri") || e.Popped < 150 {
				t.Errorf("%+v", e)
			}
		})
	}
}
