package poller

import (
	"context"
	"errors"
	"io"
	"log"
	"net"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"aiccbridge/internal/ccgateway"
	"aiccbridge/poller/session"
)

var _ session.Gateway = (*ccgateway.Agent)(nil)

// pipes is a network in memory, which works in virtual time.
type pipes struct {
	conns chan net.Conn
	done  chan struct{}
	close func()

	mu   sync.Mutex
	fail error // of the next dials
}

func newPipes() *pipes {
	p := &pipes{conns: make(chan net.Conn), done: make(chan struct{})}
	p.close = sync.OnceFunc(func() { close(p.done) })
	return p
}

func (p *pipes) setFail(err error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.fail = err
}

func (p *pipes) dial(ctx context.Context, _, _ string) (net.Conn, error) {
	p.mu.Lock()
	fail := p.fail
	p.mu.Unlock()
	if fail != nil {
		return nil, fail
	}
	client, server := net.Pipe()
	select {
	case p.conns <- server:
		return newEager(client), nil
	case <-p.done:
		return nil, net.ErrClosed
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

func (p *pipes) Accept() (net.Conn, error) {
	select {
	case c := <-p.conns:
		return c, nil
	case <-p.done:
		return nil, net.ErrClosed
	}
}

func (p *pipes) Close() error { p.close(); return nil }

func (p *pipes) Addr() net.Addr { return &net.UnixAddr{Name: "pipes"} }

// eager is the end of a pipe that takes what is written at once, as a socket does:
// in a TLS handshake both sides may write at the same time.
type eager struct {
	net.Conn
	out    chan []byte
	closed chan struct{}
	close  func()
}

func newEager(c net.Conn) *eager {
	e := &eager{Conn: c, out: make(chan []byte, 16), closed: make(chan struct{})}
	e.close = sync.OnceFunc(func() { close(e.closed) })
	go e.run()
	return e
}

// run ends with Close.
func (e *eager) run() {
	for {
		select {
		case b := <-e.out:
			if _, err := e.Conn.Write(b); err != nil {
				e.close()
			}
		case <-e.closed:
			return
		}
	}
}

func (e *eager) Write(b []byte) (int, error) {
	select {
	case e.out <- slices.Clone(b):
		return len(b), nil
	case <-e.closed:
		return 0, net.ErrClosed
	}
}

func (e *eager) Close() error {
	e.close()
	return e.Conn.Close()
}

// platform is a gateway that signs everybody in and answers polls as it is told.
type platform struct {
	answer http.HandlerFunc // of polls

	mu    sync.Mutex
	began []time.Time // of each poll
	ended []time.Time
	other int // requests that are no polls
}

func (p *platform) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if !strings.Contains(r.URL.Path, "/agentevent/") {
		p.mu.Lock()
		p.other++
		p.mu.Unlock()
		w.Header().Set("Set-GUID", "JSESSIONID=4f3c1d9e.AgentGateway0")
		io.WriteString(w, `{"message":"","retcode":"0","result":{"loginTime":"1471585949806","agentState":4,"isWorking":false}}`)
		return
	}
	p.mu.Lock()
	p.began = append(p.began, time.Now())
	p.mu.Unlock()
	p.answer(w, r)
	p.mu.Lock()
	p.ended = append(p.ended, time.Now())
	p.mu.Unlock()
}

// against lets the stage's agents talk to a platform over a listener, which may
// wrap pipes into TLS; the function returned ends both.
func (s *stage) against(t *testing.T, h http.Handler, network *pipes, listener net.Listener, o ccgateway.Options) func() {
	t.Helper()
	server := &http.Server{Handler: h, ErrorLog: log.New(io.Discard, "", 0)}
	served := make(chan error, 1)
	go func() { served <- server.Serve(listener) }()
	o.DialContext = network.dial
	client, err := ccgateway.New(o)
	if err != nil {
		t.Fatal(err)
	}
	s.options.Agent = func(id string) session.Gateway { return client.Agent(id) }
	return func() {
		client.Close()
		server.Close()
		network.close()
		if err := <-served; !errors.Is(err, http.ErrServerClosed) && !errors.Is(err, net.ErrClosed) {
			t.Error(err)
		}
		synctest.Wait() // for the answers under way, which Close does not
	}
}
