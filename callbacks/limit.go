package callbacks

import (
	stdlog "log"
	"net"
	"net/netip"
	"sync"

	"github.com/rs/zerolog"
)

// cappedListener bounds the open connections, in all and per caller, so that
// idle ones cannot shut the platform out. At the bound of one caller its next
// connection is closed at once. At the bound in all, whoever holds the most gives
// up its oldest for somebody who holds less: a few hosts that hold everything
// make room for one that holds nothing.
//
// The caller is the peer: behind a proxy all connections are the proxy's.
type cappedListener struct {
	net.Listener
	total, perCaller int

	mu   sync.Mutex
	open map[netip.Prefix][]*cappedConn // oldest first
	all  int
}

func newCappedListener(l net.Listener, total, perCaller int) *cappedListener {
	return &cappedListener{Listener: l, total: total, perCaller: perCaller, open: map[netip.Prefix][]*cappedConn{}}
}

func (l *cappedListener) Accept() (net.Conn, error) {
	for {
		accepted, err := l.Listener.Accept()
		if err != nil {
			return nil, err
		}
		c := &cappedConn{Conn: accepted, listener: l, caller: network(parseAddress(accepted.RemoteAddr().String()))}
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
func (l *cappedListener) take(c *cappedConn) (oldest *cappedConn, ok bool) {
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
func (l *cappedListener) greediest() *cappedConn {
	var most []*cappedConn
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
func (l *cappedListener) drop(c *cappedConn) {
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

type cappedConn struct {
	net.Conn
	listener *cappedListener
	caller   netip.Prefix
}

func (c *cappedConn) Close() error {
	c.listener.mu.Lock()
	c.listener.drop(c)
	c.listener.mu.Unlock()
	return c.Conn.Close()
}

// discardLog takes net/http's own lines (refused TLS handshakes, mostly scans)
// at debug level.
func discardLog(log zerolog.Logger) *stdlog.Logger {
	return stdlog.New(levelWriter{log}, "", 0)
}

type levelWriter struct{ log zerolog.Logger }

func (w levelWriter) Write(p []byte) (int, error) {
	w.log.Debug().Bytes("text", p).Msg("callback listener")
	return len(p), nil
}
