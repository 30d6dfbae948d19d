package proxy_test

import (
	"context"
	"net/http"
	"sync"
	"testing"
	"time"

	"aiccbridge/internal/faultproxy"
	"aiccbridge/internal/platformsim"
	"aiccbridge/internal/platformsim/gateway"
	"aiccbridge/internal/platformsim/world"
)

// busy is a platform on which much happens.
func busy(agents int) platformsim.Options {
	return platformsim.Options{
		Agents: agents,
		Pace: world.Pace{
			Idle: 200 * time.Millisecond, Queue: 50 * time.Millisecond, Ring: 100 * time.Millisecond, Talk: 300 * time.Millisecond,
			WrapUp: 100 * time.Millisecond, Rest: 300 * time.Millisecond, Signal: 50 * time.Millisecond,
		},
		Gateway: gateway.Options{GUIDInterval: 2 * time.Second, GUIDTimeout: 5 * time.Second},
	}
}

// TestProxyAgain: an answer that is cut between bridge and client costs the client no event, nor
// the stream; a GUID that rotates is not seen.
func TestProxyAgain(t *testing.T) {
	t.Parallel()
	const agents, cuts = 20, 200
	s := newScene(t, busy(agents))
	s.learn()
	b := s.start("")
	between, err := faultproxy.Listen(b.addr)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(between.Close)
	ctx, stop := context.WithCancel(t.Context())
	var running sync.WaitGroup
	var phones []*phone
	for _, a := range s.sim.Settings().Agents {
		p := s.phone(a.ID, between.Addr())
		p.signIn("", "")
		if p.guid == "" {
			t.Fatal("no guid")
		}
		if a, err := p.call(ctx, http.MethodPost, "onlineagent/"+a.ID+"/resetskill/true?skillid=1;2&phonelinkage=0", ""); err != nil || a.Code != "0" {
			t.Fatal(a.Code, err)
		}
		running.Go(func() { p.poll(ctx) })
		phones = append(phones, p)
	}
	for i := range cuts {
		between.Swallow(1, `"eventType"`)
		s.await("cut", func() bool { return between.Swallowed() > i })
	}
	s.sim.Quiesce()
	s.await("quiet", s.sim.Quiet)
	total := 0
	for _, p := range phones {
		s.await("all events at the client", func() bool { return len(p.events()) >= len(s.given(p.agent)) })
		given := s.given(p.agent)
		if i := same(given, p.events()); i >= 0 {
			t.Errorf("agent %s: the client's event %d differs of %d: %v", p.agent, i, len(given), p.events()[min(i, len(p.events())-1)])
		}
		if i := same(given, s.stored(p.agent)); i >= 0 {
			t.Errorf("agent %s: the stream's event %d differs of %d", p.agent, i, len(given))
		}
		if len(p.codes) > 0 {
			t.Errorf("agent %s was answered %v", p.agent, p.codes)
		}
		total += len(given)
	}
	stop()
	running.Wait()
	t.Logf("%d events, %d answers cut", total, cuts)
}

// TestProxyRestart: clients go on, with the GUIDs they have, when the bridge was restarted and when
// it was killed: they get every event that is stored, in order, some perhaps a second time.
func TestProxyRestart(t *testing.T) {
	t.Parallel()
	const agents, lives = 6, 6
	s := newScene(t, busy(agents))
	s.learn()
	b := s.start("")
	ctx, stop := context.WithCancel(t.Context())
	var running sync.WaitGroup
	var phones []*phone
	for _, a := range s.sim.Settings().Agents {
		p := s.phone(a.ID, b.addr)
		p.signIn("", "")
		_, _ = p.call(ctx, http.MethodPost, "onlineagent/"+a.ID+"/resetskill/true", "")
		running.Go(func() { p.poll(ctx) })
		phones = append(phones, p)
	}
	for life := range lives {
		before := len(phones[0].events())
		s.await("events", func() bool { return len(phones[0].events()) > before+5 })
		if life%2 == 0 {
			b.stop()
		} else {
			b.kill()
		}
		b = s.start(b.addr)
	}
	s.sim.Quiesce()
	s.await("quiet", s.sim.Quiet)
	again := 0
	for _, p := range phones {
		s.await("all that is stored at the client", func() bool {
			stored, got := s.stored(p.agent), p.events()
			return len(got) > 0 && len(stored) > 0 && got[len(got)-1].String() == stored[len(stored)-1].String()
		})
		stored := s.stored(p.agent)
		once := firsts(p.events())
		if i := same(stored, once); i >= 0 {
			t.Errorf("agent %s: of %d stored events the client has %d, the first difference is at %d", p.agent, len(stored), len(once), i)
		}
		if len(p.codes) > 0 {
			t.Errorf("agent %s was answered %v", p.agent, p.codes)
		}
		again += len(p.events()) - len(once)
	}
	stop()
	running.Wait()
	t.Logf("%d lives of the bridge, %d events came to clients a second time", lives+1, again)
}

// firsts are events without those that came before.
func firsts(all []seen) (once []seen) {
	known := map[string]bool{}
	for _, e := range all {
		if key := e.Type + string(compact(e.Content)) + time.UnixMilli(e.At).String(); !known[key] {
			known[key] = true
			once = append(once, e)
		}
	}
	return once
}
