package main

import (
	"bufio"
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"aiccbridge/bus/assets"
	"aiccbridge/bus/service"
	"aiccbridge/internal/truthcheck"
	"aiccbridge/poller/handover"
	"aiccbridge/schemas"
	"aiccbridge/schemas/requests"
)

// softphones is the example backend of docs/handover, as a process that is told what to do.
type softphones struct {
	s     *scene
	child *child
	in    *os.File

	mu   sync.Mutex
	done map[string]string // by command and agent: its result
}

// startSoftphones starts it beside a scene.
func (s *scene) startSoftphones(command ...string) *softphones {
	s.t.Helper()
	p := &softphones{s: s, done: map[string]string{}}
	var cmdIn, out *os.File
	var err error
	if cmdIn, p.in, err = os.Pipe(); err != nil {
		s.t.Fatal(err)
	}
	read, out, err := os.Pipe()
	if err != nil {
		s.t.Fatal(err)
	}
	set := s.sim.Settings()
	cmd := exec.Command(command[0], append(command[1:], tenantName)...)
	cmd.Stdin = cmdIn
	who := ""
	if s.setup.restricted {
		who = string(assets.RoleBackend) + ":" + password(assets.RoleBackend) + "@"
	}
	cmd.Env = []string{"NATS_URL=nats://" + who + s.nats, "GATEWAY_URL=" + set.GatewayURL, "CA_FILE=" + set.CAFile, "NODE_EXTRA_CA_CERTS=" + set.CAFile}
	p.child = launch(s.t, cmd, out)
	_ = cmdIn.Close()
	_ = out.Close() // the child has it
	heard := make(chan struct{})
	go func() {
		defer close(heard)
		for lines := bufio.NewScanner(read); lines.Scan(); {
			p.hear(lines.Text())
		}
	}()
	s.t.Cleanup(func() {
		_ = p.in.Close()
		<-p.child.done
		<-heard
	})
	return p
}

func (p *softphones) hear(line string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if words := strings.SplitN(line, " ", 3); len(words) == 3 {
		p.done[words[0]+" "+words[1]] = words[2]
		return
	}
	p.done["?"] = line
}

// tell gives commands, a line each, and waits until all of them are done well.
func (p *softphones) tell(commands ...string) {
	p.s.t.Helper()
	p.mu.Lock()
	clear(p.done)
	p.mu.Unlock()
	if _, err := fmt.Fprintln(p.in, strings.Join(commands, "\n")); err != nil {
		p.s.t.Fatal(err)
	}
	p.s.until("the backend has done "+strings.Fields(commands[0])[0], func() bool {
		p.mu.Lock()
		defer p.mu.Unlock()
		for what, result := range p.done {
			if result != "ok" {
				p.s.t.Fatalf("%s: %s", what, result)
			}
		}
		return len(p.done) == len(commands)
	})
}

// each are commands for some agents of the scene.
func (s *scene) each(command string, from, to int) (all []string) {
	s.t.Helper()
	for _, a := range s.sim.Settings().Agents[from:to] {
		line := command + " " + a.ID
		if command == "in" {
			password, err := os.ReadFile(a.PasswordFile)
			if err != nil {
				s.t.Fatal(err)
			}
			line += " " + a.Phone + " " + strings.TrimSpace(string(password))
		}
		all = append(all, line)
	}
	return all
}

// phases counts the entries of the bucket by their phase.
func (r *running) phases() map[schemas.SessionPhase]int {
	r.s.t.Helper()
	all := map[schemas.SessionPhase]int{}
	err := r.Bucket(schemas.BucketSessions).Each(r.s.t.Context(), tenantName+".>", func(_ string, m schemas.Stored) error {
		var e schemas.Session
		err := json.Unmarshal(m.Body, &e)
		all[e.Phase]++
		return err
	})
	if err != nil {
		r.s.t.Fatal(err)
	}
	return all
}

// buildBackend builds the example in Go.
func buildBackend(t *testing.T) string {
	t.Helper()
	program := filepath.Join(t.TempDir(), "backend")
	if out, err := exec.CommandContext(t.Context(), "go", "build", "-o", program, "../../docs/handover/go").CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	return program
}

// handedOver is what came of a scene in which sessions were handed over.
type handedOver struct {
	truthcheck.Report
	signedOut, overlaps int
	took                time.Duration
}

