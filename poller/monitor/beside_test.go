package monitor_test

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"aiccbridge/internal/ccgateway"
	"aiccbridge/internal/platformsim/fault"
	"aiccbridge/internal/platformsim/gateway"
	"aiccbridge/internal/platformsim/world"
	"aiccbridge/poller"
	"aiccbridge/poller/monitor"
	"aiccbridge/poller/session"
	"aiccbridge/schemas"
)

// entries is a bucket of sessions.
type entries struct {
	mu     sync.Mutex
	values map[string][]byte
	revs   map[string]uint64
}

func (b *entries) Get(_ context.Context, key string) ([]byte, uint64, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.values[key], b.revs[key], nil
}

func (b *entries) Swap(_ context.Context, key string, value []byte, revision uint64) (uint64, bool, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.revs[key] != revision {
		return 0, false, nil
	}
	b.values[key], b.revs[key] = value, revision+1
	return revision + 1, true, nil
}

// clear seals nothing.
type clear struct{}

func (clear) Seal(plain []byte, _ string) (string, error)  { return string(plain), nil }
func (clear) Open(sealed string, _ string) ([]byte, error) { return []byte(sealed), nil }

// poll lets a bridge sign the agents in and poll them, beside looks, until stop is called.
func (s *scene) poll(faults *fault.Book) (stop func()) {
	s.t.Helper()
	g, err := gateway.New(gateway.Options{Floor: s.floor, Truth: s.truth, Faults: faults})
	if err != nil {
		s.t.Fatal(err)
	}
	line := &pipes{conns: make(chan net.Conn), done: make(chan struct{})}
	server := &http.Server{Handler: g}
	served := make(chan error, 1)
	go func() { served <- server.Serve(line) }()
	client := must(ccgateway.New(ccgateway.Options{URL: "http://gateway.example.com/agentgateway/resource", DialContext: line.dial}))
	sights := session.NewSights()
	pool := must(poller.New(poller.Options{
		Tenant: "acme", Names: must(schemas.NewNames("aicc")), Epoch: 1, StartSpread: -1,
		Agent: func(id string) session.Gateway { return client.Agent(id) },
		Store: s.shelf, States: s.shelf, Sessions: &entries{values: map[string][]byte{}, revs: map[string]uint64{}}, Seal: clear{}, Sights: sights,
	}))
	beside := monitor.Beside{Tenant: "acme", Platform: s.client, Agents: sights.Agents, Saw: sights.Saw}
	ctx, cancel := context.WithCancel(s.t.Context())
	wanted := make(chan []session.Agent, 1)
	var agents []session.Agent
	for _, a := range s.floor.Agents() {
		agents = append(agents, session.Agent{ID: a.ID, Phone: a.Phone, Password: a.Password})
	}
	wanted <- agents
	var running sync.WaitGroup
	running.Go(func() {
		if err := pool.Run(ctx, s.t.Context(), wanted); err != nil {
			s.t.Error(err)
		}
	})
	running.Go(func() { _ = beside.Run(ctx) })
	return func() {
		cancel()
		running.Wait()
		client.Close()
		_ = server.Close()
		<-served
		synctest.Wait()
	}
}

// TestHealsWhatPollsLost: answers are cut after their events were taken, and the gateway does not
// say where agents stand. The states that are missing are published by what looks show, each
// true at its time; and nothing is while polls lose nothing.
func TestHealsWhatPollsLost(t *testing.T) {
	for name, lacks := range map[string][]string{"each platform": nil, "one without details": {"agentgroup/agentstatusinfobyagentids"}} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				const agents = 8
				begun := time.Now()
				s := newScene(t, world.Options{Agents: agents, Seed: 7, Pace: world.Pace{Idle: 3 * time.Minute, Queue: 4 * time.Second, Ring: 3 * time.Second, Talk: 4 * time.Minute, WrapUp: 2 * time.Minute, Rest: 3 * time.Minute}}, lacks...)
				faults := fault.NewBook(gateway.FaultKinds(), 7, time.Now)
				stop, rest := s.poll(faults), s.work()
				time.Sleep(20 * time.Minute)
				if n := len(s.healed()); n > 0 {
					t.Errorf("%d heals without a loss: %+v", n, s.healed()[0])
				}
				if err := faults.Set([]fault.Rule{{Fault: "poll.cut_after_pop", Share: 0.2}, {Fault: "session.status", Operation: "agentstatus", Status: 503, Share: 1}}); err != nil {
					t.Fatal(err)
				}
				time.Sleep(time.Hour)
				if err := faults.Set(nil); err != nil {
					t.Fatal(err)
				}
				time.Sleep(5 * time.Minute)
				stop()
				rest()
				healed, gaps := s.healed(), 0
				for _, e := range healed {
					s.holds(e, begun)
					if e.Reconstructed.Gap != nil {
						gaps++
					}
				}
				if len(healed) < 10 || gaps < len(healed)/2 {
					t.Errorf("%d states were healed, %d of them in a gap", len(healed), gaps)
				}
				t.Attr("figure", fmt.Sprintf("%s: %d states healed, %d of them in a gap of their agent, each as the truth has it", name, len(healed), gaps))
			})
		})
	}
}

// healed are the events that looks prove.
func (s *scene) healed() (all []schemas.Event) {
	s.shelf.mu.Lock()
	defer s.shelf.mu.Unlock()
	for _, e := range s.shelf.events {
		if e.Reconstructed != nil {
			all = append(all, e)
		}
	}
	return all
}

// holds holds a heal against the truth: the agent was in that state when he was looked at, had
// come to it in the interval, and no event of that had been stored.
func (s *scene) holds(e schemas.Event, from time.Time) {
	s.t.Helper()
	spells := s.spells(e.Agent, from)
	i := slices.IndexFunc(spells, func(p spell) bool {
		at := e.Reconstructed.LookedAt
		return p.state == e.State && !p.begin.After(at) && !p.end.Before(at)
	})
	switch {
	case e.Via != schemas.WayMonitor || e.Type != schemas.EventSeen(e.State):
		s.t.Errorf("%+v", e)
	case i < 0:
		s.t.Errorf("agent %s was not %s at %v", e.Agent, e.State, e.Reconstructed.LookedAt)
	case spells[i].begin.Before(e.OccurredAfter.Add(-time.Second)) || spells[i].begin.After(e.OccurredBefore):
		s.t.Errorf("agent %s: %s began at %v, and not between %v and %v", e.Agent, e.State, spells[i].begin, e.OccurredAfter, e.OccurredBefore)
	}
}
