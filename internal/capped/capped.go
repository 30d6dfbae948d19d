// Package capped keeps strangers from taking all connections of a listener. It imports nothing of
// ours.
package capped

import (
	"errors"
	"net"
	"net/netip"
	"strings"
	"sync"
	"syscall"
)

// Listener bounds the open connections, in all and per caller, so that
// idle ones cannot shut the platform out. At the bound of one caller its next
// connection is closed at once. At the bound in all, whoever holds the most gives
// up its oldest for somebody who holds less: a few hosts that hold everything
// make room for one that holds nothing.
//
// The caller is the peer: behind a proxy all connections are the proxy's.
type Listener struct {
	net.Listener
	total, perCaller int

	mu   sync.Mutex
	open map[netip.Prefix][]*conn // oldest first
	all  int
}

// Listen bounds a listener's connections, in all and per caller.
func Listen(l net.Listener, total, perCaller int) *Listener {
	return &Listener{Listener: l, total: total, perCaller: perCaller, open: map[netip.Prefix][]*conn{}}
}

// Accept is that of [net.Listener].
func (l *Listener) Accept() (net.Conn, error) {
	for {
		accepted, err := l.Listener.Accept()
		if err != nil {
			return nil, err
		}
		c := &conn{Conn: accepted, listener: l, caller: Network(Address(accepted.RemoteAddr().String()))}
		oldest, ok := l.take(c)
		if oldest != nil {
			_ = oldest.Conn.Close() // its own server closes it again, and gets an error for it
		}
		if ok {
			return c, nil
		}
		_ = accepted.Close() // refused; nothing was read from it
	}
}

// take finds a place for c; oldest, if any, has lost its own.
func (l *Listener) take(c *conn) (oldest *conn, ok bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	held := len(l.open[c.caller])
	if held >= l.perCaller {
		return nil, false
	}
	if l.all >= l.total {
		if oldest = l.greediest(); oldest == nil || len(l.open[oldest.caller]) <= held+1 {
			return nil, false
		}
		l.drop(oldest)
	}
	l.all++
	l.open[c.caller] = append(l.open[c.caller], c)
	return oldest, true
}

// greediest returns the oldest connection of whoever holds the most.
func (l *Listener) greediest() *conn {
	var most []*conn
	for _, held := range l.open {
		if len(held) > len(most) {
			most = held
		}
	}
	if most == nil {
		return nil
	}
	return most[0]
}

// drop takes c off the list, if it is there.
func (l *Listener) drop(c *conn) {
	held := l.open[c.caller]
	for i := range held {
		if held[i] != c {
			continue
		}
		l.all--
		if len(held) == 1 {
			delete(l.open, c.caller)
		} else {
			l.open[c.caller] = append(held[:i:i], held[i+1:]...)
		}
		return
	}
}

type conn struct {
	net.Conn
	listener *Listener
	caller   netip.Prefix
}

// Close is that of [net.Conn].
func (c *conn) Close() error {
	c.listener.mu.Lock()
	c.listener.drop(c)
	c.listener.mu.Unlock()
	return c.Conn.Close()
}

// SyscallConn is the socket's, for whoever wants to know what its peer has got.
func (c *conn) SyscallConn() (syscall.RawConn, error) {
	if s, ok := c.Conn.(syscall.Conn); ok {
		return s.SyscallConn()
	}
	return nil, errors.New("the connection has no socket")
}

// CloseWrite tells the peer that nothing more comes.
func (c *conn) CloseWrite() error {
	if half, ok := c.Conn.(interface{ CloseWrite() error }); ok {
		return half.CloseWrite()
	}
	return errors.New("the connection has no half to close")
}

// Address reads an address with or without a port.
func Address(s string) netip.Addr {
	a, err := netip.ParseAddr(strings.Trim(s, "[]"))
	if err != nil {
		p, _ := netip.ParseAddrPort(s) // the zero value is nobody
		a = p.Addr()
	}
	return a.Unmap().WithZone("")
}

// Network is what counts as one caller: an IPv4 address, or the /64 that one
// IPv6 host may choose its addresses from.
func Network(a netip.Addr) netip.Prefix {
	bits := a.BitLen()
	if a.Is6() {
		bits = 64
	}
	p, _ := a.Prefix(bits) // the zero Prefix stands for nobody
	return p
}
