//go:build faults

package main

import (
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"aiccbridge/internal/proxytest"
)

// TestF50ProxyUnderLoad: the company's proxy dies, cuts, stalls and refuses while polls and
// downloads go through it. A tunnel that does not come about costs nothing and says why; one
// that is cut costs at most an event a poll, which a gap record names.
func TestF50ProxyUnderLoad(t *testing.T) {
	const rounds = 3
	company, err := proxytest.Listen(proxytest.Options{Credentials: proxyLogin})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(company.Close)
	o := busy()
	o.proxy = company
	s := newScene(t, o)
	s.journal.plant("proxy-password", "the password for the proxy")
	r := s.run()
	says := map[int]string{
		http.StatusProxyAuthRequired:  "proxy_credentials_file",
		http.StatusForbidden:          "in the proxy's rules",
		http.StatusBadGateway:         "the proxy does not reach the server",
		http.StatusServiceUnavailable: "the proxy does not reach the server",
		http.StatusGatewayTimeout:     "the proxy does not reach the server",
	}
	tries := 0
	strike := func(what func()) {
		s.moreEvents(r.bus, 5)
		what()
		tries++
	}
	for range rounds {
		strike(company.Cut)
		strike(func() {
			company.Stop()
			pause(t, time.Second)
			if err := company.Start(); err != nil {
				t.Fatal(err)
			}
		})
		strike(func() {
			company.Stall(true)
			pause(t, 4*time.Second)
			company.Stall(false)
		})
		for status := range says {
			strike(func() {
				refused := len(company.Asked())
				company.Refuse(status)
				company.Cut()
				s.until("tunnels are refused", func() bool { return len(company.Asked()) > refused+2 })
				company.Refuse(0)
			})
		}
	}
	sum := r.judged()
	for status, cure := range says {
		if !s.journal.contains(fmt.Sprintf("refused with status %d", status)) || !s.journal.contains(cure) || !s.journal.contains("proxy http://"+company.Addr()) {
			t.Errorf("the log does not say what to do about status %d", status)
		}
	}
	for _, asked := range company.Asked() {
		if !strings.HasPrefix(asked, "CONNECT 127.0.0.1:") {
			t.Errorf("the proxy was asked for %s", asked)
		}
	}
	sum.tries = tries
	sum.report(t, "%d strikes, %d lost, %d duplicated, %d misordered", sum.tries, sum.lost, sum.duplicated, sum.misordered)
}