// handOver is handOverIn a scene with the bridge's own NATS.
func handOver(t *testing.T, agents, back int, command ...string) handedOver {
	t.Helper()
	return handOverIn(newScene(t, handOverSetup(agents, setup{embedded: true})), back, command...)
}

// handOverSetup is o for handOverIn.
func handOverSetup(agents int, o setup) setup {
	o.agents, o.slow, o.handover, o.silent, o.long = agents, 1+agents/20, true, 2*time.Minute, agents > 100
	o.rotate = max(3*time.Second, time.Duration(agents)*20*time.Millisecond) // fifty a second at most: each is on the disk before the next poll
	return o
}

// handOverIn has a backend hand over the sessions of all agents of a scene, take some back, make
// calls with their GUIDs and sign out those taken back, while GUIDs rotate; and compares.
func handOverIn(s *scene, back int, command ...string) (h handedOver) {
	t, agents, rotate := s.t, s.setup.agents, s.setup.rotate
	t.Helper()
	begun := time.Now()
	r := s.run()
	p := s.startSoftphones(command...)
	p.tell(s.each("in", 0, agents)...)
	s.until("all are polled", func() bool { return r.phases()[schemas.SessionPolling] == agents })
	events := len(s.sim.Truth().Events)
	s.until("the GUIDs have rotated and events have come", func() bool {
		return len(s.sim.Truth().Events) > events+agents/5 && time.Since(begun) > 3*rotate
	})
	p.tell(s.each("busy", 0, 1)...)
	p.tell(s.each("back", 0, back)...)
	if n := r.phases(); n[schemas.SessionReturned] != back { // of the others a read may miss those that change meanwhile
		t.Errorf("the sessions are %v, want %d returned", n, back)
	}
	before := s.sim.Truth()
	s.until("the others are polled on", func() bool { return len(s.sim.Truth().Events) > len(before.Events)+agents/5 })
	now := s.sim.Truth()
	for _, a := range s.sim.Settings().Agents[:back] {
		if was, is := before.Polling[a.ID].Polls, now.Polling[a.ID].Polls; is != was {
			t.Errorf("agent %s was polled %d times after the session was given back", a.ID, is-was)
		}
	}
	for _, e := range now.Sessions {
		if e.Change != "signed_in" {
			t.Errorf("agent %s %s", e.Agent, e.Change)
		}
	}
	p.tell(s.each("out", 0, back)...)
	for _, e := range s.sim.Truth().Sessions {
		if e.Change == "signed_out" {
			h.signedOut++
		}
	}
	h.Report = r.finish()
	for _, polling := range s.sim.Truth().Polling {
		h.overlaps += polling.Overlaps
	}
	h.took = time.Since(begun)
	if h.signedOut != back || h.overlaps != 0 || len(h.Events.Lost) != 0 || h.Events.Gaps != 0 {
		t.Errorf("%d signed out, want %d; %d polls at once, %d lost, %d gaps", h.signedOut, back, h.overlaps, len(h.Events.Lost), h.Events.Gaps)
	}
	t.Logf("%d sessions handed over, %d taken back, in %s: popped %d, lost %d, gaps %d, polls at once %d, signed out by the backend %d, by the bridge 0",
		agents, back, h.took.Round(time.Second), h.Events.Popped, len(h.Events.Lost), h.Events.Gaps, h.overlaps, h.signedOut)
	return h
}

// TestHandover: the example backend in Go, from the sign-in to the sign-out.
func TestHandover(t *testing.T) {
	t.Parallel()
	handOver(t, 30, 6, buildBackend(t))
}

