package push

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"fmt"
	"net/http"
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
	"aiccbridge/internal/truthcheck"
	"aiccbridge/poller"
	"aiccbridge/poller/session"
	"aiccbridge/schemas"
)

// lively is a world in which a call lasts some seconds.
var lively = world.Pace{
	Idle: 2 * time.Second, Queue: 2 * time.Second, Ring: 500 * time.Millisecond,
	Talk: 3 * time.Second, WrapUp: time.Second, Rest: 2 * time.Second, Signal: 100 * time.Millisecond,
}

// calm is a slower one: each event is a push, on a connection of its own.
var calm = world.Pace{
	Idle: 20 * time.Second, Queue: 5 * time.Second, Ring: time.Second,
	Talk: 10 * time.Second, WrapUp: 5 * time.Second, Rest: 10 * time.Second, Signal: 100 * time.Millisecond,
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
	server := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if s.cutOff.Load() {
			panic(http.ErrAbortHandler) // the connection breaks
		}
		s.inlet.ServeHTTP(w, r)
	}))
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
	for end := time.Now().Add(3 * time.Minute); !until(); time.Sleep(250 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("%s: not within three minutes", what)
		}
	}
}

// compared is what the shelf holds against what the platform gave out.
func (s *scene) compared(sim *platformsim.Sim) truthcheck.Report {
	check := truthcheck.New(time.UTC, "acme")
	s.shelf.mu.Lock()
	defer s.shelf.mu.Unlock()
	for i, m := range s.shelf.kept {
		check.Message(schemas.Stored{Subject: m.Subject, Sequence: uint64(i + 1), Header: m.Headers(), Body: m.Body})
	}
	return check.Compare(sim.Truth())
}

// show says the figures of a report.
func show(t *testing.T, agents int, sim *platformsim.Sim, e truthcheck.EventReport) (pushes, again int) {
	t.Helper()
	all := sim.Truth().Pushes
	for _, p := range all {
		if p.Fault != "" {
			again++
		}
	}
	t.Attr("figure", fmt.Sprintf("agents %d, events %d, pushes %d, of which again %d", agents, e.Popped, len(all), again))
	t.Attr("lost", fmt.Sprintf("%d, of which outside gaps %d", len(e.Lost), e.UnexplainedLost))
	t.Attr("duplicated", fmt.Sprint(e.Duplicated))
	t.Attr("misordered", fmt.Sprint(e.Misordered))
	t.Attr("gaps", fmt.Sprint(e.Gaps))
	return len(all), again
}

// TestEveryEventOnce: 200 agents whose lists come twice, or again because the answer was not
// heard: what the platform gave out is what is stored, once and in its order. A pushUrl is tried
// three times: an event that was taken and not heard is then given up by the platform, and stored
// all the same. Where the bridge is slow, what was tried three times in vain is lost, in a gap.
func TestEveryEventOnce(t *testing.T) {
	for name, test := range map[string]struct {
		agents int
		each   int // events of an agent, about
		single bool
		shape  wire.Shape
		pace   world.Pace
	}{
		"lists":             {200, 8, false, wire.Shape{}, lively},
		"lists, no times":   {40, 8, false, wire.Shape{NoGenTime: true}, lively},
		"events one by one": {200, 5, true, wire.Shape{}, calm},
	} {
		t.Run(name, func(t *testing.T) {
			agents := test.agents
			sim := simulator(t, platformsim.Options{
				Agents: agents, Seed: 7, Pace: test.pace,
				Gateway: gateway.Options{
					Shape: test.shape, StaticGUID: test.single, // as older clients need it
					Push: platformpush.Options{RepeatEvery: 50 * time.Millisecond, Pause: 50 * time.Millisecond},
				},
			})
			if err := sim.SetFaults(fault.Rule{Fault: "push.twice", Share: 0.5}, fault.Rule{Fault: "push.unheard", Share: 0.3}); err != nil {
				t.Fatal(err)
			}
			s := newScene(t, func(o *Options) { o.PushURL = test.single })
			s.listens(t, sim)
			stop := s.signsIn(t, sim)
			wait(t, "events", func() bool { return len(sim.Truth().Events) > test.each*agents })
			sim.Quiesce()
			wait(t, "quiet", sim.Quiet)
			stop()
			r := s.compared(sim)
			pushes, again := show(t, agents, sim, r.Events)
			// On a machine that is too busy to take any push in time sessions end, and gaps say so; there
			// is no order between the last events of one session and the first of the next.
			ended := slices.ContainsFunc(sim.Truth().Sessions, func(c truth.Session) bool { return c.Change != "signed_in" })
			good := r.OK && (test.single || len(r.Events.Lost)+r.Events.Gaps == 0)
			if ended {
				good = r.Events.UnexplainedLost+r.Events.Duplicated+r.Events.Foreign == 0
			}
			if !good || again < pushes/4 {
				t.Errorf("%d pushes, %d again; sessions ended: %t; %q", pushes, again, ended, r.Problems)
			}
		})
	}
}

