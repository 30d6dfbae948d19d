package poller

import (
	"context"
	"encoding/json"
	"slices"
	"strings"
	"testing"
	"time"

	"aiccbridge/poller/session"
	"aiccbridge/schemas"
)

// backend is another system, which signs agent 291 in, puts its sessions into the bucket in
// clear, and has the pool told.
type backend struct {
	*stage
	t *testing.T
	p *play
}

// put writes the entry as it is, and tells; "" removes it.
func (b *backend) put(entry string) {
	b.t.Helper()
	b.sessions.mu.Lock()
	revision := uint64(0)
	if entry == "" {
		delete(b.sessions.values, "acme.291")
		delete(b.sessions.revs, "acme.291")
	} else {
		revision = b.sessions.set("acme.291", []byte(entry))
	}
	b.sessions.mu.Unlock()
	var wanted []session.Agent
	if entry != "" {
		wanted = append(wanted, session.Agent{ID: "291", Entry: revision})
	}
	if b.p == nil {
		b.p = b.start(wanted...)
		return
	}
	b.p.wanted <- wanted
}

// alter changes some members of the entry, as a backend does that reads it first.
func (b *backend) alter(members map[string]any) {
	b.t.Helper()
	all := map[string]any{}
	value, _, _ := b.sessions.Get(context.Background(), "acme.291")
	if err := json.Unmarshal(value, &all); err != nil {
		b.t.Fatal(err)
	}
	for name, v := range members {
		all[name] = v
	}
	value, _ = json.Marshal(all)
	b.put(string(value))
}

// polledWith is the GUID of the last poll.
func (b *backend) polledWith() string {
	asks := b.j.of("ask")
	if len(asks) == 0 {
		return ""
	}
	return asks[len(asks)-1].text
}

// is compares where the session stands by its entry, and the GUID there.
func (b *backend) is(phase schemas.SessionPhase, guid string) {
	b.t.Helper()
	if e := b.entry("291"); e.Phase != phase || e.GUID != guid || e.Polling != (phase == schemas.SessionPolling) {
		b.t.Errorf("the entry is %+v, want %s with %q", e, phase, guid)
	}
}

// handed runs a test of sessions that are handed over, after which everything stored and
// whether the agent was signed in or out by the pool is looked at.
func handed(t *testing.T, want []string, f func(t *testing.T, b *backend)) {
	t.Helper()
	bubble(t, func(t *testing.T, s *stage) {
		s.options.Plain, s.options.SignOutOnShutdown = true, true
		b := &backend{stage: s, t: t}
		f(t, b)
		b.p.end()
		if got := s.stored(); !slices.Equal(got, want) {
			t.Errorf("stored: %v", got)
		}
		if n := len(s.j.of("sign in", "sign out")); n != 0 || s.agent("291").crowd > 1 {
			t.Errorf("%d sign-ins and sign-outs, %d polls at once", n, s.agent("291").crowd)
		}
		if log := s.logs.String(); strings.Contains(log, "guid-") || strings.Contains(log, "lb=") {
			t.Errorf("logged: %s", log)
		}
	})
}

var polledAndLeft = []string{"session.resumed", "session.status", "session.left"}

// A session is polled as soon as it is handed over, its new GUIDs and cookies come back under
// the same key, and the end of the bridge leaves it alive.
func TestASessionHandedOverInClear(t *testing.T) {
	handed(t, polledAndLeft, func(t *testing.T, b *backend) {
		rotated := gotEmpty()
		rotated.after, rotated.guid, rotated.lb = time.Second, "guid-b", "lb=2"
		b.agent("291").script = []answer{rotated}
		b.put(`{"guid":"guid-a","cookies":["lb=1"],"handed_over_by":"softphone","shift":"late"}`)
		pass(100 * time.Millisecond)
		if b.is(schemas.SessionPolling, "guid-a"); b.polledWith() != "guid-a" {
			t.Errorf("polled with %q", b.polledWith())
		}
		pass(5 * time.Second)
		b.is(schemas.SessionPolling, "guid-b")
		e := b.entry("291")
		value, _, _ := b.sessions.Get(t.Context(), "acme.291")
		if b.polledWith() != "guid-b" || !slices.Equal(e.Cookies, []string{"lb=2"}) || e.HandedOverBy != "softphone" ||
			e.PolledAt.IsZero() || e.Epoch != 7 || !strings.Contains(string(value), `"shift":"late"`) {
			t.Errorf("polled with %q, entry: %s", b.polledWith(), value)
		}
		b.p.stopIntake()
		pass(11 * time.Second)
		b.is(schemas.SessionLeft, "guid-b")
	})
}

