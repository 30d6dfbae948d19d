package push

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"net/http/httptest"
	"net/url"
	"slices"
	"testing"
	"time"

	"aiccbridge/internal/ccgateway"
	"aiccbridge/internal/platformsim"
	"aiccbridge/internal/platformsim/fault"
	"aiccbridge/internal/platformsim/gateway"
	platformpush "aiccbridge/internal/platformsim/gateway/push"
	"aiccbridge/internal/platformsim/gateway/wire"
	"aiccbridge/internal/platformsim/truth"
	"aiccbridge/internal/platformsim/world"
	"aiccbridge/poller"
	"aiccbridge/poller/session"
	"aiccbridge/schemas"
)

// lively is a world in which a call lasts some seconds.
var lively = world.Pace{
	Idle: 2 * time.Second, Queue: 2 * time.Second, Ring: 500 * time.Millisecond,
	Talk: 3 * time.Second, WrapUp: time.Second, Rest: 2 * time.Second, Signal: 100 * time.Millisecond,
}

// simulator runs until the end of the test.
func simulator(t *testing.T, o platformsim.Options) *platformsim.Sim {
	t.Helper()
	sim, err := platformsim.New(o)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- sim.Run(ctx) }()
	t.Cleanup(func() {
		cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
	<-sim.Ready()
	return sim
}

// listens serves the inlet over HTTPS, with the certificate that the platform trusts.
func (s *scene) listens(t *testing.T, sim *platformsim.Sim) {
	server := httptest.NewUnstartedServer(s.inlet)
	pair, err := tls.X509KeyPair([]byte(sim.Settings().CallbackCertPEM), []byte(sim.Settings().CallbackKeyPEM))
	if err != nil {
		t.Fatal(err)
	}
	server.TLS = &tls.Config{Certificates: []tls.Certificate{pair}, MinVersion: tls.VersionTLS12}
	server.StartTLS()
	t.Cleanup(server.Close)
	u, err := url.Parse(server.URL)
	if err != nil {
		t.Fatal(err)
	}
	s.inlet.o.URL = u.JoinPath("events", "acme")
}

// signsIn has all agents of the platform signed in and kept so by a pool, until stop is called.
func (s *scene) signsIn(t *testing.T, sim *platformsim.Sim) (stop func()) {
	t.Helper()
	roots := x509.NewCertPool()
	roots.AppendCertsFromPEM([]byte(sim.Settings().CAPEM))
	client, err := ccgateway.New(ccgateway.Options{URL: sim.Settings().GatewayURL, RootCAs: roots})
	if err != nil {
		t.Fatal(err)
	}
	o := s.options()
	o.Agent = func(id string) session.Gateway { return client.Agent(id) }
	o.StartSpread = -1
	desk := s.inlet.Desk(o)
	o.Loop = desk.Loop
	pool, err := poller.New(o)
	if err != nil {
		t.Fatal(err)
	}
	var agents []session.Agent
	for _, a := range sim.Settings().Agents {
		agents = append(agents, session.Agent{ID: a.ID, Phone: a.Phone, Password: a.Password})
	}
	wanted := make(chan []session.Agent, 1)
	wanted <- agents
	intake, end := context.WithCancel(context.Background())
	done := make(chan error, 2)
	go func() { done <- desk.Run(intake, context.Background()) }()
	go func() { done <- pool.Run(intake, context.Background(), wanted) }()
	stopped := false
	stop = func() {
		if stopped {
			return
		}
		stopped = true
		end()
		for range 2 {
			if err := <-done; err != nil {
				t.Error(err)
			}
		}
		client.Close()
	}
	t.Cleanup(stop)
	return stop
}

// wait polls what another process would show.
func wait(t *testing.T, what string, until func() bool) {
	t.Helper()
	for end := time.Now().Add(time.Minute); !until(); time.Sleep(250 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("%s: not within a minute", what)
		}
	}
}

