package ccgateway

import (
	"bufio"
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"aiccbridge/internal/viaproxy"
)

// pipeDialer hands out conn as the only connection there will be.
func pipeDialer(conn net.Conn) viaproxy.Dial {
	used := make(chan struct{}, 1)
	return func(context.Context, string, string) (net.Conn, error) {
		select {
		case used <- struct{}{}:
			return conn, nil
		default:
			return nil, errors.New("second dial")
		}
	}
}

// raw answers with bytes that no http.Handler would send, and cuts.
func raw(answer string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		conn, buffer, err := http.NewResponseController(w).Hijack()
		if err != nil {
			panic(err)
		}
		defer conn.Close()
		buffer.WriteString(answer)
		buffer.Flush()
	}
}

func status(code int) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Location", "/elsewhere")
		w.WriteHeader(code)
		if code != http.StatusNoContent && code != http.StatusNotModified {
			io.WriteString(w, "<html>"+readyBody)
		}
	}
}

func TestOutcomeOfAnswers(t *testing.T) {
	const head = "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n"
	tests := map[string]struct {
		handler http.HandlerFunc
		outcome Outcome
		class   Class
		status  int
		lost    bool
		body    string // kept for the dead letter
	}{
		"event":                {reply200(readyBody), OutcomeEvent, ClassOK, 200, false, ""},
		"empty":                {reply200(idleBody), OutcomeEmpty, ClassOK, 200, false, ""},
		"empty 200":            {reply200(""), OutcomeUnknown, ClassAgain, 200, true, ""},
		"html 200":             {reply200("<html>"), OutcomeUnknown, ClassAgain, 200, true, "<html>"},
		"cut before answer":    {raw(""), OutcomeUnknown, ClassAgain, 0, true, ""},
		"cut in status line":   {raw("HTTP/1.1 2"), OutcomeUnknown, ClassAgain, 0, true, ""},
		"cut in header":        {raw(head + "Set-GU"), OutcomeUnknown, ClassAgain, 0, true, ""},
		"not HTTP":             {raw("SSH-2.0-x\r\n\r\n"), OutcomeUnknown, ClassAgain, 0, true, ""},
		"cut in body":          {raw(head + "Content-Length: 28\r\n\r\n{\"mess"), OutcomeUnknown, ClassAgain, 200, true, "{\"mess"},
		"cut between chunks":   {raw(head + "Transfer-Encoding: chunked\r\n\r\n6\r\n{\"mess\r\n"), OutcomeUnknown, ClassAgain, 200, true, "{\"mess"},
		"cut without length":   {raw(head + "\r\n{\"message\":\"\",\"ret"), OutcomeUnknown, ClassAgain, 200, true, "{\"message\":\"\",\"ret"},
		"whole without length": {raw(head + "\r\n" + idleBody), OutcomeEmpty, ClassOK, 200, false, ""},
		"too long":             {reply200(strings.Repeat(" ", 1000) + idleBody), OutcomeUnknown, ClassAgain, 200, true, strings.Repeat(" ", 512)},
		"204":                  {status(204), OutcomeHTTPError, ClassAgain, 204, true, ""},
		"redirect":             {status(302), OutcomeHTTPError, ClassAgain, 302, false, ""},
		"307":                  {status(307), OutcomeHTTPError, ClassAgain, 307, false, ""},
		"401":                  {status(401), OutcomeHTTPError, ClassAuth, 401, false, ""},
		"403":                  {status(403), OutcomeHTTPError, ClassAuth, 403, false, ""},
		"404":                  {status(404), OutcomeHTTPError, ClassAgain, 404, false, ""},
		"429":                  {status(429), OutcomeHTTPError, ClassAgain, 429, false, ""},
		"500":                  {status(500), OutcomeHTTPError, ClassAgain, 500, true, ""},
		"503":                  {status(503), OutcomeHTTPError, ClassAgain, 503, true, ""},
		"000-001":              {reply200(`{"retcode":"000-001"}`), OutcomeSessionEnded, ClassConfig, 200, false, ""},
		"000-003":              {reply200(`{"retcode":"000-003"}`), OutcomeSessionEnded, ClassAuth, 200, false, ""},
		"100-006":              {reply200(`{"retcode":"100-006","result":""}`), OutcomeSessionEnded, ClassGone, 200, false, ""},
		"105-005":              {reply200(`{"retcode":"105-005"}`), OutcomeSessionEnded, ClassGone, 200, false, ""},
		"000-004":              {reply200(`{"retcode":"000-004"}`), OutcomeRefused, ClassAgain, 200, false, ""},
		"105-002":              {reply200(`{"retcode":"105-002"}`), OutcomeRefused, ClassAgain, 200, false, ""},
		"unlisted":             {reply200(`{"retcode":"850-001"}`), OutcomeRefused, ClassCaller, 200, false, ""},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			a := newAgent(t, Options{URL: serve(t, test.handler), MaxBodyBytes: 512})
			p := a.Poll(t.Context())
			if p.Outcome != test.outcome || p.Class != test.class || p.Status != test.status || p.MayHaveLost != test.lost {
				t.Errorf("got %s, class %s, status %d, lost %t (%v); want %s, %s, %d, %t",
					p.Outcome, p.Class, p.Status, p.MayHaveLost, p.Err, test.outcome, test.class, test.status, test.lost)
			}
			if string(p.Body) != test.body {
				t.Errorf("body %q, want %q", p.Body, test.body)
			}
			good := p.Outcome == OutcomeEvent || p.Outcome == OutcomeEmpty
			if good != (p.Err == nil) || (len(p.Events) > 0) != (p.Outcome == OutcomeEvent) {
				t.Errorf("%s with %d events and error %v", p.Outcome, len(p.Events), p.Err)
			}
			if p.Connections != 1 || p.SentAt.IsZero() || p.ReceivedAt.Before(p.SentAt) {
				t.Errorf("connections %d, sent %s, received %s", p.Connections, p.SentAt, p.ReceivedAt)
			}
		})
	}
}

