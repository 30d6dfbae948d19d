package push

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"fmt"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
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

func gatewayOf(t *testing.T, sim *platformsim.Sim) *ccgateway.Client {
	t.Helper()
	roots := x509.NewCertPool()
	roots.AppendCertsFromPEM([]byte(sim.Settings().CAPEM))
	client, err := ccgateway.New(ccgateway.Options{URL: sim.Settings().GatewayURL, RootCAs: roots})
	if err != nil {
		t.Fatal(err)
	}
	return client
}

// signsIn has all agents of the platform signed in and kept so by a pool, until stop is called.
func (s *scene) signsIn(t *testing.T, sim *platformsim.Sim) (stop func()) {
	t.Helper()
	client := gatewayOf(t, sim)
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

// TestSilentAgentOfOthers: of an agent whom somebody else signed in, and whose heartbeats stop,
// the platform pushes that it has signed the agent out; the bridge publishes that once, in
// either dialect, although it comes twice.
func TestSilentAgentOfOthers(t *testing.T) {
	const token, shutdown = "secretofthewholetenant0123456789", "AgentOther_ShutdownService"
	for dialect, to := range map[string]func(address string) ccgateway.PushTo{
		"callBackUri": func(a string) ccgateway.PushTo { return ccgateway.PushTo{CallBackURI: a, ServiceToken: token} },
		"pushUrl":     func(a string) ccgateway.PushTo { return ccgateway.PushTo{PushURL: a + "?token=" + token} },
	} {
		t.Run(dialect, func(t *testing.T) {
			sim := simulator(t, platformsim.Options{
				Agents: 1, Seed: 7, Pace: lively, Faults: []fault.Rule{{Fault: "push.twice", Share: 1}},
				Gateway: gateway.Options{ShutdownEvent: true, Push: platformpush.Options{MaxSilence: 2 * time.Second}},
			})
			s := newScene(t, func(o *Options) { o.Secrets = func() []string { return []string{token} } })
			s.listens(t, sim)
			s.own()
			client, a := gatewayOf(t, sim), sim.Settings().Agents[0]
			defer client.Close()
			backend := client.Agent(a.ID)
			if _, err := backend.SignIn(t.Context(), ccgateway.SignIn{Password: a.Password, Phone: a.Phone, Push: to(s.inlet.o.URL.String())}); err != nil {
				t.Fatal(err)
			}
			if _, err := backend.Heartbeat(t.Context()); err != nil {
				t.Fatal(err)
			}
			state := func() (st schemas.AgentState) {
				value, _, _ := states{s.shelf}.Get(t.Context(), schemas.AgentKey("acme", a.ID))
				_ = json.Unmarshal(value, &st)
				return st
			}
			wait(t, "signed in", func() bool { return slices.Contains(s.shelf.types(t, a.ID), "AgentOther_InService") })
			if st := state(); st.State == schemas.StateSignedOut {
				t.Errorf("signed in, and the state is %+v", st)
			}
			wait(t, "signed out", func() bool { return state().State == schemas.StateSignedOut })
			wait(t, "pushed twice", func() bool { // an event is counted after its last push
				e := sim.Truth().Events
				return e[len(e)-1].Type == shutdown
			})
			types := s.shelf.types(t, a.ID)
			if strings.Count(strings.Join(types, " "), shutdown) != 1 || types[len(types)-1] != shutdown {
				t.Errorf("stored: %q", types)
			}
		})
	}
}