// A session that is wanted back is given back after the poll in flight, with what that brought,
// and can be handed over again as it is.
func TestASessionIsGivenBack(t *testing.T) {
	want := []string{"session.resumed", "session.status", "state.ready", "session.left"}
	handed(t, slices.Concat(want, polledAndLeft), func(t *testing.T, b *backend) {
		last := gotEvent("AgentState_Ready", "")
		last.after, last.guid = 8*time.Second, "guid-b"
		b.agent("291").script = []answer{gotEmpty(), last}
		b.put(`{"guid":"guid-a"}`)
		pass(3 * time.Second) // the second poll is held
		b.alter(map[string]any{"stop": true})
		pass(2 * time.Second)
		if b.entry("291").Phase == schemas.SessionReturned {
			t.Error("given back during a poll")
		}
		pass(5 * time.Second)
		b.is(schemas.SessionReturned, "guid-b")
		asks := len(b.j.of("ask"))
		pass(time.Hour)
		if n := len(b.j.of("ask")); n != asks {
			t.Errorf("%d polls of a session that was given back", n-asks)
		}
		b.put(`{"guid":"guid-b"}`)
		pass(time.Second)
		b.is(schemas.SessionPolling, "guid-b")
		pass(11 * time.Second)
	})
}

// What is handed over with the wish to have it back is not polled, nor is what was polled by an
// owner that did not stop.
func TestASessionThatIsWantedBackIsNotBegun(t *testing.T) {
	handed(t, []string{"gap.unclean_stop"}, func(t *testing.T, b *backend) {
		b.put(`{"guid":"guid-a","stop":true,"epoch":6,"polling":true,"last_seq":3,"updated_at":"2000-01-01T00:00:00Z"}`)
		pass(time.Minute)
		b.is(schemas.SessionReturned, "guid-a")
		if n := len(b.j.of("ask")); n != 0 {
			t.Errorf("%d polls", n)
		}
	})
}

// A session that is wanted back while its owner is killed, and whose next owner is killed while it
// waits for the end of the poll that may be in flight: the one after goes on with that wait, says
// at its end that the session is given back, and polls nothing.
func TestKilledInTheWaitToGiveBack(t *testing.T) {
	bubble(t, func(t *testing.T, s *stage) {
		s.options.Plain = true
		b := &backend{stage: s, t: t}
		b.put(`{"guid":"guid-a"}`)
		pass(3 * time.Second)
		b.p.crash()
		asks := len(s.j.of("ask"))
		life := func(epoch uint64) {
			s.options.Epoch, b.p = epoch, nil
			b.alter(map[string]any{"stop": true})
			pass(10 * time.Second)
			if e := b.entry("291"); e.Phase == schemas.SessionReturned || e.Epoch != epoch {
				t.Errorf("owner %d after 10 s: %+v", epoch, e)
			}
		}
		life(8)
		b.p.crash()
		life(9)
		pass(21 * time.Second) // a poll may take 30 s
		b.is(schemas.SessionReturned, "guid-a")
		b.p.end()
		if n := len(s.j.of("ask")) - asks; n != 0 {
			t.Errorf("%d polls", n)
		}
	})
}

