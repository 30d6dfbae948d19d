package main

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/rs/zerolog"

	"aiccbridge/config"
	"aiccbridge/internal/ccgateway"
	"aiccbridge/internal/platformsim/world"
	"aiccbridge/internal/platformsim/world/seat"
	"aiccbridge/schemas"
)

// softphones sign the scene's agents in and poll, as somebody else does. The events that they
// have got are counted until stop, which leaves the agents signed in.
func (s *scene) softphones() (got *atomic.Int64, stop func()) {
	s.t.Helper()
	set := s.sim.Settings()
	cfg, err := config.Load(s.path())
	if err != nil {
		s.t.Fatal(err)
	}
	client, err := ccgateway.New(ccgateway.Options{URL: set.GatewayURL, RootCAs: cfg.Tenants[0].Monitor.RootCAs, Hold: time.Second, PollTimeout: 10 * time.Second, Logger: zerolog.Nop()})
	if err != nil {
		s.t.Fatal(err)
	}
	got = new(atomic.Int64)
	ctx, cancel := context.WithCancel(s.t.Context())
	var phones sync.WaitGroup
	for _, a := range set.Agents {
		phone := client.Agent(a.ID)
		if _, err := phone.SignIn(s.t.Context(), ccgateway.SignIn{Password: a.Password, Phone: a.Phone}); err != nil {
			s.t.Fatal(err)
		}
		if err := phone.ResetSkills(s.t.Context()); err != nil {
			s.t.Fatal(err)
		}
		phones.Go(func() {
			for ctx.Err() == nil {
				got.Add(int64(len(phone.Poll(s.t.Context()).Events)))
			}
		})
	}
	return got, func() {
		cancel()
		phones.Wait()
		client.Close()
	}
}

// A phase is the time for which an agent was in one state.
type phase struct {
	state       int
	from, until time.Time
}

// phases is what an agent went through, which begins signed out and has not ended.
func phases(moves []seat.Move, agent string) []phase {
	all := []phase{{state: world.SignedOut}}
	for _, m := range moves {
		if m.Agent == agent {
			all[len(all)-1].until = m.At
			all = append(all, phase{state: m.State, from: m.At})
		}
	}
	all[len(all)-1].until = time.Now()
	return all
}

// TestMonitor: agents sign in elsewhere and work. The bridge, which looks, publishes where they
// stand, takes no event and signs nobody out.
func TestMonitor(t *testing.T) {
	s := newScene(t, setup{agents: 5, monitor: true, slow: 6})
	r := s.run()
	c := s.consumer()
	defer c.Close()
	got, hangUp := s.softphones()
	seen := map[string][]schemas.Event{}
	read := func() (n int) {
		clear(seen)
		err := c.Read(t.Context(), schemas.StreamEvents, "", 0, func(m schemas.Stored) error {
			if m.Get("ce-type") != schemas.TypeEvent {
				return nil
			}
			var e schemas.Event
			if err := json.Unmarshal(m.Body, &e); err != nil {
				return err
			}
			n++
			seen[e.Agent] = append(seen[e.Agent], e)
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
		return n
	}
	s.until("many states were seen", func() bool { return read() >= 20 })
	hangUp()
	read()
	truth := s.sim.Truth()
	live := map[int]schemas.State{
		world.SignedOut: schemas.StateSignedOut, world.Busy: schemas.StateNotReady, world.Idle: schemas.StateReady,
		world.WrapUp: schemas.StateWrapup, world.InCall: schemas.StateOnCall, world.Resting: schemas.StateRest,
	}
	for agent, all := range seen {
		for i, e := range all {
			if e.Via != schemas.WayMonitor || e.Group != schemas.GroupState || i > 0 && e.State == all[i-1].State || e.Seq != uint64(i+1) {
				t.Errorf("agent %s: %+v", agent, e)
			}
			if !slices.ContainsFunc(phases(truth.Moves, agent), func(in phase) bool {
				return live[in.state] == e.State && in.from.Before(e.OccurredBefore.Add(time.Second)) && in.until.After(e.OccurredAfter.Add(-2*time.Second))
			}) {
				t.Errorf("agent %s was not %s between %v and %v", agent, e.State, e.OccurredAfter, e.OccurredBefore)
			}
		}
	}
	for _, session := range truth.Sessions {
		if session.Change != "signed_in" {
			t.Errorf("%+v", session)
		}
	}
	if int(got.Load()) != len(truth.Events) || len(truth.Events) == 0 {
		t.Errorf("softphones got %d events of %d", got.Load(), len(truth.Events))
	}
	t.Attr("figure", fmt.Sprintf("%d states seen of 5 agents, 0 of %d events taken, 0 sign-outs", read(), len(truth.Events)))
	r.end()
}

// TestLooksBesidePolls: with events: poll and a section monitor the bridge confirms what polls
// have brought, and publishes nothing that they did not miss.
func TestLooksBesidePolls(t *testing.T) {
	t.Parallel()
	s := newScene(t, setup{agents: 3, confirmed: true, slow: 20})
	r := s.run()
	looked := func() (n float64) {
		families, err := r.metrics.Gather()
		if err != nil {
			t.Fatal(err)
		}
		for _, f := range families {
			for _, m := range f.GetMetric() {
				if f.GetName() == "aicc_poller_looks_total" {
					n += m.GetCounter().GetValue()
				}
			}
		}
		return n
	}
	s.until("each agent's loop has taken a look", func() bool { return looked() >= 3 })
	s.sim.Quiesce()
	s.until("the contact centre is quiet", s.sim.Quiet)
	r.judge = true
	r.end()
	if !r.report.OK {
		t.Errorf("the streams differ from the truth: %+v", r.report)
	}
}
