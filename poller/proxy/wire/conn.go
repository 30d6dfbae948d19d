package wire

import (
	"context"
	"crypto/tls"
	"errors"
	"io"
	"net"
	"os"
	"sync"
	"syscall"
	"time"
)

const (
	// settle is how long a connection that is open is watched for news of its end: what cut it
	// may have told its client before it tells us.
	settle = 100 * time.Millisecond
	// lingers is how long a connection waits, before it is closed, until its peer has got all,
	// and how often it looks.
	lingers, lingersEach = 2 * time.Second, 5 * time.Millisecond
)

// Conn is a connection of a client that remembers how it ended.
type Conn struct {
	net.Conn
	socket syscall.RawConn // nil: it can't be looked at

	once  sync.Once
	whole bool          // it ended in order, and the peer had got all by then; read behind ended
	ended chan struct{} // closed at the end
}

func newConn(c net.Conn) *Conn {
	n := &Conn{Conn: c, ended: make(chan struct{})}
	if s, ok := c.(syscall.Conn); ok {
		n.socket, _ = s.SyscallConn() // without one nothing is known of what the peer has got
	}
	return n
}

// Read is that of [net.Conn].
func (c *Conn) Read(b []byte) (int, error) {
	n, err := c.Conn.Read(b)
	c.note(err)
	return n, err
}

// Write is that of [net.Conn].
func (c *Conn) Write(b []byte) (int, error) {
	n, err := c.Conn.Write(b)
	c.note(err)
	return n, err
}

// CloseWrite tells the peer that nothing more comes.
func (c *Conn) CloseWrite() error {
	if half, ok := c.Conn.(interface{ CloseWrite() error }); ok {
		return half.CloseWrite()
	}
	return nil
}

// Close is that of [net.Conn]. It waits for a moment until the peer has got what was sent.
func (c *Conn) Close() error {
	if !c.over() && c.unsent() > 0 && c.CloseWrite() == nil {
		look := time.NewTicker(lingersEach)
		defer look.Stop()
		for begun := time.Now(); c.unsent() > 0 && time.Since(begun) < lingers; {
			<-look.C
		}
	}
	c.note(net.ErrClosed)
	return c.Conn.Close()
}

// note looks whether an error is the end, and which. Deadlines are the server's own business.
func (c *Conn) note(err error) {
	if err == nil || errors.Is(err, os.ErrDeadlineExceeded) {
		return
	}
	c.once.Do(func() {
		c.whole = (errors.Is(err, io.EOF) || errors.Is(err, net.ErrClosed)) && c.unsent() == 0
		close(c.ended)
	})
}

func (c *Conn) over() bool {
	select {
	case <-c.ended:
		return true
	default:
		return false
	}
}

// unsent is how many bytes the peer has not confirmed.
func (c *Conn) unsent() (n int) {
	if c.socket != nil {
		_ = c.socket.Control(func(fd uintptr) { n = unconfirmed(fd) }) // a socket that is closed says nothing
	}
	return n
}

// Arrived reports whether the peer can be taken to have got what was sent: it took all, and did
// not break the connection off. What is open is watched for a moment.
func (c *Conn) Arrived(ctx context.Context) bool {
	wait := time.NewTimer(settle)
	defer wait.Stop()
	select {
	case <-c.ended:
		return c.whole
	case <-ctx.Done():
	case <-wait.C:
	}
	return !c.over() && c.unsent() == 0
}

// connKey is that of a request's connection in its context.
type connKey struct{}

// keep puts the connection into the context of its requests.
func keep(ctx context.Context, c net.Conn) context.Context {
	if secure, ok := c.(*tls.Conn); ok {
		c = secure.NetConn()
	}
	return context.WithValue(ctx, connKey{}, c)
}

// Of is the connection of a request; nil: nothing is known of it.
func Of(ctx context.Context) *Conn {
	c, _ := ctx.Value(connKey{}).(*Conn)
	return c
}
