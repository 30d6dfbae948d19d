//go:build browser

package main

import (
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"testing"

	"aiccbridge/internal/browsertest"
	"aiccbridge/internal/platformsim"
	"aiccbridge/schemas"
	"aiccbridge/schemas/events"
)

// standing is where the agents stand by the events that the simulator gave away, as the tiles
// would say it.
func standing(sim *platformsim.Sim) map[string]string {
	at, all := map[string]schemas.AgentState{}, map[string]string{}
	for i, truth := range sim.Truth().Events {
		e := schemas.Event{Via: schemas.WayPoll, Tenant: tenantName, Agent: truth.Agent, Type: truth.Type, ReceivedAt: truth.At, Position: schemas.Position{Epoch: 1, Seq: uint64(i + 1)}}
		info, _ := events.Lookup(truth.Type)
		info.Fill(&e, json.RawMessage(truth.Content))
		at[truth.Agent] = events.After(at[truth.Agent], e)
		all[truth.Agent] = fmt.Sprintf("%s %s", at[truth.Agent].State, at[truth.Agent].CallID)
	}
	return all
}

// tiles are where the agents stand by the page.
const tiles = `Object.fromEntries(Array.from(document.querySelectorAll('.tile'), t => [
	t.querySelector('b').textContent,
	Array.from(t.classList).find(c => c.startsWith('s-')).slice(2) + ' ' + t.querySelector('.call').textContent.replace(/^call /, ''),
]))`

// TestBrowserFollowsTheSimulator: the tiles are where the simulator's agents are, while they
// work, and again after the bridge was killed and started anew.
func TestBrowserFollowsTheSimulator(t *testing.T) {
	s := newScene(t, setup{agents: 12, slow: 12, long: true, kinds: schemas.Kinds()})
	bridge := s.start()
	b := browsertest.Open(t)
	b.As(browsertest.Look{Width: 1600, Height: 1000})
	s.until("the admin listener is open", func() bool {
		answer, err := http.Get("http://" + s.admin + "/livez")
		if err == nil {
			answer.Body.Close()
		}
		return err == nil
	})
	b.Goto("http://" + s.admin + "/")
	matches, last := 0, map[string]string{}
	follow := func(times int) {
		t.Helper()
		for want := matches + times; matches < want; {
			s.until("the tiles are where the agents are", func() bool {
				truth, page := standing(s.sim), browsertest.Value[map[string]string](b, tiles)
				return len(page) == 12 && maps.Equal(page, truth) && !maps.Equal(page, last)
			})
			last = browsertest.Value[map[string]string](b, tiles)
			matches++
		}
	}
	follow(5)
	t.Logf("the tiles agree with the truth: %v", slices.Sorted(maps.Values(last)))
	b.Until(`document.querySelectorAll('#p-coverage rect.m-complete').length > 0`)
	b.Shoot("simulator")
	b.Excuse(true)
	bridge.kill()
	b.Until(`document.getElementById('link').textContent.startsWith('No news since')`)
	s.start()
	b.Until(`document.getElementById('link').textContent === 'live'`)
	b.Excuse(false)
	follow(3)
	b.Excuse(true) // the bridge ends before the browser does
}
