package proxy_test

import (
	"crypto/tls"
	"fmt"
	"io"
	"net/http"
	"slices"
	"testing"
	"time"
)

// BenchmarkCall measures a call of a client directly at the simulated gateway and through the
// proxy, in turns: what the proxy adds is the difference, at the 50th and at the 99th of a hundred.
func BenchmarkCall(b *testing.B) {
	s := newScene(b, still(1))
	s.learn()
	br := s.start("")
	through := s.phone("101", br.addr)
	through.signIn("", "")
	direct := &phone{t: b, agent: "101", base: s.sim.Settings().GatewayURL + "/", http: &http.Client{Transport: &http.Transport{
		TLSClientConfig: &tls.Config{InsecureSkipVerify: true},
	}}}
	defer direct.http.CloseIdleConnections()
	// Both ask for what needs no session: the gateway's own work is the same.
	ask := func(p *phone, guid string) time.Duration {
		r, err := http.NewRequestWithContext(b.Context(), http.MethodGet, p.base+"onlineagent/101/agentstatus", nil)
		if err != nil {
			b.Fatal(err)
		}
		r.Header.Set("Guid", guid)
		begun := time.Now()
		a, err := p.http.Do(r)
		if err != nil {
			b.Fatal(err)
		}
		_, _ = io.Copy(io.Discard, a.Body)
		a.Body.Close()
		return time.Since(begun)
	}
	var straight, passed []time.Duration
	for b.Loop() {
		straight = append(straight, ask(direct, "none"))
		passed = append(passed, ask(through, through.guid))
	}
	slices.Sort(straight)
	slices.Sort(passed)
	at := func(all []time.Duration, percent int) time.Duration { return all[len(all)*percent/100] }
	for _, p := range []int{50, 99} {
		b.ReportMetric(float64(at(straight, p).Microseconds()), fmt.Sprintf("µs-direct-p%d", p))
		b.ReportMetric(float64(at(passed, p).Microseconds()), fmt.Sprintf("µs-proxy-p%d", p))
		b.ReportMetric(float64((at(passed, p) - at(straight, p)).Microseconds()), fmt.Sprintf("µs-added-p%d", p))
	}
}
