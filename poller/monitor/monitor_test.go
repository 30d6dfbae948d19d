package monitor_test

import (
	"context"
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"aiccbridge/internal/cccms"
	"aiccbridge/internal/platformsim/fault"
	"aiccbridge/internal/platformsim/world"
	"aiccbridge/poller/monitor"
	"aiccbridge/schemas"
)

// pace is one at which most states last longer than two looks, and some do not.
var pace = world.Pace{Idle: 25 * time.Second, Queue: 4 * time.Second, Ring: 3 * time.Second, Talk: 40 * time.Second, WrapUp: 9 * time.Second, Rest: 30 * time.Second}

// TestEveryLastingStateOnce: agents who sign in elsewhere and work for two hours, held against
// the truth.
func TestEveryLastingStateOnce(t *testing.T) {
	for _, lacks := range [][]string{nil, {"vdn/totalagentstate", "agentgroup/agentstatusinfobyagentids"}, {"vdn/totalagentstate", "vdn/totalagentdynamicinfo"}} {
		synctest.Test(t, func(t *testing.T) {
			const agents = 25
			s := newScene(t, world.Options{Agents: agents, Seed: 7, Pace: pace, CallsWithoutSkills: true}, lacks...)
			begun := time.Now()
			stop, rest := s.watch(), s.work()
			for i, id := range ids(agents) {
				time.Sleep(900 * time.Millisecond)
				s.signIn(id, []int{world.Idle, world.Busy, world.Resting}[i%3])
			}
			time.Sleep(time.Hour)
			for _, id := range ids(agents / 2) {
				s.signOut(id)
			}
			time.Sleep(2 * interval)
			stop()
			lasting, events, bounded, narrow := 0, 0, 0, time.Duration(0)
			for _, id := range ids(agents) {
				lasting += s.judge(id, begun)
				for _, e := range s.shelf.of(id) {
					if events++; !e.OccurredAfter.IsZero() { // nobody knows since when the first has been
						bounded++
						narrow += e.OccurredBefore.Sub(e.OccurredAfter)
					}
				}
			}
			rest()
			if lasting < 800 {
				t.Errorf("only %d states lasted", lasting)
			}
			t.Attr("figure", fmt.Sprintf("without %v: %d states that lasted two intervals, each once; %d events, the intervals of %d of them %v on average", lacks, lasting, events, bounded, (narrow/time.Duration(bounded)).Round(time.Millisecond)))
		})
	}
}

// TestOutage: unknown within two intervals, once, and the states again when looks succeed.
func TestOutage(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newScene(t, world.Options{Agents: 4})
		defer s.watch()()
		s.signIn("101", world.Idle)
		s.signIn("102", world.Idle)
		s.signIn("103", world.Busy)
		time.Sleep(3 * interval)
		for _, wrong := range []fault.Rule{{Fault: "look.status", Status: 503, For: fault.Duration(10 * time.Minute)}, {Fault: "look.slow", Delay: fault.Duration(time.Hour), For: fault.Duration(10 * time.Minute)}, {Fault: "look.cut", For: fault.Duration(10 * time.Minute)}} {
			s.signOut("101")
			s.signIn("101", world.Idle)
			time.Sleep(20 * time.Minute)
			before := len(s.shelf.of("102"))
			begun := time.Now()
			if err := s.faults.Set([]fault.Rule{wrong}); err != nil {
				t.Fatal(err)
			}
			time.Sleep(2*interval + time.Millisecond)
			for _, id := range ids(4) {
				if e := last(s.shelf.of(id)); e.State != schemas.StateUnknown || e.Reason != "looks_failed" || e.OccurredBefore.After(begun.Add(2*interval)) {
					t.Errorf("%s: agent %s is %+v", wrong.Fault, id, e)
				}
			}
			if err := s.sight.Failing(0); err == nil {
				t.Errorf("%s: nobody is told", wrong.Fault)
			}
			s.signOut("103")
			time.Sleep(40 * time.Minute)
			if n := len(s.shelf.of("102")) - before; n != 2 {
				t.Errorf("%s: %d events of an agent who did nothing, want unknown and ready: %s", wrong.Fault, n, s.shelf.story("102"))
			}
			if e := last(s.shelf.of("102")); e.State != schemas.StateReady || e.OccurredAfter.After(begun) {
				t.Errorf("%s: %+v", wrong.Fault, e)
			}
			if e := last(s.shelf.of("103")); e.State != schemas.StateSignedOut || e.OccurredAfter.Before(begun.Add(-2*interval)) {
				t.Errorf("%s: %+v", wrong.Fault, e)
			}
			if err := s.sight.Failing(0); err != nil {
				t.Error(err)
			}
			s.signIn("103", world.Busy)
		}
	})
}

