package ccgateway

import (
	"context"
	"errors"
	"io"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"
)

func TestGUIDForms(t *testing.T) {
	const id = "4f3c1d9e-0a6b-4c57-9d11-2b7f3c0e55aa.AgentGateway0"
	tests := map[string]struct{ value, want string }{
		"documented":          {"JSESSIONID=" + id, id},
		"with attributes":     {"JSESSIONID=" + id + "; Path=/agentgateway; HttpOnly", id},
		"after another":       {"a=b; JSESSIONID=" + id, id},
		"lower case":          {"jsessionid=" + id, id},
		"plain":               {id, id},
		"plain, attributes":   {id + ";Secure", id},
		"padded":              {"  " + id + " ", id},
		"quoted":              {`"` + id + `"`, id},
		"empty":               {"", ""},
		"null":                {"null", ""},
		"named null":          {"JSESSIONID=null; Path=/", ""},
		"no value":            {"JSESSIONID=; Path=/", ""},
		"control characters":  {"a\x01b", ""},
		"longer than allowed": {strings.Repeat("a", maxGUIDBytes+1), ""},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			if got := parseGUID(test.value); got != test.want {
				t.Errorf("got %q, want %q", got, test.want)
			}
		})
	}
}

// rotator is a gateway with dynamic authentication in its strictest form: every
// answer gives a new GUID, and only the newest is accepted.
type rotator struct {
	mu   sync.Mutex
	n    int
	cut  bool // send the headers and half of the body, then cut
	form string
}

func (r *rotator) ServeHTTP(w http.ResponseWriter, request *http.Request) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.n > 0 && request.Header.Get("Guid") != "guid"+strconv.Itoa(r.n) {
		io.WriteString(w, `{"message":"","retcode":"000-003"}`)
		return
	}
	r.n++
	w.Header().Set("set-guid", strings.ReplaceAll(r.form, "%", "guid"+strconv.Itoa(r.n)))
	if r.cut {
		w.Header().Set("Content-Length", "100")
	}
	io.WriteString(w, `{"message":"","retcode":"0","result":{"agentState":4,"isWorking":false}}`)
}

func TestRotation(t *testing.T) {
	for _, form := range []string{"JSESSIONID=%", "%", "JSESSIONID=%; Path=/; Secure", "%; Path=/"} {
		t.Run(form, func(t *testing.T) {
			a := newAgent(t, Options{URL: serve(t, (&rotator{form: form}).ServeHTTP)})
			for range 3 {
				if p := a.Poll(t.Context()); p.Outcome != OutcomeEmpty {
					t.Fatalf("poll: %s: %v", p.Outcome, p.Err)
				}
				_, err := a.Status(t.Context())
				if err = errors.Join(err, a.Handshake(t.Context(), ""), a.ResetSkills(t.Context())); err != nil {
					t.Fatal(err)
				}
			}
			if a.GUID() != "guid12" {
				t.Errorf("GUID %q", a.GUID())
			}
		})
	}
}

func TestRotationByTruncatedAnswer(t *testing.T) {
	server := &rotator{form: "JSESSIONID=%", cut: true}
	a := newAgent(t, Options{URL: serve(t, server.ServeHTTP)})
	for n := range 3 {
		p := a.Poll(t.Context())
		if p.Outcome != OutcomeUnknown || a.GUID() != "guid"+strconv.Itoa(n+1) {
			t.Fatalf("%s: %v, GUID %q", p.Outcome, p.Err, a.GUID())
		}
	}
}

