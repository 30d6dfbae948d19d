package platformsim_test

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/cookiejar"
	"strings"
	"testing"
	"time"

	"aiccbridge/internal/platformsim"
	"aiccbridge/internal/platformsim/world"
)

// hasty is a world in which a call lasts a fraction of a second.
var hasty = world.Pace{
	Idle: 20 * time.Millisecond, Queue: 10 * time.Millisecond, Ring: 10 * time.Millisecond,
	Talk: 40 * time.Millisecond, WrapUp: 10 * time.Millisecond, Rest: 20 * time.Millisecond, Signal: 2 * time.Millisecond,
}

// start runs a simulator for the length of the test.
func start(t *testing.T, o platformsim.Options) *platformsim.Sim {
	t.Helper()
	s, err := platformsim.New(o)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- s.Run(ctx) }()
	t.Cleanup(func() {
		cancel()
		if err := <-done; err != nil {
			t.Errorf("the simulator ended: %v", err)
		}
	})
	select {
	case <-s.Ready():
	case err := <-done:
		done <- nil
		t.Fatalf("the simulator did not start: %v", err)
	}
	return s
}

// browser is an HTTPS client that trusts the simulator's authority.
func browser(t *testing.T, s *platformsim.Sim) *http.Client {
	t.Helper()
	pool := x509.NewCertPool()
	if !pool.AppendCertsFromPEM([]byte(s.Settings().CAPEM)) {
		t.Fatal("no certificate in CAPEM")
	}
	jar, err := cookiejar.New(nil)
	if err != nil {
		t.Fatal(err)
	}
	transport := &http.Transport{TLSClientConfig: &tls.Config{RootCAs: pool}}
	t.Cleanup(transport.CloseIdleConnections)
	return &http.Client{Transport: transport, Jar: jar}
}

// slot polls for one agent.
type slot struct {
	t      *testing.T
	client *http.Client
	url    string
	agent  platformsim.AgentSettings
	guid   string
}

func (s *slot) call(method, path, body string) (code, eventType string) {
	req, err := http.NewRequest(method, s.url+path, strings.NewReader(body))
	if err != nil {
		s.t.Error(err)
		return "", ""
	}
	req.Header.Set("Guid", s.guid)
	resp, err := s.client.Do(req)
	if err != nil {
		s.t.Error(err)
		return "", ""
	}
	defer func() { _ = resp.Body.Close() }()
	var a struct {
		Retcode string
		Event   struct{ EventType string }
	}
	if err := json.NewDecoder(resp.Body).Decode(&a); err != nil {
		s.t.Errorf("%s: %v", path, err)
	}
	if v := resp.Header.Get("Set-GUID"); v != "" {
		s.guid = strings.TrimPrefix(v, "JSESSIONID=")
	}
	return a.Retcode, a.Event.EventType
}

func signIn(t *testing.T, s *platformsim.Sim, agent platformsim.AgentSettings) *slot {
	t.Helper()
	c := &slot{t: t, client: browser(t, s), url: s.Settings().GatewayURL, agent: agent}
	body := fmt.Sprintf(`{"password":%q,"phonenum":%q}`, agent.Password, agent.Phone)
	if code, _ := c.call("PUT", "/onlineagent/"+agent.ID, body); code != "0" {
		t.Fatalf("sign-in of %s: %s", agent.ID, code)
	}
	if code, _ := c.call("POST", "/onlineagent/"+agent.ID+"/resetskill/true", ""); code != "0" {
		t.Fatalf("skills of %s: %s", agent.ID, code)
	}
	return c
}

func (s *slot) poll() (code, eventType string) {
	return s.call("GET", "/agentevent/"+s.agent.ID, "")
}
