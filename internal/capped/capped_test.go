package capped

import (
	"io"
	"net"
	"net/netip"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func open(t *testing.T) net.Listener {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	return l
}

func TestConnectionCap(t *testing.T) {
	l := Listen(open(t), 2, 2)
	defer l.Close()
	accepted := make(chan net.Conn, 3)
	go func() {
		defer close(accepted)
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			accepted <- c
		}
	}()
	dial := func() net.Conn {
		c, err := net.Dial("tcp", l.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		return c
	}
	a, b := dial(), dial()
	defer a.Close()
	defer b.Close()
	first, second := <-accepted, <-accepted
	defer second.Close()
	c := dial()
	defer c.Close()
	_ = c.SetReadDeadline(time.Now().Add(10 * time.Second))
	if _, err := c.Read(make([]byte, 1)); err != io.EOF && !strings.Contains(err.Error(), "reset") {
		t.Errorf("the third connection was not closed: %v", err)
	}
	_ = first.Close()
	_ = first.Close() // twice gives back one place only
	d := dial()
	defer d.Close()
	third := <-accepted
	_ = third.Close()
	_ = l.Close()
	if l.all != 1 {
		t.Errorf("%d places taken, want 1", l.all)
	}
}

// TestFullListenerMakesRoom: when all places are taken, whoever holds most gives
// up its oldest connection for a newcomer, but not for one that holds as much.
func TestFullListenerMakesRoom(t *testing.T) {
	l := Listen(nil, 4, 3)
	from := func(caller string) *conn {
		a, b := net.Pipe()
		t.Cleanup(func() { _ = a.Close() })
		t.Cleanup(func() { _ = b.Close() })
		return &conn{Conn: a, listener: l, caller: Network(netip.MustParseAddr(caller))}
	}
	take := func(c *conn, evicted *conn, taken bool) {
		t.Helper()
		if oldest, ok := l.take(c); oldest != evicted || ok != taken {
			t.Errorf("evicted %v, taken %v", oldest != nil, ok)
		}
	}
	const greedy, other, third, fourth = "192.0.2.1", "192.0.2.2", "192.0.2.3", "192.0.2.4"
	first, second := from(greedy), from(greedy)
	take(first, nil, true)
	take(second, nil, true)
	take(from(greedy), nil, true)
	take(from(greedy), nil, false)
	take(from(other), nil, true)
	take(from(third), first, true)
	take(from(fourth), second, true)
	take(from("192.0.2.5"), nil, false) // all hold one: nobody is greedy
	_ = first.Close()                   // a second time
	if l.all != 4 {
		t.Errorf("%d places taken, want 4", l.all)
	}
}