// TestSlowStore: that the store hangs says nothing of the platform, and of no agent.
func TestSlowStore(t *testing.T) {
	for name, do := range map[string]func(*scene){
		"events":     func(s *scene) { s.signOut("103") },
		"heartbeats": func(*scene) { time.Sleep(5 * time.Minute) },
	} {
		synctest.Test(t, func(t *testing.T) {
			s := newScene(t, world.Options{Agents: 3})
			for _, id := range ids(3) {
				s.signIn(id, world.Idle)
			}
			defer s.watch()()
			time.Sleep(2*interval + time.Second)
			s.shelf.hang(12 * time.Second)
			do(s)
			time.Sleep(2 * interval)
			s.shelf.hang(0)
			time.Sleep(6 * interval)
			if got := s.shelf.story("101"); got != "ready" {
				t.Errorf("%s: %s", name, got)
			}
			if got := s.shelf.story("103"); got != "ready" && got != "ready signed_out" {
				t.Errorf("%s: %s", name, got)
			}
		})
	}
}

// TestGlitch: one failure, or one empty list, is no news of anybody; two empty lists are.
func TestGlitch(t *testing.T) {
	for _, tt := range []struct {
		rule  fault.Rule
		story string
	}{
		{fault.Rule{Fault: "look.refused", Next: 1}, "ready"},
		{fault.Rule{Fault: "look.cut", Next: 1}, "ready"},
		{fault.Rule{Fault: "look.absent", Next: 2}, "ready"},
		{fault.Rule{Fault: "look.absent", Next: 4}, "ready unknown ready"},
	} {
		synctest.Test(t, func(t *testing.T) {
			s := newScene(t, world.Options{Agents: 2})
			s.signIn("101", world.Idle)
			defer s.watch()()
			time.Sleep(2*interval + time.Second)
			if err := s.faults.Set([]fault.Rule{tt.rule}); err != nil {
				t.Fatal(err)
			}
			time.Sleep(time.Minute)
			if got := s.shelf.story("101"); got != tt.story {
				t.Errorf("%+v: %s, want %s", tt.rule, got, tt.story)
			}
		})
	}
}

// lists is a platform that answers the same list each time.
type lists struct{ list cccms.List }

func (l *lists) Agents(context.Context) (cccms.List, error)               { return l.list, nil }
func (l *lists) Details(context.Context, []string) ([]cccms.Agent, error) { return nil, nil }

// TestUnreadable: who is in no list for two intervals is unknown, in lists that are not whole
// as well; a reason is that of a rest or a sign-out.
func TestUnreadable(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newScene(t, world.Options{Agents: 2})
		p := &lists{cccms.List{Whole: true, Agents: []cccms.Agent{{ID: "101", State: cccms.Idle}, {ID: "102", State: cccms.Resting}}}}
		s.platform = p
		stop := s.watch()
		time.Sleep(interval + time.Second)
		stop()
		p.list = cccms.List{Agents: p.list.Agents[1:]}
		defer s.watch()()
		time.Sleep(interval + time.Second)
		if got := s.shelf.story("101"); got != "ready" {
			t.Error(got)
		}
		time.Sleep(5 * interval)
		if e := last(s.shelf.of("101")); s.shelf.story("101") != "ready unknown" || e.Reason != "looks_failed" {
			t.Errorf("%s: %+v", s.shelf.story("101"), e)
		}
		if a, b := s.shelf.of("101")[0], last(s.shelf.of("102")); a.Reason != "" || b.Reason != "0" || s.shelf.story("102") != "rest" {
			t.Errorf("%+v, %+v", a, b)
		}
	})
}

