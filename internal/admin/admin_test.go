package admin

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/rs/zerolog"
	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// serve runs a server until the test ends, and returns its address.
func serve(t *testing.T, token string) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	metrics := prometheus.NewRegistry()
	metrics.MustRegister(prometheus.NewCounter(prometheus.CounterOpts{Name: "aicc_things_total", Help: "Things."}))
	s := New(Options{Listener: l, Token: func() string { return token }, Metrics: metrics, Health: http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.WriteHeader(http.StatusServiceUnavailable)
	})})
	intake, stop := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- s.Run(intake, context.Background()) }()
	t.Cleanup(func() {
		stop()
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
	return "http://" + l.Addr().String()
}

func get(t *testing.T, address, authorization string) (status int, body string) {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, address, nil)
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("Authorization", authorization)
	client := &http.Client{Timeout: 10 * time.Second}
	defer client.CloseIdleConnections()
	answer, err := client.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer answer.Body.Close()
	text, err := io.ReadAll(answer.Body)
	if err != nil {
		t.Fatal(err)
	}
	return answer.StatusCode, string(text)
}

func TestServes(t *testing.T) {
	address := serve(t, "")
	if status, body := get(t, address+"/metrics", ""); status != http.StatusOK || !strings.Contains(body, "aicc_things_total 0") {
		t.Errorf("metrics: %d %q", status, body)
	}
	if status, _ := get(t, address+"/healthz", ""); status != http.StatusServiceUnavailable {
		t.Errorf("health: %d", status)
	}
	if status, _ := get(t, address+"/", ""); status != http.StatusNotFound {
		t.Errorf("elsewhere: %d", status)
	}
}

func TestToken(t *testing.T) {
	address := serve(t, "secret")
	for authorization, want := range map[string]int{
		"": 401, "Bearer": 401, "Bearer secre": 401, "Bearer secret ": 200, "secret": 401, "Bearer secret": 200,
	} {
		if status, body := get(t, address+"/metrics", authorization); status != want || status == 401 && strings.Contains(body, "aicc_") {
			t.Errorf("%q: %d %q, want %d", authorization, status, body, want)
		}
	}
}

func TestListenerLost(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	s := New(Options{Listener: l, Metrics: prometheus.NewRegistry(), Health: http.NotFoundHandler()})
	_ = l.Close()
	if err := s.Run(t.Context(), t.Context()); err == nil || !strings.Contains(err.Error(), "serve on 127.0.0.1:") {
		t.Errorf("it ends with %v", err)
	}
}

// TestHandshakesAreLogged: what net/http says of a scan is a line of ours, not plain text.
func TestHandshakesAreLogged(t *testing.T) {
	var out bytes.Buffer
	s := New(Options{Metrics: prometheus.NewRegistry(), Health: http.NotFoundHandler(), Logger: zerolog.New(&out)})
	s.server.ErrorLog.Printf("http: TLS handshake error from %s: EOF", "192.0.2.1:5")
	var line map[string]any
	if err := json.Unmarshal(out.Bytes(), &line); err != nil || line["detail"] != "http: TLS handshake error from 192.0.2.1:5: EOF" {
		t.Errorf("%q: %v", &out, err)
	}
}

// TestProbes: whoever asks whether the bridge lives, and is ready, needs no token.
func TestProbes(t *testing.T) {
	address := serve(t, "token")
	for path, want := range map[string]int{"/livez": 200, "/readyz": 200, "/healthz": 401, "/metrics": 401, "/": 401} {
		if status, body := get(t, address+path, ""); status != want || want == 200 && body != "ok\n" {
			t.Errorf("%s: %d %q", path, status, body)
		}
	}
}

// TestWall: it is served without the token, which it asks for itself, and nothing else is.
func TestWall(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	s := New(Options{Listener: l, Token: func() string { return "token" }, Metrics: prometheus.NewRegistry(), Health: http.NotFoundHandler(),
		Wall: http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusTeapot) })})
	intake, stop := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- s.Run(intake, context.Background()) }()
	for path, want := range map[string]int{"/": 418, "/wallboard/events": 418, "/metrics": 401, "/healthz": 401, "/other": 401, "/-/reload": 401} {
		if status, _ := get(t, "http://"+l.Addr().String()+path, ""); status != want {
			t.Errorf("%s: %d, want %d", path, status, want)
		}
	}
	stop()
	if err := <-done; err != nil {
		t.Error(err)
	}
}

