package callbacks

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
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

func TestConnectionCap(t *testing.T) {
	l := newCappedListener(listen(t), 2, 2)
	defer l.Close()
	accepted := make(chan net.Conn, 3)
	go func() {
		defer close(accepted)
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			accepted <- c
		}
	}()
	dial := func() net.Conn {
		c, err := net.Dial("tcp", l.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		return c
	}
	a, b := dial(), dial()
	defer a.Close()
	defer b.Close()
	first, second := <-accepted, <-accepted
	defer second.Close()
	c := dial()
	defer c.Close()
	_ = c.SetReadDeadline(time.Now().Add(10 * time.Second))
	if _, err := c.Read(make([]byte, 1)); err != io.EOF && !strings.Contains(err.Error(), "reset") {
		t.Errorf("the third connection was not closed: %v", err)
	}
	_ = first.Close()
	_ = first.Close() // twice gives back one place only
	d := dial()
	defer d.Close()
	third := <-accepted
	_ = third.Close()
	_ = l.Close()
	if l.all != 1 {
		t.Errorf("%d places taken, want 1", l.all)
	}
}

func TestRateLimitPerAddress(t *testing.T) {
	h := limitRate(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {}), 1, 2)
	send := func(address string) int {
		r := httptest.NewRequest(http.MethodPost, "/", nil)
		r.RemoteAddr = address
		return serve(h, r).Code
	}
	got := []int{send("192.0.2.1:1"), send("192.0.2.1:2"), send("192.0.2.1:3"), send("192.0.2.2:1")}
	want := []int{200, 200, 429, 200}
	for i := range want {
		if got[i] != want[i] {
			t.Fatalf("codes %v, want %v", got, want)
		}
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
