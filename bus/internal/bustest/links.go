package bustest

import (
	"errors"
	"net"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/nats-io/nats.go"
)

// Link is a server behind a link that does something to what goes through.
type Link struct {
	nats.InProcessConnProvider
	Read  func(c net.Conn, p []byte) (int, error) // nil: as it comes
	Write func(c net.Conn, p []byte) (int, error)
}

// InProcessConn connects through the link.
func (l *Link) InProcessConn() (net.Conn, error) {
	c, err := l.InProcessConnProvider.InProcessConn()
	if err != nil {
		return nil, err
	}
	return &linked{Conn: c, link: l}, nil
}

type linked struct {
	net.Conn
	link *Link
}

func (c *linked) Read(p []byte) (int, error) {
	if c.link.Read == nil {
		return c.Conn.Read(p)
	}
	return c.link.Read(c.Conn, p)
}

func (c *linked) Write(p []byte) (int, error) {
	if c.link.Write == nil {
		return c.Conn.Write(p)
	}
	return c.link.Write(c.Conn, p)
}

// Lossy is a link that can swallow what the server says.
type Lossy struct {
	Link
	mu       sync.Mutex
	swallow  string // drop what holds this
	swallows int    // how often
}

// NewLossy returns a link that swallows nothing yet.
func NewLossy(p nats.InProcessConnProvider) *Lossy {
	l := new(Lossy)
	l.Link = Link{InProcessConnProvider: p, Read: func(c net.Conn, p []byte) (int, error) {
		for {
			n, err := c.Read(p)
			if err != nil || !l.drops(p[:n]) {
				return n, err
			}
		}
	}}
	return l
}

// Drop swallows what holds a text, so often.
func (l *Lossy) Drop(text string, times int) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.swallow, l.swallows = text, times
}

func (l *Lossy) drops(p []byte) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.swallows == 0 || !strings.Contains(string(p), l.swallow) {
		return false
	}
	l.swallows--
	return true
}

// Stalling is a link that can fall silent: what the server says comes later, all of it.
type Stalling struct {
	Link
	mu    sync.Mutex
	at    string // fall silent before what holds this
	holds time.Duration
	stuck int
}

// NewStalling returns a link that does not stall yet.
func NewStalling(p nats.InProcessConnProvider) *Stalling {
	s := new(Stalling)
	s.Link = Link{InProcessConnProvider: p, Read: func(c net.Conn, p []byte) (int, error) {
		n, err := c.Read(p)
		if err == nil {
			time.Sleep(s.held(p[:n]))
		}
		return n, err
	}}
	return s
}

// Stall holds back what holds a text, once, and all that follows.
func (s *Stalling) Stall(text string, d time.Duration) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.at, s.holds = text, d
}

// Stalls is how often it has fallen silent.
func (s *Stalling) Stalls() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.stuck
}

func (s *Stalling) held(p []byte) time.Duration {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.at == "" || !strings.Contains(string(p), s.at) {
		return 0
	}
	s.at = ""
	s.stuck++
	return s.holds
}

// Cutter is a link that swallows acknowledgements of events when cuts says so, and cuts
// the connection with them.
func Cutter(p nats.InProcessConnProvider, cuts func() bool) *Link {
	return &Link{InProcessConnProvider: p, Read: func(c net.Conn, p []byte) (int, error) {
		n, err := c.Read(p)
		if err == nil && strings.Contains(string(p[:n]), `{"stream":"AICC_EVENTS"`) && cuts() {
			_ = c.Close()
			return 0, net.ErrClosed
		}
		return n, err
	}}
}

// Cuttable is a link that can be cut; connections are refused then.
type Cuttable struct {
	nats.InProcessConnProvider
	mu    sync.Mutex
	down  bool
	conns []net.Conn
}

// InProcessConn connects, unless the link is cut.
func (c *Cuttable) InProcessConn() (net.Conn, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.down {
		return nil, errors.New("cut off")
	}
	conn, err := c.InProcessConnProvider.InProcessConn()
	if err == nil {
		c.conns = append(c.conns, conn)
	}
	return conn, err
}

// Cut ends all connections, and refuses others.
func (c *Cuttable) Cut() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.down = true
	for _, conn := range c.conns {
		_ = conn.Close() // the client sees it on its own end
	}
	c.conns = nil
}

// Heal lets connections through again.
func (c *Cuttable) Heal() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.down = false
}

// Mode is what a Silent link does.
type Mode = int32

// The modes.
const (
	Sound Mode = iota
	Mute       // nothing arrives
	Deaf       // all arrives, no answer comes
)

// Silent is a link that takes nothing to the server, or brings nothing back. The
// connection itself stays, so that a change costs no time.
type Silent struct {
	Link
	Mode atomic.Int32
}

// NewSilent returns a link that is sound.
func NewSilent(p nats.InProcessConnProvider) *Silent {
	s := new(Silent)
	s.Link = Link{
		InProcessConnProvider: p,
		Read: func(c net.Conn, p []byte) (int, error) {
			for {
				n, err := c.Read(p)
				if err != nil || s.Mode.Load() == Sound {
					return n, err
				}
			}
		},
		Write: func(c net.Conn, p []byte) (int, error) {
			if s.Mode.Load() == Mute {
				return len(p), nil
			}
			return c.Write(p)
		},
	}
	return s
}
