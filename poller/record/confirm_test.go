package record

import (
	"testing"
	"testing/synctest"
	"time"

	"aiccbridge/internal/ccgateway"
	"aiccbridge/schemas"
)

// TestConfirm: what looks may say, and what they may not, of an agent who was ready at second 0.
func TestConfirm(t *testing.T) {
	const ready, rest, unknown = schemas.StateReady, schemas.StateRest, schemas.StateUnknown
	type look struct {
		nr    uint64
		at    int // seconds
		state schemas.State
		want  Confirmed
	}
	for name, c := range map[string]struct {
		looks []look
		event int // seconds at which another event is stored; 0: none
		after int // looks before it
		heals int
	}{
		"equal":               {looks: []look{{1, 30, ready, LookConfirms}, {2, 60, ready, LookConfirms}}},
		"one":                 {looks: []look{{1, 30, rest, LookDiffers}}},
		"two":                 {looks: []look{{1, 30, rest, LookDiffers}, {2, 60, rest, LookHeals}, {3, 90, rest, LookConfirms}}, heals: 1},
		"not running":         {looks: []look{{1, 30, rest, LookDiffers}, {3, 90, rest, LookDiffers}, {4, 120, rest, LookHeals}}, heals: 1},
		"two others":          {looks: []look{{1, 30, rest, LookDiffers}, {2, 60, schemas.StateOnCall, LookDiffers}, {3, 90, schemas.StateOnCall, LookHeals}}, heals: 1},
		"equal between":       {looks: []look{{1, 30, rest, LookDiffers}, {2, 60, ready, LookConfirms}, {3, 90, rest, LookDiffers}}},
		"unknown":             {looks: []look{{1, 30, unknown, LookSaysNothing}, {2, 60, unknown, LookSaysNothing}}},
		"unknown between":     {looks: []look{{1, 30, rest, LookDiffers}, {2, 60, unknown, LookSaysNothing}, {3, 90, rest, LookDiffers}}},
		"an event too young":  {looks: []look{{1, 4, rest, LookTooOld}, {2, 34, rest, LookDiffers}, {3, 64, rest, LookHeals}}, heals: 1},
		"a newer event wins":  {looks: []look{{1, 30, rest, LookDiffers}, {2, 60, rest, LookTooOld}}, event: 61, after: 1},
		"an event between":    {looks: []look{{1, 30, rest, LookDiffers}, {2, 60, rest, LookDiffers}, {3, 90, rest, LookHeals}}, event: 40, after: 1, heals: 1},
		"five seconds before": {looks: []look{{1, 30, rest, LookDiffers}, {2, 60, rest, LookDiffers}}, event: 55, after: 1},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s, begun := &shelf{}, time.Now()
				at := func(seconds int) time.Time { return begun.Add(time.Duration(seconds) * time.Second) }
				heard := 0
				o := s.options()
				o.Heard = func(string, time.Time) { heard++ }
				r := NewTenant(o).Recorder("291", 0)
				store := func(eventType string, seconds int) {
					e := ccgateway.Event{Type: eventType, WorkNo: "291"}
					if _, err := r.Event(t.Context(), e, Receipt{Asked: at(seconds), At: at(seconds)}); err != nil {
						t.Fatal(err)
					}
				}
				store("AgentState_Ready", 0)
				for i, l := range c.looks {
					if c.event > 0 && i == c.after {
						store("AgentState_Ready", c.event)
					}
					got, err := r.Confirm(t.Context(), Look{Nr: l.nr, Asked: at(l.at), Answered: at(l.at), State: l.state})
					if err != nil || got != l.want {
						t.Errorf("look %d: %s, %v; want %s", l.nr, got, err, l.want)
					}
				}
				heals := 0
				for _, e := range bodies[schemas.Event](t, s, schemas.TypeEvent) {
					if e.Reconstructed != nil {
						heals++
					}
				}
				if live := len(bodies[schemas.Event](t, s, schemas.TypeEvent)) - heals; heals != c.heals || heard != live {
					t.Errorf("stored: %v; %d heals, %d heard of %d", s.names(), heals, heard, live)
				}
			})
		})
	}
}

// TestHealed is an event that looks prove.
func TestHealed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, begun := &shelf{}, time.Now()
		at := func(seconds int) time.Time { return begun.Add(time.Duration(seconds) * time.Second) }
		r := NewTenant(s.options()).Recorder("291", 0)
		if _, err := r.Event(t.Context(), ccgateway.Event{Type: "AgentState_Ready", WorkNo: "291"}, Receipt{Asked: at(0), At: at(0)}); err != nil {
			t.Fatal(err)
		}
		if err := r.Gap(t.Context(), schemas.GapPollUnknown, at(10), at(15), "reset", 1); err != nil {
			t.Fatal(err)
		}
		cti := 8
		for i := range 2 {
			l := Look{Nr: uint64(i) + 1, Asked: at(30 * (i + 1)), Answered: at(30*(i+1) + 1), State: schemas.StateRest, After: at(11), Before: at(13), Content: SeenContent{CTIState: &cti, Reason: "3"}}
			if _, err := r.Confirm(t.Context(), l); err != nil {
				t.Fatal(err)
			}
		}
		all := bodies[schemas.Event](t, s, schemas.TypeEvent)
		e := all[len(all)-1]
		p := e.Reconstructed
		if e.Type != schemas.EventSeen(schemas.StateRest) || e.Via != schemas.WayMonitor || e.State != schemas.StateRest || e.Reason != "3" || e.Seq != 3 || p == nil {
			t.Fatalf("%+v", e)
		}
		if p.Source != schemas.ProofMonitor || !p.LookedAt.Equal(at(30)) || p.Gap == nil || *p.Gap != (schemas.Position{Epoch: 7, Seq: 2}) {
			t.Errorf("proof: %+v", p)
		}
		if !e.OccurredAfter.Equal(at(11)) || !e.OccurredBefore.Equal(at(13)) || string(e.Content) != `{"ctiState":8,"reason":"3","was":"ready"}` {
			t.Errorf("%+v %s", e, e.Content)
		}
		if k := r.Standing.Known(); k.State != schemas.StateRest || k.Via != schemas.WayMonitor || k.Seq != 3 {
			t.Errorf("known: %+v", k)
		}
	})
}
