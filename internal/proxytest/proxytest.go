// Package proxytest is a small forward proxy on loopback for tests: CONNECT, and requests
// in absolute form. It can be stopped, started again at the same address, stalled, and
// told to refuse.
//
// Invariants: it passes on every byte as it came. Close returns when every goroutine has
// ended. It imports nothing of ours.
package proxytest

import (
	"context"
	"crypto/tls"
	"encoding/base64"
	"io"
	"log"
	"net"
	"net/http"
	"sync"
	"time"
)

// Options of a proxy. The zero value lets everybody through.
type Options struct {
	Credentials string            // user:password that it wants; empty: none
	Offers      string            // its Proxy-Authenticate; empty: Basic
	TLS         *tls.Config       // nil: plain TCP
	Hosts       map[string]string // what host:port of a CONNECT stands for, where only the proxy knows
}

// Proxy is a running one. It is safe for concurrent use.
type Proxy struct {
	options Options
	address string
	onward  *http.Transport

	mu      sync.Mutex
	listens net.Listener
	server  *http.Server
	conns   map[net.Conn]bool // of clients and of servers
	asked   []string          // request lines
	refuse  int
	stalled chan struct{} // closed: it is not

	running sync.WaitGroup
}

// Listen opens a proxy on a free port.
func Listen(o Options) (*Proxy, error) {
	going := make(chan struct{})
	close(going)
	p := &Proxy{options: o, address: "127.0.0.1:0", conns: map[net.Conn]bool{}, stalled: going, onward: &http.Transport{DisableKeepAlives: true}}
	return p, p.Start()
}

// Addr is where it listens, host:port.
func (p *Proxy) Addr() string { return p.address }

// Start listens again, after Stop.
func (p *Proxy) Start() error {
	l, err := net.Listen("tcp", p.address)
	if err != nil {
		return err
	}
	p.address = l.Addr().String()
	if p.options.TLS != nil {
		l = tls.NewListener(l, p.options.TLS)
	}
	s := &http.Server{Handler: p, ErrorLog: log.New(io.Discard, "", 0), ConnState: func(c net.Conn, state http.ConnState) {
		if state == http.StateNew {
			p.keep(c)
		}
		if state == http.StateClosed {
			p.forget(c)
		}
	}}
	p.mu.Lock()
	p.listens, p.server = l, s
	p.mu.Unlock()
	p.running.Go(func() { _ = s.Serve(l) }) // ends with Stop
	return nil
}

// Stop dies: nobody listens, and every connection is cut.
func (p *Proxy) Stop() {
	p.mu.Lock()
	s := p.server
	p.mu.Unlock()
	_ = s.Close()
	p.Cut()
}

// Cut ends every connection.
func (p *Proxy) Cut() {
	p.mu.Lock()
	defer p.mu.Unlock()
	for c := range p.conns {
		_ = c.Close()
	}
}

// Close stops the proxy for good and waits.
func (p *Proxy) Close() {
	p.Stall(false)
	p.Stop()
	p.running.Wait()
}

// Stall holds back all bytes, and every answer, until it is called with false.
func (p *Proxy) Stall(stall bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	select {
	case <-p.stalled:
		if stall {
			p.stalled = make(chan struct{})
		}
	default:
		if !stall {
			close(p.stalled)
		}
	}
}

// Refuse answers every new request with a page of this status; 0 ends it.
func (p *Proxy) Refuse(status int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.refuse = status
}

// Asked are the requests so far, as "CONNECT host:port" or "GET http://host/path".
func (p *Proxy) Asked() []string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return append([]string(nil), p.asked...)
}

func (p *Proxy) keep(c net.Conn) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.conns[c] = true
}

func (p *Proxy) forget(c net.Conn) {
	p.mu.Lock()
	defer p.mu.Unlock()
	delete(p.conns, c)
}

func (p *Proxy) going() <-chan struct{} {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.stalled
}

// ServeHTTP answers one request.
func (p *Proxy) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	p.mu.Lock()
	p.asked = append(p.asked, r.Method+" "+r.RequestURI)
	refuse := p.refuse
	p.mu.Unlock()
	select {
	case <-p.going():
	case <-r.Context().Done():
		return
	}
	want := "Basic " + base64.StdEncoding.EncodeToString([]byte(p.options.Credentials))
	switch {
	case p.options.Credentials != "" && r.Header.Get("Proxy-Authorization") != want:
		offers := p.options.Offers
		if offers == "" {
			offers = `Basic realm="company"`
		}
		w.Header().Set("Proxy-Authenticate", offers)
		page(w, http.StatusProxyAuthRequired)
	case refuse != 0:
		page(w, refuse)
	case r.Method == http.MethodConnect:
		p.tunnel(w, r)
	default:
		p.forward(w, r)
	}
}

// page is what people would see.
func page(w http.ResponseWriter, status int) {
	w.Header().Set("Content-Type", "text/html")
	w.WriteHeader(status)
	_, _ = io.WriteString(w, "<html><h1>The proxy says no</h1></html>") // the client may have gone
}

// forward passes on a request in absolute form, and its answer.
func (p *Proxy) forward(w http.ResponseWriter, r *http.Request) {
	out := r.Clone(r.Context())
	out.RequestURI = ""
	for _, own := range []string{"Proxy-Authorization", "Proxy-Connection"} {
		out.Header.Del(own)
	}
	answer, err := p.onward.RoundTrip(out)
	if err != nil {
		page(w, http.StatusBadGateway)
		return
	}
	defer answer.Body.Close()
	for name, values := range answer.Header {
		w.Header()[name] = values
	}
	w.WriteHeader(answer.StatusCode)
	_, _ = io.Copy(w, answer.Body) // the client may have gone
}

// tunnel connects a client to a server until either goes.
func (p *Proxy) tunnel(w http.ResponseWriter, r *http.Request) {
	ctx, cancel := context.WithTimeout(r.Context(), 5*time.Second)
	defer cancel()
	to := r.Host
	if known, ok := p.options.Hosts[to]; ok {
		to = known
	}
	server, err := (&net.Dialer{}).DialContext(ctx, "tcp", to)
	if err != nil {
		page(w, http.StatusBadGateway)
		return
	}
	client, buffered, err := http.NewResponseController(w).Hijack()
	if err != nil {
		_ = server.Close()
		return
	}
	p.keep(server)
	p.running.Go(func() {
		defer p.forget(client)
		defer p.forget(server)
		var both sync.WaitGroup
		both.Go(func() { p.pump(server, buffered, client) })
		if _, err := io.WriteString(client, "HTTP/1.1 200 Connection established\r\n\r\n"); err == nil {
			p.pump(client, server, server)
		}
		_, _ = client.Close(), server.Close()
		both.Wait()
	})
}

// pump copies, unless the proxy is stalled, and closes both ends at the end of one.
func (p *Proxy) pump(to io.WriteCloser, from io.Reader, end io.Closer) {
	defer end.Close()
	defer to.Close()
	piece := make([]byte, 16<<10)
	for {
		n, err := from.Read(piece)
		<-p.going()
		if n > 0 {
			if _, err := to.Write(piece[:n]); err != nil {
				return
			}
		}
		if err != nil {
			return
		}
	}
}