// TestSignedInAgainAndAgain: agents are signed in by force while events of their sessions before are
// on their way, and come twice: nothing is stored twice, whosever turn it was.
func TestSignedInAgainAndAgain(t *testing.T) {
	t.Parallel()
	const token = "secretofthewholetenant0123456789"
	for dialect, to := range map[string]func(address string) ccgateway.PushTo{
		"callBackUri": func(a string) ccgateway.PushTo { return ccgateway.PushTo{CallBackURI: a, ServiceToken: token} },
		"pushUrl":     func(a string) ccgateway.PushTo { return ccgateway.PushTo{PushURL: a + "?token=" + token} },
	} {
		t.Run(dialect, func(t *testing.T) {
			sim := simulator(t, platformsim.Options{Agents: 5, Seed: 7, Pace: lively, Gateway: gateway.Options{StaticGUID: true}})
			err := sim.SetFaults(fault.Rule{Fault: "push.twice", Share: 0.7}, fault.Rule{Fault: "push.late", Share: 0.5, Delay: fault.Duration(100 * time.Millisecond)})
			if err != nil {
				t.Fatal(err)
			}
			s := newScene(t, func(o *Options) { o.Secrets = func() []string { return []string{token} } })
			s.listens(t, sim)
			s.own()
			client := gatewayOf(t, sim)
			defer client.Close()
			for range 10 {
				for _, a := range sim.Settings().Agents {
					in := ccgateway.SignIn{Password: a.Password, Phone: a.Phone, Push: to(s.inlet.o.URL.String())}
					if _, err := client.Agent(a.ID).ForceSignIn(t.Context(), in); err != nil {
						t.Fatal(err)
					}
				}
			}
			sim.Quiesce()
			wait(t, "quiet", sim.Quiet)
			s.stop()
			r := s.compared(sim)
			show(t, 5, sim, r.Events)
			if r.Events.UnexplainedLost+r.Events.Duplicated+r.Events.Foreign > 0 || r.Events.Popped < 25 {
				t.Errorf("%d pushed; %q", r.Events.Popped, r.Problems)
			}
		})
	}
}

// TestGivenUpByThePlatform: while nothing can be stored, each event that comes to a pushUrl is
// tried three times and dropped. All that is lost so lies in gaps, and nothing comes twice.
func TestGivenUpByThePlatform(t *testing.T) {
	t.Parallel()
	const agents = 20
	sim := simulator(t, platformsim.Options{
		Agents: agents, Seed: 7, Pace: lively, Gateway: gateway.Options{Push: platformpush.Options{Pause: 50 * time.Millisecond}},
	})
	s := newScene(t, func(o *Options) { o.PushURL, o.AnswerWithin = true, 100*time.Millisecond })
	s.listens(t, sim)
	stop := s.signsIn(t, sim)
	wait(t, "events", func() bool { return len(sim.Truth().Events) > 5*agents })
	release := s.shelf.holdBack()
	wait(t, "given up", func() bool {
		given := 0
		for _, e := range sim.Truth().Events {
			if e.Cut {
				given++
			}
		}
		return given > 3*agents
	})
	release()
	before := len(sim.Truth().Events)
	wait(t, "events", func() bool { return len(sim.Truth().Events) > before+5*agents })
	sim.Quiesce()
	wait(t, "quiet", sim.Quiet)
	stop()
	r := s.compared(sim)
	show(t, agents, sim, r.Events)
	if !r.OK || len(r.Events.Lost) == 0 || r.Events.Gaps == 0 {
		t.Errorf("%d lost, %d gaps; %q", len(r.Events.Lost), r.Events.Gaps, r.Problems)
	}
}

// TestCutOffFromThePlatform: when pushes do not arrive for long the platform signs the agents out,
// and drops what waits. The bridge hears of it by a heartbeat; all that is lost lies in gaps.
func TestCutOffFromThePlatform(t *testing.T) {
	t.Parallel()
	const agents = 5
	sim := simulator(t, platformsim.Options{
		Agents: agents, Seed: 7, Pace: lively,
		Gateway: gateway.Options{Push: platformpush.Options{RepeatEvery: 100 * time.Millisecond, GiveUp: 3 * time.Second, MaxSilence: time.Minute}},
	})
	s := newScene(t)
	s.listens(t, sim)
	stop := s.signsIn(t, sim)
	wait(t, "events", func() bool { return len(sim.Truth().Events) > 5*agents })
	s.cutOff.Store(true)
	all := func(change string, n int) func() bool {
		return func() bool {
			changes := slices.DeleteFunc(sim.Truth().Sessions, func(c truth.Session) bool { return c.Change != change })
			return len(changes) >= n
		}
	}
	wait(t, "signed out", all("unreachable", agents))
	s.cutOff.Store(false)
	wait(t, "signed in again", all("signed_in", 2*agents)) // after the next heartbeat
	sim.Quiesce()
	wait(t, "quiet", sim.Quiet)
	stop()
	r := s.compared(sim)
	show(t, agents, sim, r.Events)
	if !r.OK || len(r.Events.Lost) == 0 || r.Events.Gaps < agents {
		t.Errorf("%d lost, %d gaps; %q", len(r.Events.Lost), r.Events.Gaps, r.Problems)
	}
}

// TestSilentAgent: the platform signs an agent out who sends no heartbeats; the bridge learns it
// by its next one, says so and signs the agent in again.
func TestSilentAgent(t *testing.T) {
	t.Parallel()
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
	t.Parallel()
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