func TestCookiesPerAgent(t *testing.T) {
	answers := []string{"lb=node1; Path=/agentgateway/elsewhere", "a=1", "lb=node2; HttpOnly", "a=; Max-Age=0", "b=2; Expires=Thu, 01 Jan 1970 00:00:00 GMT", "c=3; Expires=Fri, 01 Jan 2100 00:00:00 GMT"}
	want := []string{"", "lb=node1", "lb=node1; a=1", "a=1; lb=node2", "lb=node2", "lb=node2", "lb=node2; c=3"}
	var seen []string
	a := newAgent(t, Options{URL: serve(t, func(w http.ResponseWriter, r *http.Request) {
		seen = append(seen, r.Header.Get("Cookie"))
		if len(seen) <= len(answers) {
			w.Header().Set("Set-Cookie", answers[len(seen)-1])
		}
		io.WriteString(w, idleBody)
	})})
	for range want {
		a.Poll(t.Context())
	}
	for i := range want {
		if seen[i] != want[i] {
			t.Errorf("request %d carried %q, want %q", i, seen[i], want[i])
		}
	}
	other := a.client.Agent("292")
	other.Resume("x")
	other.Poll(t.Context())
	if last := seen[len(seen)-1]; last != "" {
		t.Errorf("another agent carried %q", last)
	}
}

func TestCookiesAreBounded(t *testing.T) {
	var s session
	for i := range 2 * maxCookies {
		s.keepCookies(http.Header{"Set-Cookie": {"c" + strconv.Itoa(i) + "=v"}}, time.Now())
	}
	if len(s.cookies) != maxCookies {
		t.Errorf("%d cookies kept", len(s.cookies))
	}
}

// While a poll is in flight, what changes the session waits; the rest doesn't.
func TestTurns(t *testing.T) {
	polling, finish := make(chan struct{}), make(chan struct{})
	var mu sync.Mutex
	var order []string
	a := newAgent(t, Options{URL: serve(t, func(w http.ResponseWriter, r *http.Request) {
		if strings.Contains(r.URL.Path, "agentevent") {
			close(polling)
			<-finish
		}
		mu.Lock()
		order = append(order, r.Method)
		mu.Unlock()
		io.WriteString(w, idleBody)
	})})
	var wait sync.WaitGroup
	wait.Go(func() { a.Poll(t.Context()) })
	<-polling
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if p := a.Poll(ctx); p.Outcome != OutcomeNotSent {
		t.Errorf("second poll: %s", p.Outcome)
	}
	wait.Go(func() {
		if err := a.SignOut(t.Context()); err != nil {
			t.Error(err)
		}
	})
	if err := a.Handshake(t.Context(), ""); err != nil {
		t.Error(err)
	}
	close(finish)
	wait.Wait()
	if got := strings.Join(order, " "); got != "POST GET DELETE" {
		t.Errorf("order %s", got)
	}
	if p := a.Poll(t.Context()); p.Outcome != OutcomeSessionEnded || !errors.Is(p.Err, ErrNoSession) || p.Class != ClassGone {
		t.Errorf("poll after sign-out: %s: %v", p.Outcome, p.Err)
	}
}

func TestTicketCarriesTheSession(t *testing.T) {
	client, err := New(Options{URL: "https://gateway.example.com:8043/agentgateway/resource"})
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	before := client.Agent("291")
	if before.Ticket() != "" {
		t.Error("a ticket without a session")
	}
	before.Resume("JSESSIONID=abc.AgentGateway0; Path=/")
	before.session.keepCookies(http.Header{"Set-Cookie": {"route=a1=b2", `lb="node 7"`}}, time.Now())
	after := client.Agent("291")
	after.Resume(before.Ticket())
	if after.Ticket() != before.Ticket() || after.GUID() != "abc.AgentGateway0" {
		t.Errorf("ticket %q became %q", before.Ticket(), after.Ticket())
	}
	const want = "Guid: abc.AgentGateway0\r\nCookie: route=a1=b2; lb=\"node 7\"\r\n"
	for _, a := range []*Agent{before, after} {
		if got := string(a.session.appendTo(nil, false)); got != want {
			t.Errorf("sends %q, want %q", got, want)
		}
	}
	after.Resume("only-a-guid")
	if after.Ticket() != "only-a-guid" {
		t.Errorf("cookies of another session are kept: %q", after.Ticket())
	}
}