// TestBackOff: what a firewall or a platform in trouble is asked.
func TestBackOff(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newScene(t, world.Options{Agents: 1})
		defer s.watch()()
		time.Sleep(time.Minute)
		const look = "vdn/totalagentstate"
		if n := s.truth.Snapshot().Requests[look]; n < 12 || n > 13 {
			t.Errorf("%d looks in a minute", n)
		}
		for status, most := range map[int]int{403: 12, 429: 12, 502: 12} {
			before := s.truth.Snapshot().Requests[look]
			if err := s.faults.Set([]fault.Rule{{Fault: "look.status", Status: status, For: fault.Duration(time.Hour)}}); err != nil {
				t.Fatal(err)
			}
			time.Sleep(time.Hour)
			n := s.truth.Snapshot().Requests[look] - before
			if n > most || n < 4 {
				t.Errorf("%d: %d looks in an hour", status, n)
			}
			time.Sleep(16 * time.Minute)
		}
	})
}

// TestStart: after a start only what differs from what was known is published, and the next
// owner goes on under its own epoch.
func TestStart(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newScene(t, world.Options{Agents: 3})
		s.signIn("101", world.Idle)
		s.signIn("102", world.Idle)
		stop := s.watch()
		time.Sleep(2 * interval)
		stop()
		away := time.Now()
		s.signOut("102")
		time.Sleep(time.Minute)
		stop = s.watch()
		time.Sleep(2 * interval)
		stop()
		for id, want := range map[string]string{"101": "ready", "102": "ready signed_out", "103": "signed_out"} {
			if got := s.shelf.story(id); got != want {
				t.Errorf("agent %s: %s, want %s", id, got, want)
			}
		}
		e := last(s.shelf.of("102"))
		if e.Epoch != 2 || e.Seq != 1 || e.Reason != "258" || e.OccurredBefore.Sub(away).Abs() > 2*time.Second {
			t.Errorf("%+v, gone at %v", e, away)
		}
		var k schemas.AgentState
		for _, known := range must(s.shelf.known(t.Context())) {
			if known.Agent == "102" {
				k = known
			}
		}
		if k.State != schemas.StateSignedOut || k.Via != schemas.WayMonitor || !k.Since.Equal(e.OccurredBefore) {
			t.Errorf("%+v", k)
		}
	})
}

// TestVanished: who is not in a whole list is not configured; who is not in one that is not
// whole may be.
func TestVanished(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newScene(t, world.Options{Agents: 3})
		s.signIn("101", world.Idle)
		defer s.watch()()
		time.Sleep(2 * interval)
		if err := s.faults.Set([]fault.Rule{{Fault: "look.absent", Agent: "101", For: fault.Duration(time.Minute)}}); err != nil {
			t.Fatal(err)
		}
		time.Sleep(2 * time.Minute)
		if got := s.shelf.story("101"); got != "ready unknown ready" {
			t.Error(got)
		}
		if e := s.shelf.of("101")[1]; e.Reason != "not_configured" {
			t.Errorf("%+v", e)
		}
		if n := s.shelf.pulses(); len(n) != 0 {
			t.Errorf("%v heartbeats", n)
		}
		time.Sleep(3 * time.Minute)
		if n := s.shelf.pulses(); len(n) != 1 || n["101"] != 1 {
			t.Errorf("%v heartbeats", n)
		}
	})
}

// TestStateOf is the mapping of the page (cec_07_0697).
func TestStateOf(t *testing.T) {
	want := []schemas.State{"signed_out", "ready", "on_call", "on_call", "on_call", "on_call", "wrapup", "not_ready", "rest", "unknown", "unknown", "unknown"}
	for cti, state := range want {
		if got := monitor.StateOf(cccms.State(cti)); got != state {
			t.Errorf("%d is %s", cti, got)
		}
	}
	if got := monitor.StateOf(cccms.NotSaid); got != schemas.StateUnknown {
		t.Error(got)
	}
}

func last(all []schemas.Event) schemas.Event {
	if len(all) == 0 {
		return schemas.Event{}
	}
	return all[len(all)-1]
}

func must[T any](v T, err error) T {
	if err != nil {
		panic(err)
	}
	return v
}