// An odd item costs neither the events beside it nor what the code says.
func TestOddEvents(t *testing.T) {
	for name, c := range map[string]struct {
		body        string
		outcome     Outcome
		events, bad int
	}{
		"alone":              {`{"retcode":"0","event":7}`, OutcomeEvent, 0, 1},
		"among good ones":    {`{"retcode":"0","event":[{"eventType":"A"},{"workNo":"1"},{"eventType":"B"}]}`, OutcomeEvent, 2, 1},
		"at a session's end": {`{"retcode":"100-006","event":"odd"}`, OutcomeSessionEnded, 0, 1},
		"beside a refusal":   {`{"retcode":"100-007","event":[5,"",null]}`, OutcomeRefused, 0, 1},
		"blank":              {`{"retcode":"0","event":" "}`, OutcomeEmpty, 0, 0},
	} {
		p := newAgent(t, Options{URL: serve(t, reply200(c.body))}).Poll(t.Context())
		if p.Outcome != c.outcome || len(p.Events) != c.events || len(p.Bad) != c.bad || p.MayHaveLost || p.Body != nil {
			t.Errorf("%s: %+v", name, p)
		}
	}
}

func TestRefusedConnectionIsNotSent(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	l.Close()
	lookup := func(context.Context, string, string) (net.Conn, error) {
		return nil, &net.DNSError{Err: "no such host", IsNotFound: true}
	}
	for name, o := range map[string]Options{
		"refused": {URL: "http://" + l.Addr().String()},
		"DNS":     {URL: "https://gateway.test", DialContext: lookup},
	} {
		p := newAgent(t, o).Poll(t.Context())
		if p.Outcome != OutcomeNotSent || p.MayHaveLost || p.Err == nil || p.Connections != 0 {
			t.Errorf("%s: %s, lost %t: %v", name, p.Outcome, p.MayHaveLost, p.Err)
		}
	}
}

func TestTLS(t *testing.T) {
	s := httptest.NewUnstartedServer(reply200(readyBody))
	s.Config.ErrorLog = discardLog()
	s.EnableHTTP2 = true // must not be taken
	s.StartTLS()
	t.Cleanup(s.Close)
	pool := x509.NewCertPool()
	pool.AddCert(s.Certificate())
	old := httptest.NewUnstartedServer(reply200(readyBody))
	old.Config.ErrorLog = discardLog()
	old.TLS = &tls.Config{MaxVersion: tls.VersionTLS11, MinVersion: tls.VersionTLS10}
	old.StartTLS()
	t.Cleanup(old.Close)
	plain := serve(t, reply200(readyBody))
	wrongName := strings.Replace(s.URL, "127.0.0.1", "localhost", 1)
	tests := map[string]struct {
		options Options
		outcome Outcome
	}{
		"trusted":      {Options{URL: s.URL, RootCAs: pool}, OutcomeEvent},
		"unknown CA":   {Options{URL: s.URL}, OutcomeNotSent},
		"wrong name":   {Options{URL: wrongName, RootCAs: pool}, OutcomeNotSent},
		"insecure":     {Options{URL: wrongName, InsecureSkipVerify: true}, OutcomeEvent},
		"TLS 1.1":      {Options{URL: old.URL, InsecureSkipVerify: true}, OutcomeNotSent},
		"no TLS there": {Options{URL: strings.Replace(plain, "http:", "https:", 1)}, OutcomeNotSent},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			p := newAgent(t, test.options).Poll(t.Context())
			if p.Outcome != test.outcome || p.MayHaveLost {
				t.Errorf("%s, lost %t (%v), want %s", p.Outcome, p.MayHaveLost, p.Err, test.outcome)
			}
		})
	}
}

