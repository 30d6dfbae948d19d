package ccgateway

import (
	"context"
	"crypto/tls"
	"fmt"
	"net"
	"net/http/httptrace"
	"sync/atomic"
	"time"

	"aiccbridge/internal/sabotage"
	"aiccbridge/internal/viaproxy"
)

// connectTimeout bounds name lookup, TCP connect, the way through a proxy and TLS handshake
// together.
const connectTimeout = 10 * time.Second

// conn counts the bytes of requests handed to the network. It sits above TLS, so
// that handshakes and close alerts don't count. A TLS record that was written
// only in part counts as nothing: its receiver can't decrypt it.
//
// httptrace's WroteHeaders and WroteRequest can't take its place: net/http calls
// them when the request is in its own buffer, before that buffer is flushed.
type conn struct {
	net.Conn
	written atomic.Int64
	polling bool // the request it was given last is a poll
}

func (c *conn) Write(b []byte) (int, error) {
	n, err := c.Conn.Write(b)
	c.written.Add(int64(n))
	if c.polling {
		sabotage.Point("poll.sent")
	}
	return n, err
}

// counted wraps what dial returns into a conn, above TLS if config isn't nil.
func counted(dial viaproxy.Dial, config *tls.Config) viaproxy.Dial {
	return func(ctx context.Context, network, address string) (net.Conn, error) {
		ctx, cancel := context.WithTimeout(ctx, connectTimeout)
		defer cancel()
		raw, err := dial(ctx, network, address)
		if err != nil || config == nil {
			return wrapped(raw, err)
		}
		host, _, err := net.SplitHostPort(address)
		if err != nil {
			raw.Close()
			return nil, err
		}
		own := config.Clone()
		own.ServerName = host
		secure := tls.Client(raw, own)
		if err := secure.HandshakeContext(ctx); err != nil {
			raw.Close()
			return nil, fmt.Errorf("TLS handshake with %s: %w", address, err)
		}
		return wrapped(secure, nil)
	}
}

func wrapped(c net.Conn, err error) (net.Conn, error) {
	if err != nil {
		return nil, err
	}
	return &conn{Conn: c}, nil
}

// wire follows the connection that one request uses; nonReplayable sees to it that
// a poll never gets a second. Its hook runs in the goroutine of RoundTrip, and
// RoundTrip returns an error only after the connection's write loop has ended: no
// lock needed.
type wire struct {
	poll        bool  // what is sent
	connections int   // how many the request was given; more than one means it was re-sent
	current     *conn // the newest
	before      int64 // current.written when it was given
}

func (w *wire) trace(ctx context.Context) context.Context {
	return httptrace.WithClientTrace(ctx, &httptrace.ClientTrace{
		GotConn: func(info httptrace.GotConnInfo) {
			w.connections++
			w.current, _ = info.Conn.(*conn)
			if w.current != nil {
				w.before, w.current.polling = w.current.written.Load(), w.poll
			}
		},
	})
}

// wrote reports whether any byte of the request may have left. In doubt: yes.
func (w *wire) wrote() bool {
	if w.current == nil {
		return w.connections > 0
	}
	return w.current.written.Load() > w.before
}
