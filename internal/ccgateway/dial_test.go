package ccgateway

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"net"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"aiccbridge/internal/dialguard"
)

// An address at which the machine would answer to itself is refused before
// anything is sent: no event is lost.
func TestLinkLocalIsNotSent(t *testing.T) {
	for _, url := range []string{"http://169.254.169.254", "https://169.254.169.254", "http://[::ffff:169.254.169.254]", "https://[fd00:ec2::254]:8043"} {
		p := newAgent(t, Options{URL: url}).Poll(t.Context())
		var refused *dialguard.Error
		if p.Outcome != OutcomeNotSent || p.MayHaveLost || !errors.As(p.Err, &refused) {
			t.Errorf("%s: %s, lost %t: %v", url, p.Outcome, p.MayHaveLost, p.Err)
		}
	}
}

// A redirect is an answer like any other with a status that is not 200: the
// agent's GUID goes nowhere else.
func TestRedirectsAreNotFollowed(t *testing.T) {
	var followed atomic.Int32
	other := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { followed.Add(1) }))
	t.Cleanup(other.Close)
	for _, status := range []int{301, 302, 303, 307, 308} {
		a := newAgent(t, Options{URL: serve(t, func(w http.ResponseWriter, r *http.Request) {
			http.Redirect(w, r, other.URL, status)
		})})
		var got *StatusError
		if p := a.Poll(t.Context()); !errors.As(p.Err, &got) || got.Status != status {
			t.Errorf("poll, %d: %v", status, p.Err)
		}
		if _, err := a.Status(t.Context()); err == nil {
			t.Errorf("status query, %d: no error", status)
		}
	}
	if n := followed.Load(); n != 0 {
		t.Errorf("%d redirects followed", n)
	}
}

// A TLS connection that does not come about loses no event, and its error names the cure.
func TestHandshakeNamesTheCure(t *testing.T) {
	for name, test := range map[string]struct {
		config *tls.Config
		want   string
	}{
		"RSA key exchange": {&tls.Config{MaxVersion: tls.VersionTLS12, CipherSuites: []uint16{tls.TLS_RSA_WITH_AES_128_GCM_SHA256}}, "forward secrecy"},
		"TLS 1.1":          {&tls.Config{MinVersion: tls.VersionTLS10, MaxVersion: tls.VersionTLS11}, "switch on TLS 1.2"},
		"not trusted":      {&tls.Config{}, "ca_file"},
		"no TLS":           {nil, "does not speak TLS"},
	} {
		s := httptest.NewUnstartedServer(reply200(readyBody))
		s.Config.ErrorLog = discardLog()
		if s.TLS = test.config; test.config != nil {
			s.StartTLS()
		} else {
			s.Start()
		}
		a := newAgent(t, Options{URL: "https://" + s.Listener.Addr().String() + testBase, RootCAs: x509.NewCertPool()})
		p := a.Poll(t.Context())
		if p.Outcome != OutcomeNotSent || p.MayHaveLost || !strings.Contains(p.Err.Error(), test.want) {
			t.Errorf("%s: %s, %v", name, p.Outcome, p.Err)
		}
		s.Close()
	}
}

// A gateway that comes back is not run over: connections are made at the rate that is set,
// and waiting for one is no part of the poll's own time.
func TestConnectionsAreMadeInTurn(t *testing.T) {
	const agents, perSecond = 300, 20
	synctest.Test(t, func(t *testing.T) {
		var mu sync.Mutex
		dials := map[int]int{}
		begun := time.Now()
		dial := func(context.Context, string, string) (net.Conn, error) {
			mu.Lock()
			defer mu.Unlock()
			dials[int(time.Since(begun)/time.Second)]++
			client, server := net.Pipe()
			go answerAfter(10 * time.Second)(server)
			return client, nil
		}
		c, err := New(Options{URL: "http://gateway.test", ConnectRate: perSecond, PollTimeout: 11 * time.Second, DialContext: dial})
		if err != nil {
			t.Fatal(err)
		}
		var running sync.WaitGroup
		for i := range agents {
			a := c.Agent(strconv.Itoa(1000 + i))
			a.Resume("first")
			running.Go(func() {
				if p := a.Poll(t.Context()); p.Outcome != OutcomeEvent || p.ReceivedAt.Sub(p.SentAt) != 10*time.Second {
					t.Errorf("%s in %s: %v", p.Outcome, p.ReceivedAt.Sub(p.SentAt), p.Err)
				}
			})
		}
		running.Wait()
		for second, n := range dials {
			if most := perSecond + perSecond/10 + 1; n > most {
				t.Errorf("%d connections in second %d, want at most %d", n, second, most)
			}
		}
		if len(dials) < agents/perSecond-1 {
			t.Errorf("%d connections in %d s", agents, len(dials))
		}
	})
}