// signIn signs an agent in as another system does, by another call if one is named.
func (s *scene) signIn(agent string, call ...string) handover.Gift {
	s.t.Helper()
	roots := x509.NewCertPool()
	set := s.sim.Settings()
	pem, err := os.ReadFile(set.CAFile)
	if err != nil || !roots.AppendCertsFromPEM(pem) {
		s.t.Fatal(err)
	}
	web := &http.Client{Transport: &http.Transport{TLSClientConfig: &tls.Config{RootCAs: roots}, DisableKeepAlives: true}}
	for i, a := range set.Agents {
		if a.ID != agent {
			continue
		}
		words := strings.Fields(s.each("in", i, i+1)[0])
		body := fmt.Sprintf(`{"password":%q,"phonenum":%q}`, words[3], words[2])
		r, err := http.NewRequestWithContext(s.t.Context(), http.MethodPut, set.GatewayURL+"/onlineagent/"+agent+strings.Join(call, ""), strings.NewReader(body))
		if err != nil {
			s.t.Fatal(err)
		}
		answer, err := web.Do(r)
		if err != nil {
			s.t.Fatal(err)
		}
		defer answer.Body.Close()
		g := handover.Gift{Tenant: tenantName, Agent: agent, By: "test", GUID: strings.TrimPrefix(answer.Header.Get("Set-Guid"), "JSESSIONID=")}
		for _, c := range answer.Cookies() {
			g.Cookies = append(g.Cookies, c.Name+"="+c.Value)
		}
		return g
	}
	s.t.Fatalf("no agent %s", agent)
	return handover.Gift{}
}

// TestHandoverByRequest: sessions are sealed, and handed over by requests alone; entries in clear
// are refused.
func TestHandoverByRequest(t *testing.T) {
	t.Parallel()
	s := newScene(t, setup{agents: 2, handover: true, sealed: true, embedded: true})
	r := s.run()
	ask := func(endpoint, request string) (answer map[string]any, code string) {
		t.Helper()
		ctx, cancel := context.WithTimeout(t.Context(), patience)
		defer cancel()
		s.until("the service answers", func() bool {
			all, err := service.All(ctx, r.bus.Conn(), requests.Status, nil, time.Second)
			return err == nil && len(all) > 0
		})
		m, err := r.bus.Conn().JetStream().Conn().RequestWithContext(ctx, r.names.Question(endpoint), []byte(request))
		if err != nil {
			t.Fatal(err)
		}
		_ = json.Unmarshal(m.Data, &answer)
		return answer, m.Header.Get("Nats-Service-Error-Code")
	}
	agent := s.sim.Settings().Agents[0].ID
	wish := fmt.Sprintf(`{"tenant":%q,"agent":%q}`, tenantName, agent)
	for _, c := range []struct{ endpoint, request, code string }{
		{requests.Handback, wish, "404"},
		{requests.Handover, `{"tenant":"other","agent":"101","guid":"x"}`, "400"},
		{requests.Handover, fmt.Sprintf(`{"tenant":%q,"agent":"bob","guid":"x"}`, tenantName), "400"},
		{requests.Handover, fmt.Sprintf(`{"tenant":%q,"agent":"101","guid":"a\nb"}`, tenantName), "400"},
		{requests.Handover, fmt.Sprintf(`{"tenant":%q,"agent":"101","guid":"x","url":"https://127.0.0.1:1/agentgateway/resource"}`, tenantName), "400"},
	} {
		if _, code := ask(c.endpoint, c.request); code != c.code {
			t.Errorf("%s %s answers %q, want %s", c.endpoint, c.request, code, c.code)
		}
	}
	gift := s.signIn(agent)
	guid := gift.GUID
	request, err := json.Marshal(gift)
	if err != nil {
		t.Fatal(err)
	}
	if _, code := ask(requests.Handover, string(request)); code != "" {
		t.Fatalf("handover answers %s", code)
	}
	s.until("it is polled", func() bool { return r.phases()[schemas.SessionPolling] == 1 })
	value, _, err := r.Bucket(schemas.BucketSessions).Get(t.Context(), schemas.AgentKey(tenantName, agent))
	if err != nil || strings.Contains(string(value), guid) {
		t.Errorf("the entry is %s, %v", value, err)
	}
	answer, code := ask(requests.Handback, wish)
	again, _ := ask(requests.Handback, wish)
	if code != "" || answer["guid"] != guid || again["guid"] != guid || answer["phase"] != "returned" {
		t.Errorf("handback answers %v %s, and %v", answer, code, again)
	}
	other := s.sim.Settings().Agents[1].ID
	if _, err := r.Bucket(schemas.BucketSessions).Put(t.Context(), schemas.AgentKey(tenantName, other), []byte(`{"guid":"in-clear"}`)); err != nil {
		t.Fatal(err)
	}
	s.until("the one in clear is refused", func() bool { return r.phases()[schemas.SessionRefused] == 1 })
	r.end()
}