// TestEveryEventOnce: 200 agents whose lists come twice, or again because the answer was not
// heard: what the platform gave out is what is stored, once and in its order.
func TestEveryEventOnce(t *testing.T) {
	for name, test := range map[string]struct {
		agents int
		single bool
		shape  wire.Shape
	}{
		"lists":             {200, false, wire.Shape{}},
		"lists, no times":   {40, false, wire.Shape{NoGenTime: true}},
		"events one by one": {40, true, wire.Shape{}},
	} {
		t.Run(name, func(t *testing.T) {
			agents := test.agents
			sim := simulator(t, platformsim.Options{
				Agents: agents, Seed: 7, Pace: lively,
				Gateway: gateway.Options{Shape: test.shape, Push: platformpush.Options{RepeatEvery: 50 * time.Millisecond, Pause: 50 * time.Millisecond, Tries: 200}},
			})
			if err := sim.SetFaults(fault.Rule{Fault: "push.twice", Share: 0.5}, fault.Rule{Fault: "push.unheard", Share: 0.3}); err != nil {
				t.Fatal(err)
			}
			s := newScene(t, func(o *Options) { o.PushURL = test.single })
			s.listens(t, sim)
			stop := s.signsIn(t, sim)
			wait(t, "events", func() bool { return len(sim.Truth().Events) > 10*agents })
			sim.Quiesce()
			wait(t, "quiet", sim.Quiet)
			stop()
			want := map[string][]string{}
			for _, e := range sim.Truth().Events {
				want[e.Agent] = append(want[e.Agent], e.Type)
			}
			lost, twice, misordered := 0, 0, 0
			for _, a := range sim.Settings().Agents {
				got := slices.DeleteFunc(s.shelf.types(t, a.ID), func(kind string) bool { return len(kind) > 7 && kind[:7] == "bridge." })
				lost += max(0, len(want[a.ID])-len(got))
				twice += max(0, len(got)-len(want[a.ID]))
				if len(got) == len(want[a.ID]) && !slices.Equal(got, want[a.ID]) {
					misordered++
				}
			}
			pushes, again := sim.Truth().Pushes, 0
			for _, p := range pushes {
				if p.Fault != "" {
					again++
				}
			}
			t.Attr("figure", fmt.Sprintf("agents %d, events %d, pushes %d, of which again %d", agents, len(sim.Truth().Events), len(pushes), again))
			t.Attr("lost", fmt.Sprint(lost))
			t.Attr("duplicated", fmt.Sprint(twice))
			t.Attr("misordered", fmt.Sprint(misordered))
			if lost+twice+misordered > 0 || again < len(pushes)/4 {
				t.Errorf("lost %d, twice %d, misordered %d; %d pushes, %d again", lost, twice, misordered, len(pushes), again)
			}
		})
	}
}

// TestSilentAgent: the platform signs an agent out who sends no heartbeats; the bridge learns it
// by its next one, says so and signs the agent in again.
func TestSilentAgent(t *testing.T) {
	sim := simulator(t, platformsim.Options{
		Agents: 1, Seed: 7, Pace: lively, Gateway: gateway.Options{Push: platformpush.Options{MaxSilence: 2 * time.Second}},
	})
	s := newScene(t)
	s.listens(t, sim)
	agent := sim.Settings().Agents[0].ID
	has := func(kind string) func() bool {
		return func() bool { return slices.Contains(s.shelf.types(t, agent), kind) }
	}
	stop := s.signsIn(t, sim)
	wait(t, "signed in", has(schemas.EventSignedIn))
	stop()
	wait(t, "silent", func() bool {
		return slices.ContainsFunc(sim.Truth().Sessions, func(c truth.Session) bool { return c.Change == "silent" })
	})
	stop = s.signsIn(t, sim)
	wait(t, "signed out", has(schemas.EventSignedOut))
	wait(t, "signed in again", func() bool {
		types := s.shelf.types(t, agent)
		return slices.Contains(types[slices.Index(types, schemas.EventSignedOut):], schemas.EventSignedIn)
	})
	stop()
}
