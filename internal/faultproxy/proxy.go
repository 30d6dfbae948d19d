// Package faultproxy is a TCP proxy on loopback whose faults are switched while
// connections run through it: what lies between a client and its server.
//
//	client ──► requests ──► server      Silence, Delay, Throttle, CutAfter
//	client ◄── answers ◄─── server      Silence, Delay, Throttle, Swallow, HalfClose
//
// Invariants:
//
//   - Without a fault every byte is passed on, in order, and an end of either
//     direction as an end of that direction.
//   - A swallowed answer was sent by the server and never reaches the client: the
//     connection is cut at once, so nothing behind it does either.
//   - A cut is a reset (RST), as of a crashed peer, not an orderly end.
//   - Close returns when every goroutine has ended.
package faultproxy

import (
	"context"
	"fmt"
	"net"
	"sync"
	"time"
)

// Proxy forwards connections to one target. It is safe for concurrent use.
type Proxy struct {
	target   string
	listener net.Listener
	ctx      context.Context // ends with Close
	end      context.CancelFunc
	running  sync.WaitGroup

	mu        sync.Mutex
	links     map[*link]bool
	away      bool
	silence   chan struct{} // closed when it ends; nil: nothing is held
	delay     time.Duration
	perSecond int    // bytes, 0: no limit
	left      int64  // requests' bytes until the cut, below 0: no cut
	needle    string // of the answers to swallow
	swallow   int    // how many are still to go
	swallowed int
}

// Listen opens a proxy on a free loopback port. The target, host:port, is dialled
// anew for each connection.
func Listen(target string) (*Proxy, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, fmt.Errorf("open fault proxy: %w", err)
	}
	p := &Proxy{target: target, listener: l, links: map[*link]bool{}, left: -1}
	p.ctx, p.end = context.WithCancel(context.Background())
	p.running.Go(p.accept)
	return p, nil
}

// Addr is where clients connect, host:port.
func (p *Proxy) Addr() string { return p.listener.Addr().String() }

// Close cuts everything and waits.
func (p *Proxy) Close() {
	p.end()
	_ = p.listener.Close()
	p.Cut()
	p.running.Wait()
}

// Delay holds each piece of data for d, in both directions. 0 ends it.
func (p *Proxy) Delay(d time.Duration) { p.set(func() { p.delay = d }) }

// Throttle lets so many bytes a second through, each way of each connection.
// 0 ends it.
func (p *Proxy) Throttle(bytesPerSecond int) { p.set(func() { p.perSecond = bytesPerSecond }) }

// CutAfter cuts the connection on which clients have sent n more bytes, all
// connections counted together, once these bytes are passed on.
func (p *Proxy) CutAfter(n int64) { p.set(func() { p.left = n }) }

// Swallow drops each of the next n answers that hold the needle, and cuts the
// connection it was on: the server has done the work, the client can't know. An
// answer is looked for in what one read brings, so it must be short.
func (p *Proxy) Swallow(n int, needle string) {
	p.set(func() { p.swallow, p.needle = n, needle })
}

// Swallowed counts the answers swallowed so far.
func (p *Proxy) Swallowed() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.swallowed
}

// Away resets all connections, and new ones too, until it is called with false.
func (p *Proxy) Away(away bool) {
	p.set(func() { p.away = away })
	if away {
		p.Cut()
	}
}

// Silence holds all that is sent, in both directions, until it is called with false; the
// connections stay. That is how a cut network looks from its ends.
func (p *Proxy) Silence(silent bool) {
	p.set(func() {
		switch {
		case silent && p.silence == nil:
			p.silence = make(chan struct{})
		case !silent && p.silence != nil:
			close(p.silence)
			p.silence = nil
		}
	})
}

// Cut resets all connections.
func (p *Proxy) Cut() {
	for _, l := range p.all() {
		l.cut()
	}
}

// HalfClose tells all clients that no more answers come; what they send still
// reaches the server.
func (p *Proxy) HalfClose() {
	for _, l := range p.all() {
		_ = l.client.CloseWrite() // it may have gone
	}
}

func (p *Proxy) set(change func()) {
	p.mu.Lock()
	defer p.mu.Unlock()
	change()
}

func (p *Proxy) all() (all []*link) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for l := range p.links {
		all = append(all, l)
	}
	return all
}

func (p *Proxy) accept() {
	for {
		c, err := p.listener.Accept()
		if err != nil {
			return // closed
		}
		p.running.Go(func() { p.serve(c.(*net.TCPConn)) })
	}
}

// serve runs one connection until both directions have ended.
func (p *Proxy) serve(client *net.TCPConn) {
	server, err := (&net.Dialer{Timeout: 5 * time.Second}).DialContext(p.ctx, "tcp", p.target)
	if err != nil {
		reset(client)
		return
	}
	l := &link{p: p, client: client, server: server.(*net.TCPConn)}
	p.mu.Lock()
	refused := p.away || p.ctx.Err() != nil
	p.links[l] = true
	p.mu.Unlock()
	if refused {
		l.cut()
	}
	var both sync.WaitGroup
	both.Go(func() { l.pump(l.server, l.client, l.request) })
	both.Go(func() { l.pump(l.client, l.server, l.answer) })
	both.Wait()
	p.set(func() { delete(p.links, l) })
	_, _ = l.client.Close(), l.server.Close()
}
