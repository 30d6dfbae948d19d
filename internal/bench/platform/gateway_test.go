package platform

import (
	"io"
	"net/http"
	"strconv"
	"strings"
	"testing"
	"time"
)

// poll polls an agent once, and says what it got.
func (r *running) poll(t *testing.T, id string) string {
	t.Helper()
	res, err := r.client.Get(r.ready.GatewayURL + "/agentevent/" + id)
	if err != nil {
		t.Error(err)
		return ""
	}
	defer res.Body.Close()
	body, err := io.ReadAll(res.Body)
	if err != nil {
		t.Error(err)
	}
	return string(body)
}

func TestSignIn(t *testing.T) {
	r := start(t, Options{})
	q, err := http.NewRequest(http.MethodPut, r.ready.GatewayURL+"/onlineagent/101", strings.NewReader(`{"password":"secret"}`))
	if err != nil {
		t.Fatal(err)
	}
	for range 2 { // on one connection: the body was read
		res, err := r.client.Do(q.Clone(t.Context()))
		if err != nil {
			t.Fatal(err)
		}
		body, err := io.ReadAll(res.Body)
		if err != nil || !strings.HasPrefix(res.Header.Get("Set-Guid"), "JSESSIONID=") || !strings.Contains(string(body), `"retcode":"0"`) {
			t.Errorf("%s, %v, %v", body, res.Header, err)
		}
		_ = res.Body.Close()
		q.Body = io.NopCloser(strings.NewReader(`{"password":"secret"}`))
	}
}

// TestEvents: each agent has its turn, and an event tells when it was handed out.
func TestEvents(t *testing.T) {
	r := start(t, Options{})
	got := make(chan string, 2)
	before := time.Now()
	for _, id := range []string{"101", "102"} {
		go func() { got <- r.poll(t, id) }()
	}
	if a := r.ask(Question{Agents: 2}); a.At.Before(before) || a.Polls != 2 || a.Events != 0 {
		t.Errorf("%+v", a)
	}
	r.ask(Question{Load: &Load{Rate: 100}})
	for range 2 {
		body := <-got
		_, rest, _ := strings.Cut(body, Stamp)
		text, _, _ := strings.Cut(rest, `"`)
		ns, err := strconv.ParseInt(text, 10, 64)
		if at := time.Unix(0, ns); err != nil || at.Before(before) || at.After(time.Now()) {
			t.Errorf("%s: %v", body, err)
		}
	}
}

// TestFlood: polls that are held get an event too, and how soon an agent comes again is
// noted.
func TestFlood(t *testing.T) {
	r := start(t, Options{})
	got := make(chan string, 1)
	go func() { got <- r.poll(t, "101") }()
	r.ask(Question{Agents: 1})
	r.ask(Question{Load: &Load{Flood: true}})
	if body := <-got; !strings.Contains(body, `"event"`) {
		t.Error(body)
	}
	if body := r.poll(t, "101"); !strings.Contains(body, `"event"`) {
		t.Error(body)
	}
	a := r.ask(Question{})
	if a.Events != 2 || len(a.Gaps) != 1 || a.Gaps[0] <= 0 {
		t.Errorf("%+v", a)
	}
	if a := r.ask(Question{Reset: true}); len(a.Gaps) != 0 || a.Events != 2 {
		t.Errorf("%+v", a)
	}
}

// TestRelease: what is held is answered, and nothing is held until there is another load.
func TestRelease(t *testing.T) {
	r := start(t, Options{})
	got := make(chan string, 1)
	go func() { got <- r.poll(t, "101") }()
	r.ask(Question{Agents: 1})
	r.ask(Question{Release: true})
	for _, body := range []string{<-got, r.poll(t, "101")} {
		if body != `{"message":"","retcode":"0"}` {
			t.Error(body)
		}
	}
	r.ask(Question{Reset: true, Load: &Load{}})
	go func() { got <- r.poll(t, "101") }()
	r.ask(Question{Agents: 1})
	select {
	case body := <-got:
		t.Errorf("it was not held: %s", body)
	default:
	}
	r.ask(Question{Release: true})
	<-got
}

func TestBrokenRequests(t *testing.T) {
	r := start(t, Options{})
	res, err := r.client.Post(r.ready.GatewayURL+"/x", "text/plain", io.MultiReader(strings.NewReader("a chunked body"))) // not read: the connection breaks
	if err == nil {
		_ = res.Body.Close()
	}
	if body := r.status(t); body == "" {
		t.Error("the gateway is gone")
	}
}

// status asks for a status, which is never held.
func (r *running) status(t *testing.T) string {
	t.Helper()
	res, err := r.client.Get(r.ready.GatewayURL + "/onlineagent/101/agentstatus")
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	body, err := io.ReadAll(res.Body)
	if err != nil {
		t.Fatal(err)
	}
	return string(body)
}