// When the entry goes the poll in flight is finished, the session left, and no entry made.
func TestTheEntryGoes(t *testing.T) {
	want := []string{"session.resumed", "session.status", "state.ready", "session.left"}
	handed(t, slices.Concat(want, polledAndLeft), func(t *testing.T, b *backend) {
		last := gotEvent("AgentState_Ready", "")
		last.after, last.guid = 8*time.Second, "guid-b"
		b.agent("291").script = []answer{gotEmpty(), last}
		b.put(`{"guid":"guid-a"}`)
		pass(3 * time.Second)
		b.put("")
		pass(time.Minute)
		if value, _, _ := b.sessions.Get(t.Context(), "acme.291"); value != nil || b.polledWith() != "guid-a" {
			t.Errorf("polled with %q, entry: %s", b.polledWith(), value)
		}
		b.put(`{"guid":"guid-b"}`)
		pass(11 * time.Second)
		b.is(schemas.SessionPolling, "guid-b")
	})
}

// A backend that signs in anew while the old session is polled: the next poll is the new
// session's, although the old one is not over, and although that has just got a new GUID.
func TestANewSessionWhileTheOldOneIsPolled(t *testing.T) {
	want := []string{"session.resumed", "session.status"}
	handed(t, slices.Concat(want, polledAndLeft), func(t *testing.T, b *backend) {
		rotated := gotEmpty()
		rotated.after, rotated.guid = 8*time.Second, "guid-b"
		b.agent("291").script = []answer{gotEmpty(), rotated}
		b.put(`{"guid":"guid-a"}`)
		pass(3 * time.Second)
		b.put(`{"guid":"guid-new"}`)
		pass(8 * time.Second)
		b.is(schemas.SessionPolling, "guid-new")
		if b.polledWith() != "guid-new" {
			t.Errorf("polled with %q", b.polledWith())
		}
		pass(11 * time.Second)
	})
}

// The same where the new sign-in ends the old session, as a forced one does: that it is over is
// written after the new session was put, which is polled at once all the same.
func TestANewSessionEndsTheOldOne(t *testing.T) {
	want := []string{"session.resumed", "session.status", "session.signed_out"}
	handed(t, slices.Concat(want, polledAndLeft), func(t *testing.T, b *backend) {
		gone := gotCode("100-006")
		gone.after = 8 * time.Second
		b.agent("291").script = []answer{gotEmpty(), gone}
		b.put(`{"guid":"guid-a"}`)
		pass(3 * time.Second)
		b.put(`{"guid":"guid-b"}`)
		pass(7 * time.Second)
		b.is(schemas.SessionPolling, "guid-b")
		if b.polledWith() != "guid-b" {
			t.Errorf("polled with %q", b.polledWith())
		}
		pass(11 * time.Second)
	})
}

// A session that the gateway ends: the entry says so and why, and another one is polled at once.
func TestASessionHandedOverIsOver(t *testing.T) {
	want := []string{"session.resumed", "session.status", "session.signed_out"}
	handed(t, slices.Concat(want, polledAndLeft), func(t *testing.T, b *backend) {
		gone := gotCode("100-006")
		gone.after = time.Second
		b.agent("291").script = []answer{gotEmpty(), gone}
		b.put(`{"guid":"guid-a"}`)
		pass(time.Minute)
		b.is(schemas.SessionOver, "")
		if e := b.entry("291"); e.Cause != "not_signed_in" || e.Code != "100-006" {
			t.Errorf("the entry is %+v", e)
		}
		b.put(`{"guid":"guid-a"}`)
		pass(time.Second)
		if b.entry("291").Phase != schemas.SessionRefused || len(b.j.of("ask")) != 2 {
			t.Errorf("the session that is over was taken again: %+v", b.entry("291"))
		}
		b.put(`{"guid":"guid-b"}`)
		pass(time.Second)
		b.is(schemas.SessionPolling, "guid-b")
		pass(11 * time.Second)
	})
}

// Where sessions have to be sealed, one in clear is not polled, and its entry says so.
func TestASessionThatIsNotSealed(t *testing.T) {
	handed(t, nil, func(t *testing.T, b *backend) {
		b.options.Plain = false
		b.put(`{"guid":"guid-a"}`)
		pass(time.Minute)
		b.is(schemas.SessionRefused, "guid-a")
		if e := b.entry("291"); e.Cause == "" || len(b.j.of("ask")) != 0 {
			t.Errorf("the entry is %+v", e)
		}
	})
}
