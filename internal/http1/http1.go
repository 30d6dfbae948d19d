// Package http1 is a client of HTTP/1.1 for requests that must not be made twice, and of
// which very many wait for their answers at the same time.
//
// Invariants:
//
//   - A request is written once, to one connection, or not at all. Nothing is repeated,
//     and no redirect is followed.
//   - A request lives in the goroutine that makes it, and while it waits for the first
//     byte of its answer it holds a connection and nothing else: no second goroutine, no
//     buffer. net/http has two goroutines for each connection, and two buffers.
//   - [Answer.Wrote] is false only if not one byte was handed to the connection.
//   - A connection is used again only if the last answer was read to its end, did not ask
//     for the contrary, and nothing came after it: neither bytes nor the end.
//
// Answers are read by net/http's own parser. The package imports nothing of ours.
package http1

import (
	"context"
	"errors"
	"net"
	"net/http"
	"sync"
	"time"
)

var (
	// ErrBodyTooLarge is of a body longer than Request.MaxBody.
	ErrBodyTooLarge = errors.New("answer exceeds the size limit")
	// ErrHeadTooLarge is of an answer whose headers are longer than Options.MaxHead.
	ErrHeadTooLarge = errors.New("headers of the answer exceed the size limit")
)

// Options configure a Client. All are required.
type Options struct {
	// Dial makes a connection to the server, with TLS and whatever else is needed.
	Dial func(ctx context.Context) (net.Conn, error)
	// MaxIdle is how many connections are kept for reuse, IdleTimeout how long.
	MaxIdle     int
	IdleTimeout time.Duration
	// MaxHead limits the headers of an answer, in bytes.
	MaxHead int64
}

// Client holds the connections to one server. It is safe for concurrent use.
type Client struct {
	o Options

	mu     sync.Mutex
	idle   []*conn     // the one used last is the last
	expiry *time.Timer // runs while there are idle ones
	closed bool
}

// Request is what to send, and what to wait for.
type Request struct {
	// Append appends the whole request, as it goes on the wire. It is called once, when
	// there is a connection.
	Append func(to []byte) []byte
	// Timeout ends a request that has got a connection, but no whole answer.
	Timeout time.Duration
	// MaxBody limits the body of the answer, in bytes.
	MaxBody int64
	// Written is called when bytes were handed to the connection; nil: nothing is.
	Written func()
}

// Answer is what came of a request, however far it got.
type Answer struct {
	Status      int // 0: no headers came
	Header      http.Header
	Body        []byte    // as far as it was read
	Err         error     // why the answer is not whole; nil: it is
	Wrote       bool      // some byte of the request may have left
	Connections int       // 1, or 0 if there was none to be had
	Begun       time.Time // when there was a connection; zero: there was none
}

// New returns a Client. It does no I/O.
func New(o Options) *Client { return &Client{o: o} }

// Do makes a request and reads the whole answer. The end of ctx ends it, too. The time a
// new connection takes is Dial's business, and no part of the timeout.
func (c *Client) Do(ctx context.Context, r Request) Answer {
	conn, err := c.take(ctx)
	if err != nil {
		return Answer{Err: err}
	}
	a := Answer{Connections: 1, Begun: time.Now()}
	if conn.exchange(ctx, r, c.o.MaxHead, &a) {
		c.put(conn)
	} else {
		_ = conn.Close() // what it has to say was said
	}
	return a
}

// take returns an idle connection that still stands, or a new one.
func (c *Client) take(ctx context.Context) (*conn, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	for {
		conn := c.pop()
		if conn == nil {
			return c.dial(ctx)
		}
		if conn.silent() {
			return conn, nil
		}
		_ = conn.Close() // the other end has, or is about to
	}
}

// dial makes a connection, in a goroutine of its own: the stack of whoever waits for
// answers for hours is not to be as large as a TLS handshake needs it once.
func (c *Client) dial(ctx context.Context) (dialled *conn, err error) {
	done := make(chan struct{})
	go func() {
		defer close(done)
		var raw net.Conn
		if raw, err = c.o.Dial(ctx); err == nil {
			dialled = newConn(raw)
		}
	}()
	<-done
	return dialled, err
}

func (c *Client) pop() *conn {
	c.mu.Lock()
	defer c.mu.Unlock()
	last := len(c.idle) - 1
	if last < 0 {
		return nil
	}
	conn := c.idle[last]
	c.idle[last] = nil
	c.idle = c.idle[:last]
	return conn
}

// put keeps a connection for reuse, if there is room.
func (c *Client) put(conn *conn) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.closed || len(c.idle) >= c.o.MaxIdle {
		_ = conn.Close() // nothing is lost with it
		return
	}
	conn.idleSince = time.Now()
	c.idle = append(c.idle, conn)
	switch {
	case len(c.idle) > 1: // the timer runs for an older one
	case c.expiry == nil:
		c.expiry = time.AfterFunc(c.o.IdleTimeout, c.expire)
	default:
		c.expiry.Reset(c.o.IdleTimeout)
	}
}

// expire closes what was idle for too long.
func (c *Client) expire() {
	c.mu.Lock()
	defer c.mu.Unlock()
	now, old := time.Now(), 0
	for old < len(c.idle) && now.Sub(c.idle[old].idleSince) >= c.o.IdleTimeout {
		_ = c.idle[old].Close() // nothing is lost with it
		old++
	}
	left := copy(c.idle, c.idle[old:])
	clear(c.idle[left:])
	if c.idle = c.idle[:left]; left > 0 {
		c.expiry.Reset(c.o.IdleTimeout - now.Sub(c.idle[0].idleSince))
	}
}

// Close closes idle connections. Requests that wait for an answer end by themselves, and
// their connections with them.
func (c *Client) Close() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.closed = true
	for _, conn := range c.idle {
		_ = conn.Close() // nothing is lost with it
	}
	c.idle = nil
	if c.expiry != nil {
		c.expiry.Stop()
	}
}
