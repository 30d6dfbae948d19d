package allagents

import (
	"context"
	"crypto/x509"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"aiccbridge/internal/ccgateway"
	"aiccbridge/internal/platformsim"
	"aiccbridge/internal/platformsim/gateway"
	"aiccbridge/internal/platformsim/world"
)

// lively is a world in which a call lasts some seconds.
var lively = world.Pace{
	Idle: 2 * time.Second, Queue: 2 * time.Second, Ring: 500 * time.Millisecond,
	Talk: 3 * time.Second, WrapUp: time.Second, Rest: 2 * time.Second, Signal: 100 * time.Millisecond,
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

// TestEventsOfAll: the agents are signed in by somebody else; what the platform gave out to the
// poll of all agents is what is stored, once and in the order of each.
func TestEventsOfAll(t *testing.T) {
	const agents = 20
	sim, err := platformsim.New(platformsim.Options{
		Agents: agents, Seed: 7, Pace: lively, Gateway: gateway.Options{AllAgents: true, AllAgentsCounts: true, StaticGUID: true},
	})
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
	roots := x509.NewCertPool()
	roots.AppendCertsFromPEM([]byte(sim.Settings().CAPEM))
	client, err := ccgateway.New(ccgateway.Options{URL: sim.Settings().GatewayURL, RootCAs: roots})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(client.Close)
	ticket := ""
	for _, a := range sim.Settings().Agents {
		as := client.Agent(a.ID)
		if _, err := as.SignIn(ctx, ccgateway.SignIn{Password: a.Password, Phone: a.Phone, Status: 4}); err != nil {
			t.Fatal(err)
		}
		if err := as.ResetSkills(ctx); err != nil {
			t.Fatal(err)
		}
		ticket = as.Ticket()
	}
	s := newScene()
	all := client.AllAgents()
	stop, _ := s.own(t, Node{"one", func(ctx context.Context, _ string) ccgateway.Poll { return all.Poll(ctx, ticket) }})
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
		got := slices.DeleteFunc(s.shelf.types(t, a.ID), func(kind string) bool { return strings.HasPrefix(kind, "bridge.") })
		lost += max(0, len(want[a.ID])-len(got))
		twice += max(0, len(got)-len(want[a.ID]))
		if len(got) == len(want[a.ID]) && !slices.Equal(got, want[a.ID]) {
			misordered++
		}
	}
	t.Attr("figure", fmt.Sprintf("agents %d, events %d", agents, len(sim.Truth().Events)))
	if lost+twice+misordered > 0 || len(want) < agents {
		t.Errorf("lost %d, twice %d, misordered %d, of %d agents", lost, twice, misordered, len(want))
	}
}