// pipePoll polls over a pipe whose other end is served by peer.
func pipePoll(t *testing.T, o Options, peer func(net.Conn)) (Poll, time.Duration) {
	t.Helper()
	client, server := net.Pipe()
	o.URL, o.DialContext = "http://gateway.test", pipeDialer(client)
	a := newAgent(t, o)
	done := make(chan struct{})
	go func() {
		defer close(done)
		peer(server)
	}()
	start := time.Now()
	p := a.Poll(t.Context())
	took := time.Since(start)
	a.client.Close()
	server.Close()
	<-done
	return p, took
}

func TestTimeLimits(t *testing.T) {
	silent := func(c net.Conn) { http.ReadRequest(bufio.NewReader(c)); io.Copy(io.Discard, c) }
	tests := map[string]struct {
		options Options
		peer    func(net.Conn)
		outcome Outcome
		took    time.Duration
	}{
		"held 29 s":          {Options{}, answerAfter(29 * time.Second), OutcomeEvent, 29 * time.Second},
		"no answer":          {Options{}, silent, OutcomeUnknown, 30 * time.Second},
		"longer hold":        {Options{Hold: time.Minute}, silent, OutcomeUnknown, 80 * time.Second},
		"own limit":          {Options{PollTimeout: 11 * time.Second}, silent, OutcomeUnknown, 11 * time.Second},
		"nothing taken":      {Options{}, func(net.Conn) {}, OutcomeNotSent, 30 * time.Second},
		"request half taken": {Options{}, func(c net.Conn) { c.Read(make([]byte, 10)) }, OutcomeUnknown, 30 * time.Second},
		"body stalls":        {Options{}, stall, OutcomeUnknown, 30 * time.Second},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				p, took := pipePoll(t, test.options, test.peer)
				if p.Outcome != test.outcome || took != test.took || p.MayHaveLost != (test.outcome == OutcomeUnknown) {
					t.Errorf("%s after %s, lost %t (%v); want %s after %s", p.Outcome, took, p.MayHaveLost, p.Err, test.outcome, test.took)
				}
				if p.Outcome != OutcomeEvent && !errors.Is(p.Err, context.DeadlineExceeded) {
					t.Errorf("error %v", p.Err)
				}
			})
		})
	}
}

func answerAfter(d time.Duration) func(net.Conn) {
	return func(c net.Conn) {
		http.ReadRequest(bufio.NewReader(c))
		<-time.NewTimer(d).C
		io.WriteString(c, "HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n"+readyBody)
		c.Close()
	}
}

func stall(c net.Conn) {
	http.ReadRequest(bufio.NewReader(c))
	io.WriteString(c, "HTTP/1.1 200 OK\r\nContent-Length: 28\r\n\r\n{")
	io.Copy(io.Discard, c)
}

func TestEndedContextIsNotSent(t *testing.T) {
	a := newAgent(t, Options{URL: "http://gateway.test"})
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	p := a.Poll(ctx)
	if p.Outcome != OutcomeNotSent || !errors.Is(p.Err, context.Canceled) || p.MayHaveLost {
		t.Errorf("%s: %v", p.Outcome, p.Err)
	}
}

// On a reused connection too, a request of which nothing left is not sent.
func TestReusedConnectionNothingTaken(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		client, server := net.Pipe()
		a := newAgent(t, Options{URL: "http://gateway.test", DialContext: pipeDialer(client)})
		done := make(chan struct{})
		go func() {
			defer close(done)
			http.ReadRequest(bufio.NewReader(server))
			io.WriteString(server, "HTTP/1.1 200 OK\r\nContent-Length: 28\r\n\r\n"+idleBody)
		}()
		if p := a.Poll(t.Context()); p.Outcome != OutcomeEmpty {
			t.Errorf("first poll: %s: %v", p.Outcome, p.Err)
		}
		<-done
		p := a.Poll(t.Context())
		if p.Outcome != OutcomeNotSent || p.MayHaveLost || p.Connections != 1 {
			t.Errorf("second poll: %s on %d connections: %v", p.Outcome, p.Connections, p.Err)
		}
		a.client.Close()
		server.Close()
	})
}