// TestHosts: on loopback a name from elsewhere, which may point anywhere, is answered by probes
// alone.
func TestHosts(t *testing.T) {
	address := serve(t, "")
	ask := func(path, host string) int {
		t.Helper()
		r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, address+path, nil)
		if err != nil {
			t.Fatal(err)
		}
		r.Host = host
		client := &http.Client{Timeout: 10 * time.Second}
		defer client.CloseIdleConnections()
		answer, err := client.Do(r)
		if err != nil {
			t.Fatal(err)
		}
		_ = answer.Body.Close()
		return answer.StatusCode
	}
	for _, path := range []string{"/metrics", "/healthz", "/answers", "/-/reload", "/", "/wallboard/"} {
		if got := ask(path, "evil.example:8080"); got != http.StatusMisdirectedRequest {
			t.Errorf("%s by a name from elsewhere: %d", path, got)
		}
		if got := ask(path, "localhost:8080"); got == http.StatusMisdirectedRequest {
			t.Errorf("%s by a name of this machine: %d", path, got)
		}
	}
	for _, path := range []string{"/livez", "/readyz"} {
		if got := ask(path, "evil.example"); got != http.StatusOK {
			t.Errorf("%s: %d", path, got)
		}
	}
	for host, want := range map[string]int{
		"localhost:8080": 200, "LOCALHOST": 200, "127.0.0.9": 200, "[::1]:80": 200, "wall.localhost": 200,
		"evil.example": 421, "localhost.evil.example": 421, "192.0.2.1": 421,
	} {
		if got := ask("/metrics", host); got != want {
			t.Errorf("%s: %d, want %d", host, got, want)
		}
	}
}

// TestHostAsWritten: the host of listen.admin is answered, and one that is not on loopback
// answers to every name.
func TestHostAsWritten(t *testing.T) {
	for _, c := range []struct {
		listens, written, host string
		want                   int
	}{
		{"127.0.0.1:80", "bridge.example:80", "bridge.example", 200},
		{"127.0.0.1:80", "bridge.example:80", "other.example", 421},
		{"127.0.0.1:80", "", "", 421},
		{"10.0.0.1:80", "10.0.0.1:80", "other.example", 200},
		{"[::1]:80", "[::1]:80", "other.example", 421},
	} {
		at, err := net.ResolveTCPAddr("tcp", c.listens)
		if err != nil {
			t.Fatal(err)
		}
		h := fromHere(newPipes(at), c.written, http.HandlerFunc(func(http.ResponseWriter, *http.Request) {}))
		w, r := httptest.NewRecorder(), httptest.NewRequest(http.MethodGet, "/", nil)
		r.Host = c.host
		if h.ServeHTTP(w, r); w.Code != c.want {
			t.Errorf("%+v: %d", c, w.Code)
		}
	}
}

// pipes is a listener at an address, of connections that are pipes.
type pipes struct {
	at     net.Addr
	conns  chan net.Conn
	closed chan struct{}
	end    func()
}

func newPipes(at net.Addr) *pipes {
	p := &pipes{at: at, conns: make(chan net.Conn), closed: make(chan struct{})}
	p.end = sync.OnceFunc(func() { close(p.closed) })
	return p
}

func (p *pipes) Addr() net.Addr { return p.at }

func (p *pipes) Close() error {
	p.end()
	return nil
}

func (p *pipes) Accept() (net.Conn, error) {
	select {
	case c := <-p.conns:
		return c, nil
	case <-p.closed:
		return nil, net.ErrClosed
	}
}

// TestWhoReadsNothing: a viewer that does not read is cut off at the end, within the time that
// the end has, and that is no error; an end that has less time says so.
func TestWhoReadsNothing(t *testing.T) {
	for grace, want := range map[time.Duration]error{5 * time.Second: nil, time.Second: context.DeadlineExceeded} {
		synctest.Test(t, func(t *testing.T) {
			l, began, cut := newPipes(&net.TCPAddr{IP: net.IPv4(127, 0, 0, 1)}), make(chan struct{}), make(chan error, 1)
			s := New(Options{Listener: l, Metrics: prometheus.NewRegistry(), Health: http.NotFoundHandler(), Wall: http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
				close(began)
				var err error
				for err == nil {
					_, err = w.Write(make([]byte, 1<<20))
				}
				cut <- err
			})})
			intake, stop := context.WithCancel(t.Context())
			work, end := context.WithTimeout(t.Context(), grace)
			defer end()
			done := make(chan error, 1)
			go func() { done <- s.Run(intake, work) }()
			here, there := net.Pipe()
			defer here.Close()
			l.conns <- there
			_, _ = io.WriteString(here, "GET / HTTP/1.1\r\nHost: localhost\r\n\r\n")
			<-began
			stop()
			if err := <-done; !errors.Is(err, want) {
				t.Errorf("with %s it ends with %v, want %v", grace, err, want)
			}
			<-cut
		})
	}
}
