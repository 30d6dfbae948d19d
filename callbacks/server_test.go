package callbacks

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/rs/zerolog"
)

func listen(t *testing.T) net.Listener {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	return l
}

// TestShutdownWaitsForTheStore: a callback that is being stored when the server
// is told to stop is stored and answered.
func TestShutdownWaitsForTheStore(t *testing.T) {
	entered, release := make(chan struct{}), make(chan struct{})
	handler := http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		close(entered)
		<-release
		_, _ = io.WriteString(w, "stored")
	})
	l := listen(t)
	server := NewServer(l, nil, handler, zerolog.Nop())
	intake, stop := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- server.Run(intake, t.Context()) }()

	answer := make(chan string, 1)
	go func() {
		client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
		r, err := client.Post("http://"+l.Addr().String()+"/", "application/json", strings.NewReader("{}"))
		if err != nil {
			answer <- err.Error()
			return
		}
		defer r.Body.Close()
		b, _ := io.ReadAll(r.Body)
		answer <- string(b)
	}()
	<-entered
	stop()
	close(release)
	if got := <-answer; got != "stored" {
		t.Errorf("answer %q", got)
	}
	if err := <-done; err != nil {
		t.Error(err)
	}
}

func TestRateLimitPerCaller(t *testing.T) {
	h := newHandler(t, &memory{}, func(o *Options) { o.TrustedProxies = prefixes(t, "198.51.100.9/32") })
	h.admission.perSecond, h.admission.burst = 1e-9, 2
	send := func(peer, forwarded string) int {
		r := signed(t, "/", sample, time.Now())
		if r.RemoteAddr = peer; forwarded != "" {
			r.Header.Set("X-Forwarded-For", forwarded)
		}
		return serve(h, r).Code
	}
	for i, tt := range []struct {
		peer, forwarded string
		want            int
	}{
		{"192.0.2.1:1", "", 200},
		{"192.0.2.1:2", "", 200},
		{"192.0.2.1:3", "192.0.2.77", 429}, // no proxy of ours: what it forwards counts for nothing
		{"192.0.2.2:1", "", 200},
		{"198.51.100.9:1", "192.0.2.1", 429},
		{"198.51.100.9:2", "192.0.2.3", 200},
		{"[2001:db8::1]:1", "", 200},
		{"[2001:db8::2]:1", "", 200},
		{"[2001:db8::3]:1", "", 429}, // one host has a whole /64
		{"[2001:db8:0:1::3]:1", "", 200},
	} {
		if got := send(tt.peer, tt.forwarded); got != tt.want {
			t.Errorf("request %d from %s for %q: %d, want %d", i, tt.peer, tt.forwarded, got, tt.want)
		}
	}
}

// TestAdmissionForgets: strangers cannot take up memory, nor make it forget who
// is inside.
func TestAdmissionForgets(t *testing.T) {
	g := newAdmission()
	first := netip.MustParseAddr("192.0.2.1")
	var leave func()
	for range maxInside {
		leave, _ = g.enter(first)
	}
	address := netip.MustParseAddr("198.18.0.0")
	for range 2 * maxCallers {
		address = address.Next()
		if out, ok := g.enter(address); ok {
			out()
		}
	}
	if n := len(g.callers); n > maxCallers {
		t.Errorf("%d callers are remembered", n)
	}
	if _, ok := g.enter(first); ok {
		t.Error("one caller is inside more often than allowed")
	}
	leave()
	if _, ok := g.enter(first); !ok {
		t.Error("who leaves makes no room")
	}
}

func TestTLSFromVersion12(t *testing.T) {
	certificate := httptest.NewUnstartedServer(nil)
	certificate.StartTLS() // for its certificate
	defer certificate.Close()
	l := listen(t)
	server := NewServer(l, &tls.Config{Certificates: certificate.TLS.Certificates},
		http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { _, _ = io.WriteString(w, r.Proto) }), zerolog.Nop())
	intake, stop := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- server.Run(intake, t.Context()) }()
	roots := x509.NewCertPool()
	roots.AddCert(certificate.Certificate())
	dial := func(version uint16) error {
		c, err := tls.Dial("tcp", l.Addr().String(), &tls.Config{
			RootCAs: roots, MinVersion: version, MaxVersion: version, NextProtos: []string{"h2", "http/1.1"}, ServerName: "example.com",
		})
		if err != nil {
			return err
		}
		defer c.Close()
		if p := c.ConnectionState().NegotiatedProtocol; p != "http/1.1" {
			t.Errorf("negotiated %q", p)
		}
		return nil
	}
	for version, ok := range map[uint16]bool{tls.VersionTLS11: false, tls.VersionTLS12: true, tls.VersionTLS13: true} {
		if err := dial(version); (err == nil) != ok {
			t.Errorf("version %x: %v", version, err)
		}
	}
	stop()
	if err := <-done; err != nil {
		t.Error(err)
	}
}
