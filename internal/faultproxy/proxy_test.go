package faultproxy_test

import (
	"bufio"
	"errors"
	"io"
	"net"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"go.uber.org/goleak"

	"aiccbridge/internal/faultproxy"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// echo is a server that answers each line with "ok " and the line, and counts
// them.
type echo struct {
	net.Listener
	said  chan string
	mu    sync.Mutex
	lines int
	ended int // orderly
}

func (e *echo) serve(c net.Conn) {
	defer c.Close()
	in := bufio.NewScanner(c)
	for in.Scan() {
		e.mu.Lock()
		e.lines++
		e.mu.Unlock()
		e.said <- in.Text()
		if _, err := io.WriteString(c, "ok "+in.Text()+"\n"); err != nil {
			return
		}
	}
	if in.Err() == nil {
		e.mu.Lock()
		e.ended++
		e.mu.Unlock()
	}
}

func (e *echo) heard() (lines, ended int) {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.lines, e.ended
}

func rig(t *testing.T) (*faultproxy.Proxy, *echo) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	e := &echo{Listener: l, said: make(chan string, 100)}
	var all sync.WaitGroup
	all.Go(func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			all.Go(func() { e.serve(c) })
		}
	})
	p, err := faultproxy.Listen(l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		p.Close()
		_ = l.Close()
		all.Wait()
	})
	return p, e
}

type client struct {
	*net.TCPConn
	in *bufio.Reader
}

func dial(t *testing.T, p *faultproxy.Proxy) client {
	t.Helper()
	c, err := net.Dial("tcp", p.Addr())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Close() })
	_ = c.SetDeadline(time.Now().Add(time.Minute))
	return client{c.(*net.TCPConn), bufio.NewReader(c)}
}

// ask sends a line and returns the answer.
func (c client) ask(line string) (string, error) {
	if _, err := io.WriteString(c, line+"\n"); err != nil {
		return "", err
	}
	answer, err := c.in.ReadString('\n')
	return strings.TrimSpace(answer), err
}

func (c client) works(t *testing.T) {
	t.Helper()
	if got, err := c.ask("hello"); got != "ok hello" || err != nil {
		t.Fatalf("got %q, %v", got, err)
	}
}

func TestTransparent(t *testing.T) {
	p, e := rig(t)
	c := dial(t, p)
	c.works(t)
	long := strings.Repeat("x", 60_000)
	if got, err := c.ask(long); got != "ok "+long || err != nil {
		t.Errorf("%d bytes came back: %v", len(got), err)
	}
	_ = c.CloseWrite()
	if _, err := c.in.ReadByte(); !errors.Is(err, io.EOF) {
		t.Errorf("the end is %v", err)
	}
	if lines, ended := e.heard(); lines != 2 || ended != 1 {
		t.Errorf("the server heard %d lines and %d ends", lines, ended)
	}
}

func TestSwallow(t *testing.T) {
	p, e := rig(t)
	p.Swallow(2, "ok b")
	for n := range 2 {
		c := dial(t, p)
		if got, err := c.ask("a"); got != "ok a" || err != nil {
			t.Fatalf("got %q, %v", got, err)
		}
		if got, err := c.ask("b"); got != "" || !errors.Is(err, syscall.ECONNRESET) {
			t.Errorf("got %q, %v, want a reset", got, err)
		}
		if lines, _ := e.heard(); p.Swallowed() != n+1 || lines != 2*(n+1) {
			t.Errorf("%d swallowed, the server heard %d lines", p.Swallowed(), lines)
		}
	}
	if got, err := dial(t, p).ask("b"); got != "ok b" || err != nil {
		t.Errorf("got %q, %v after the last", got, err)
	}
}

