package ccgateway

import (
	"crypto/x509"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"

	"aiccbridge/internal/proxytest"
	"aiccbridge/internal/viaproxy"
)

// behindProxy is an agent whose gateway is reached through a proxy.
func behindProxy(t *testing.T, o proxytest.Options, credentials string, secure bool, answer http.HandlerFunc) (*Agent, *proxytest.Proxy) {
	t.Helper()
	p, err := proxytest.Listen(o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(p.Close)
	s := httptest.NewUnstartedServer(answer)
	s.Config.ErrorLog = discardLog()
	pool := x509.NewCertPool()
	if secure {
		s.StartTLS()
		pool.AddCert(s.Certificate())
	} else {
		s.Start()
	}
	t.Cleanup(s.Close)
	through := &viaproxy.Proxy{URL: &url.URL{Scheme: "http", Host: p.Addr()}, Credentials: credentials}
	return newAgent(t, Options{URL: s.URL + testBase, RootCAs: pool, Proxy: through}), p
}

// A tunnel that does not come about sends nothing: no event is lost, and the error names
// the proxy and the key to look at. One that breaks under a poll is like any connection.
func TestPollThroughATunnel(t *testing.T) {
	const wanted = "u:hunter2"
	for status, says := range map[int]string{407: "proxy_credentials_file", 403: "proxy's rules", 502: "does not reach the server", 503: "does not reach", 504: "does not reach", 500: "proxy_url"} {
		o, credentials := proxytest.Options{}, ""
		if status == 407 {
			o.Credentials, credentials = wanted, "u:other"
		}
		a, p := behindProxy(t, o, credentials, true, reply200(readyBody))
		if status != 407 {
			p.Refuse(status)
		}
		poll := a.Poll(t.Context())
		var refused *viaproxy.Refused
		if poll.Outcome != OutcomeNotSent || poll.MayHaveLost || poll.Status != 0 || !errors.As(poll.Err, &refused) || refused.Status != status ||
			!strings.Contains(poll.Err.Error(), says) || !strings.Contains(poll.Err.Error(), "http://"+p.Addr()) || strings.Contains(poll.Err.Error(), "hunter2") {
			t.Errorf("%d: %s, lost %t: %v", status, poll.Outcome, poll.MayHaveLost, poll.Err)
		}
		p.Refuse(0)
		if poll := a.Poll(t.Context()); status != 407 && (poll.Outcome != OutcomeEvent || poll.Connections != 1) {
			t.Errorf("after %d: %s: %v", status, poll.Outcome, poll.Err)
		}
	}
	var p *proxytest.Proxy
	a, p := behindProxy(t, proxytest.Options{Credentials: wanted}, wanted, true, func(w http.ResponseWriter, r *http.Request) {
		p.Cut()
		reply200(readyBody)(w, r)
	})
	if poll := a.Poll(t.Context()); poll.Outcome != OutcomeUnknown || !poll.MayHaveLost {
		t.Errorf("cut under a poll: %s: %v", poll.Outcome, poll.Err)
	}
	p.Stop()
	if poll := a.Poll(t.Context()); poll.Outcome != OutcomeNotSent || poll.MayHaveLost || !strings.Contains(poll.Err.Error(), "proxy_url") {
		t.Errorf("nobody there: %s: %v", poll.Outcome, poll.Err)
	}
}

// Before an http:// gateway a proxy answers in the gateway's place. What its page says of a
// poll is what any page says: from 500 on an event may have been popped.
func TestPollThroughAProxyInPlainHTTP(t *testing.T) {
	for _, c := range []struct {
		status int
		lost   bool
		says   string
	}{{407, false, "proxy_credentials_file"}, {403, false, "403"}, {404, false, "404"}, {502, true, "502"}, {503, true, "503"}, {504, true, "504"}} {
		o := proxytest.Options{}
		if c.status == 407 {
			o.Credentials = "u:hunter2"
		}
		a, p := behindProxy(t, o, "", false, reply200(readyBody))
		if c.status != 407 {
			p.Refuse(c.status)
		}
		poll := a.Poll(t.Context())
		if poll.Outcome != OutcomeHTTPError || poll.MayHaveLost != c.lost || poll.Status != c.status || poll.Class != ClassAgain || !strings.Contains(poll.Err.Error(), c.says) {
			t.Errorf("%d: %s, class %s, lost %t: %v", c.status, poll.Outcome, poll.Class, poll.MayHaveLost, poll.Err)
		}
		p.Refuse(0)
		poll = a.Poll(t.Context())
		if c.status != 407 && (poll.Outcome != OutcomeEvent || !strings.HasPrefix(p.Asked()[0], "GET http://127.0.0.1:")) {
			t.Errorf("after %d: %s: %v, asked %s", c.status, poll.Outcome, poll.Err, fmt.Sprint(p.Asked()))
		}
	}
	const wanted = "u:hunter2"
	a, _ := behindProxy(t, proxytest.Options{Credentials: wanted}, wanted, false, reply200(readyBody))
	if poll := a.Poll(t.Context()); poll.Outcome != OutcomeEvent {
		t.Errorf("with credentials: %s: %v", poll.Outcome, poll.Err)
	}
}
