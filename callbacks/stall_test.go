package callbacks

import (
	"context"
	"io"
	"net"
	"net/http"
	"testing"
	"testing/synctest"
	"time"

	"github.com/rs/zerolog"
)

// pipes is a listener whose connections are made by dial.
type pipes chan net.Conn

func (p pipes) dial() net.Conn {
	near, far := net.Pipe()
	p <- far
	return near
}

func (p pipes) Accept() (net.Conn, error) {
	if c, ok := <-p; ok {
		return c, nil
	}
	return nil, net.ErrClosed
}

func (p pipes) Close() error   { close(p); return nil }
func (p pipes) Addr() net.Addr { return &net.TCPAddr{} }

// TestConnectionsThatStall end after a time that tells where: whoever holds them open
// takes the place of a callback.
func TestConnectionsThatStall(t *testing.T) {
	const head = "POST / HTTP/1.1\r\nHost: bridge\r\n"
	for name, c := range map[string]struct {
		send  string
		reads bool
		after time.Duration
	}{
		"before the head":    {"", true, readHeaderTimeout},
		"in the head":        {head, true, readHeaderTimeout},
		"in the body":        {head + "Content-Length: 5\r\n\r\nab", true, readTimeout},
		"after an answer":    {head + "Content-Length: 2\r\n\r\nab", true, idleTimeout},
		"not taking answers": {head + "\r\n", false, writeTimeout},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				listener := make(pipes)
				handler := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
					_, _ = io.Copy(w, r.Body) // what is missing ends it
				})
				ctx, stop := context.WithCancel(t.Context())
				ended := make(chan error, 1)
				go func() { ended <- NewServer(listener, nil, handler, zerolog.Nop()).Run(ctx, context.Background()) }()
				conn := listener.dial()
				begun := time.Now()
				if _, err := io.WriteString(conn, c.send); err != nil {
					t.Error(err)
				}
				if c.reads {
					_, _ = io.Copy(io.Discard, conn)
				} else if _, err := io.WriteString(conn, "xx"); err == nil { // the server takes one of them
					t.Error("the connection was not closed")
				}
				if took := time.Since(begun); took < c.after || took > c.after+time.Second {
					t.Errorf("closed after %v, want %v", took, c.after)
				}
				_ = conn.Close()
				stop()
				if err := <-ended; err != nil {
					t.Error(err)
				}
			})
		})
	}
}