func TestCut(t *testing.T) {
	p, _ := rig(t)
	c := dial(t, p)
	c.works(t)
	p.Cut()
	if _, err := c.in.ReadByte(); !errors.Is(err, syscall.ECONNRESET) {
		t.Errorf("got %v, want a reset", err)
	}
	dial(t, p).works(t)

	p.CutAfter(20)
	c = dial(t, p)
	c.works(t)
	_, err := c.ask("this is more than 14 bytes")
	if err == nil { // the answer was faster than the cut
		_, err = c.in.ReadByte()
	}
	if err == nil {
		t.Error("the connection lives after 20 bytes")
	}
	dial(t, p).works(t)
}

func TestAway(t *testing.T) {
	p, e := rig(t)
	c := dial(t, p)
	c.works(t)
	p.Away(true)
	if _, err := c.ask("hello"); err == nil {
		t.Error("a line was answered")
	}
	refused(t, p)
	p.Away(false)
	dial(t, p).works(t)
	if lines, _ := e.heard(); lines != 2 {
		t.Errorf("the server heard %d lines, want 2", lines)
	}
}

func TestSilence(t *testing.T) {
	p, e := rig(t)
	c := dial(t, p)
	c.works(t)
	<-e.said
	p.Silence(true)
	p.Silence(true)
	_ = c.SetReadDeadline(time.Now().Add(50 * time.Millisecond))
	var slow net.Error
	if _, err := c.ask("held"); !errors.As(err, &slow) || !slow.Timeout() {
		t.Errorf("got %v, want silence", err)
	}
	fresh := dial(t, p) // is taken, and hears nothing either
	if _, err := io.WriteString(fresh, "fresh\n"); err != nil {
		t.Fatal(err)
	}
	if lines, _ := e.heard(); lines != 1 {
		t.Errorf("the server heard %d lines, want 1", lines)
	}
	p.Silence(false)
	if one, other := <-e.said, <-e.said; one == other || one+other != "heldfresh" && one+other != "freshheld" {
		t.Errorf("the server heard %q and %q", one, other)
	}
	p.Silence(true) // Close does not wait for it
	if _, err := io.WriteString(fresh, "hello\n"); err != nil {
		t.Fatal(err)
	}
}

// refused wants a new connection to be reset, at once or at its first use.
func refused(t *testing.T, p *faultproxy.Proxy) {
	t.Helper()
	c, err := net.Dial("tcp", p.Addr())
	if err != nil {
		return
	}
	defer c.Close()
	_ = c.SetDeadline(time.Now().Add(time.Minute))
	if n, err := c.Read(make([]byte, 1)); n != 0 || !errors.Is(err, syscall.ECONNRESET) {
		t.Errorf("read %d bytes, %v, want a reset", n, err)
	}
}

func TestServerAway(t *testing.T) {
	p, e := rig(t)
	_ = e.Close()
	refused(t, p)
}

func TestHalfClose(t *testing.T) {
	p, e := rig(t)
	c := dial(t, p)
	c.works(t)
	p.HalfClose()
	if _, err := c.in.ReadByte(); !errors.Is(err, io.EOF) {
		t.Fatalf("got %v, want an orderly end", err)
	}
	if _, err := io.WriteString(c, "last\n"); err != nil {
		t.Fatal(err)
	}
	_ = c.CloseWrite()
	if first, last := <-e.said, <-e.said; first != "hello" || last != "last" {
		t.Errorf("the server heard %q and %q", first, last)
	}
}

func TestDelayAndThrottle(t *testing.T) {
	p, _ := rig(t)
	c := dial(t, p)
	for _, set := range []func(){
		func() { p.Delay(50 * time.Millisecond) },
		func() { p.Delay(0); p.Throttle(100) }, // 6 bytes there and 9 back
	} {
		set()
		begun := time.Now()
		c.works(t)
		if d := time.Since(begun); d < 100*time.Millisecond {
			t.Errorf("the answer took %v", d)
		}
	}
	p.Throttle(0)
	c.works(t)

	p.Delay(time.Hour) // Close does not wait for it
	if _, err := io.WriteString(c, "hello\n"); err != nil {
		t.Fatal(err)
	}
}
