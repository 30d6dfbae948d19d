package main

import (
	"encoding/json"
	"fmt"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/nats-io/nats.go"

	"aiccbridge/poller/handover"
	"aiccbridge/schemas/requests"
)

// TestReloadHandover: a reload brings the tenant's first agent whose session is handed over, and
// another beside him; both are polled as soon as they are handed over, and nobody else notices.
func TestReloadHandover(t *testing.T) {
	t.Parallel()
	s := reloadable(t, setup{agents: 4, slow: 20, silent: 2 * patience, embedded: true}, 0) // a backend of any name may ask
	s.alter("level: debug", "level: info")
	all := s.sim.Settings().Agents
	good := s.read(s.path())
	listed := func(handed int) {
		t.Helper()
		var lines []string
		for line := range strings.Lines(good) {
			for i, a := range all[2:] {
				if !strings.Contains(line, fmt.Sprintf("{id: %q,", a.ID)) {
					continue
				}
				if line = ""; i < handed {
					line = fmt.Sprintf("        - {id: %q, phone: %q, events: handover}\n", a.ID, a.Phone)
				}
			}
			lines = append(lines, line)
		}
		s.write(s.path(), strings.Join(lines, ""))
	}
	listed(0)
	c := s.start()
	s.until("the bridge's own are polled", func() bool { return len(s.sim.Truth().Polling) == 2 })
	conn, err := nats.Connect("nats://"+s.nats, nats.MaxReconnects(-1))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(conn.Close)
	give := func(g handover.Gift) (code string) {
		t.Helper()
		request, err := json.Marshal(g)
		if err != nil {
			t.Fatal(err)
		}
		answer, err := conn.Request("aicc.ask."+requests.Handover, request, patience)
		if err != nil {
			t.Fatal(err)
		}
		return answer.Header.Get("Nats-Service-Error-Code")
	}
	polled := func(agent string) bool { return s.sim.Truth().Polling[agent].Polls > 0 }
	before := s.owned()
	for i, a := range all[2:] {
		gift := s.signIn(a.ID)
		if code := give(gift); code != "400" {
			t.Errorf("agent %s is handed over before he may be: %q", a.ID, code)
		}
		listed(i + 1)
		if i == 0 {
			s.reloads("tenants[demo].gateway.agents")
		} else {
			c.signal(syscall.SIGHUP)
			s.says(`"key":"tenants[demo].gateway.agents"`, 2)
		}
		begun := time.Now()
		if code := give(gift); code != "" {
			t.Fatalf("handover of agent %s answers %q", a.ID, code)
		}
		s.until("agent "+a.ID+" is polled", func() bool { return polled(a.ID) })
		if took := time.Since(begun); took > 10*time.Second { // a second where nothing else goes on
			t.Errorf("agent %s is polled after %s", a.ID, took)
		}
		s.undisturbed(before, 3+i)
		before = s.owned()
	}
	c.signal(syscall.SIGTERM)
	if state := c.state(); state.ExitStatus() != exitOK {
		t.Errorf("it ended with %v", c.cmd.ProcessState)
	}
}
