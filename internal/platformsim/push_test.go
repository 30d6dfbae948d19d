package platformsim_test

import (
	"crypto/tls"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"slices"
	"sync"
	"testing"
	"time"

	"aiccbridge/internal/platformsim"
	"aiccbridge/internal/platformsim/gateway"
	"aiccbridge/internal/platformsim/gateway/push"
)

// TestPushOverHTTPS: every event of a working day is posted once and in order to a
// receiver with the certificate that the platform gives out, in both ways, although one
// POST in four is refused.
func TestPushOverHTTPS(t *testing.T) {
	t.Parallel()
	o := platformsim.Options{Agents: 2, Seed: 3, Pace: hasty}
	o.Gateway = gateway.Options{Push: push.Options{RepeatEvery: 20 * time.Millisecond, Pause: 20 * time.Millisecond, Tries: 50}}
	s := start(t, o)

	var mu sync.Mutex
	got, posts := map[string][]string{}, 0
	receiver := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		type event struct{ EventType, WorkNo string }
		var body struct {
			EventList []event
			Event     event
		}
		if err := json.NewDecoder(r.Body).Decode(&body); err != nil || r.ContentLength <= 0 {
			t.Errorf("%s of %d bytes: %v", r.URL, r.ContentLength, err)
		}
		mu.Lock()
		defer mu.Unlock()
		if posts++; posts%4 == 0 {
			w.WriteHeader(http.StatusServiceUnavailable)
			return
		}
		for _, e := range append(body.EventList, body.Event) {
			if e.WorkNo != "" {
				got[e.WorkNo] = append(got[e.WorkNo], e.EventType)
			}
		}
		_, _ = fmt.Fprint(w, `{"message":"success","retcode":"0"}`)
	}))
	pair, err := tls.X509KeyPair([]byte(s.Settings().CallbackCertPEM), []byte(s.Settings().CallbackKeyPEM))
	if err != nil {
		t.Fatal(err)
	}
	receiver.TLS = &tls.Config{Certificates: []tls.Certificate{pair}, MinVersion: tls.VersionTLS12}
	receiver.StartTLS()
	t.Cleanup(receiver.Close)

	for i, extra := range []string{
		fmt.Sprintf(`"callBackUri":%q,"serviceToken":"t"`, receiver.URL+"/list"), fmt.Sprintf(`"pushUrl":%q`, receiver.URL+"/one?token=1"),
	} {
		a := s.Settings().Agents[i]
		c := &slot{t: t, client: browser(t, s), url: s.Settings().GatewayURL, agent: a}
		if code, _ := c.call("PUT", "/onlineagent/"+a.ID, fmt.Sprintf(`{"password":%q,"phonenum":%q,%s}`, a.Password, a.Phone, extra)); code != "0" {
			t.Fatalf("sign-in of %s: %s", a.ID, code)
		}
		if code, _ := c.call("POST", "/onlineagent/"+a.ID+"/resetskill/true", ""); code != "0" {
			t.Fatalf("skills of %s: %s", a.ID, code)
		}
	}
	await(t, "each has 60 events", func() bool {
		mu.Lock()
		defer mu.Unlock()
		return len(got["101"]) >= 60 && len(got["102"]) >= 60
	})
	s.Quiesce()
	await(t, "it is quiet", s.Quiet)
	want := map[string][]string{}
	for _, e := range s.Truth().Events {
		want[e.Agent] = append(want[e.Agent], e.Type)
		if e.Cut || e.Way != "push" {
			t.Errorf("given up: %+v", e)
		}
	}
	mu.Lock()
	defer mu.Unlock()
	for _, agent := range []string{"101", "102"} {
		if !slices.Equal(got[agent], want[agent]) || len(want[agent]) < 60 {
			t.Errorf("agent %s: %d events arrived, %d were given out", agent, len(got[agent]), len(want[agent]))
		}
	}
}

// await waits for what another process would have to look for.
func await(t *testing.T, what string, done func() bool) {
	t.Helper()
	over, look := time.After(time.Minute), time.NewTicker(10*time.Millisecond)
	defer look.Stop()
	for !done() {
		select {
		case <-over:
			t.Fatalf("waited in vain: %s", what)
		case <-look.C:
		}
	}
}
