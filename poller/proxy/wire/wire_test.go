package wire

import (
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// serve serves a handler until the test ends.
func serve(t *testing.T, h http.Handler) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	intake, stop := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- NewServer(l, nil, h).Run(intake, context.Background()) }()
	t.Cleanup(func() {
		stop()
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
	return l.Addr().String()
}

// TestArrived: what became of a connection says whether an answer arrived.
func TestArrived(t *testing.T) {
	for name, test := range map[string]struct {
		request string
		then    func(c *net.TCPConn)
		want    bool
	}{
		"open":     {"", func(c *net.TCPConn) { readAnswer(c) }, true},
		"closed":   {"", func(c *net.TCPConn) { readAnswer(c); _ = c.Close() }, true},
		"no reuse": {"Connection: close\r\n", func(c *net.TCPConn) { _, _ = io.ReadAll(c); _ = c.Close() }, true},
		"reset":    {"", func(c *net.TCPConn) { readAnswer(c); _ = c.SetLinger(0); _ = c.Close() }, false},
		"not read": {"", func(c *net.TCPConn) { _, _ = c.Read(make([]byte, 5)); time.Sleep(20 * time.Millisecond); _ = c.Close() }, false},
		"cut later": {"", func(c *net.TCPConn) {
			readAnswer(c)
			time.AfterFunc(settle/3, func() { _ = c.SetLinger(0); _ = c.Close() })
		}, false},
	} {
		conns := make(chan *Conn, 1)
		address := serve(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			_, _ = io.WriteString(w, strings.Repeat("x", 100))
			conns <- Of(r.Context())
		}))
		raw, err := net.Dial("tcp", address)
		if err != nil {
			t.Fatal(err)
		}
		c := raw.(*net.TCPConn)
		_, _ = io.WriteString(c, "GET / HTTP/1.1\r\nHost: x\r\n"+test.request+"\r\n")
		conn := <-conns
		test.then(c)
		if got := conn.Arrived(t.Context()); got != test.want {
			t.Errorf("%s: arrived %t, want %t", name, got, test.want)
		}
		_ = c.Close()
	}
}

// readAnswer reads the answer to its end.
func readAnswer(c net.Conn) {
	all := make([]byte, 0, 1000)
	for one := make([]byte, 1000); !strings.HasSuffix(string(all), strings.Repeat("x", 100)); {
		n, err := c.Read(one)
		if all = append(all, one[:n]...); err != nil {
			return
		}
	}
}

// TestUnconfirmed: a peer that has the connection open, and does not take what was sent, has not
// got it.
func TestUnconfirmed(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	peer, err := net.Dial("tcp", l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer peer.Close()
	raw, err := l.Accept()
	if err != nil {
		t.Fatal(err)
	}
	c := newConn(raw)
	defer c.Conn.Close()
	_ = c.SetWriteDeadline(time.Now().Add(300 * time.Millisecond))
	if _, err := c.Write(make([]byte, 64<<20)); err == nil {
		t.Fatal("everything fits between")
	}
	if c.Arrived(t.Context()) {
		t.Error("what waits has arrived")
	}
	_ = peer.Close()
	if _, err := io.ReadAll(c); err == nil && c.Arrived(t.Context()) {
		t.Error("what was thrown away has arrived")
	}
	_ = c.Close()
	_ = c.Close()
}

// TestServerFails: an error of the listener ends it.
func TestServerFails(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	_ = l.Close()
	if err := NewServer(l, nil, http.NotFoundHandler()).Run(t.Context(), t.Context()); !errors.Is(err, net.ErrClosed) {
		t.Errorf("it ends with %v", err)
	}
}
