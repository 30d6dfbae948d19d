package callbacks

import (
	stdlog "log"
	"net"
	"net/http"
	"sync"

	"github.com/rs/zerolog"
	"golang.org/x/time/rate"
)

// cappedListener closes connections above a total and a number per address at
// once, so that idle ones cannot shut the platform out.
type cappedListener struct {
	net.Listener
	total, perAddress int

	mu   sync.Mutex
	open map[string]int
	all  int
}

func newCappedListener(l net.Listener, total, perAddress int) *cappedListener {
	return &cappedListener{Listener: l, total: total, perAddress: perAddress, open: map[string]int{}}
}

func (l *cappedListener) Accept() (net.Conn, error) {
	for {
		c, err := l.Listener.Accept()
		if err != nil {
			return nil, err
		}
		address := host(c.RemoteAddr().String())
		if l.take(address) {
			return &cappedConn{Conn: c, release: func() { l.give(address) }}, nil
		}
		_ = c.Close() // refused; nothing was read from it
	}
}

func (l *cappedListener) take(address string) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.all >= l.total || l.open[address] >= l.perAddress {
		return false
	}
	l.all++
	l.open[address]++
	return true
}

func (l *cappedListener) give(address string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.all--
	if l.open[address]--; l.open[address] == 0 {
		delete(l.open, address)
	}
}

type cappedConn struct {
	net.Conn
	once    sync.Once
	release func()
}

func (c *cappedConn) Close() error {
	c.once.Do(c.release)
	return c.Conn.Close()
}

// maxLimiters bounds the memory that strangers can take up with addresses.
const maxLimiters = 4096

// limitRate answers 429 to an address that sends more than perSecond, before
// anything is read or computed for it.
func limitRate(next http.Handler, perSecond rate.Limit, burst int) http.Handler {
	var mu sync.Mutex
	limiters := map[string]*rate.Limiter{}
	allow := func(address string) bool {
		mu.Lock()
		defer mu.Unlock()
		l := limiters[address]
		if l == nil {
			if len(limiters) >= maxLimiters {
				clear(limiters)
			}
			l = rate.NewLimiter(perSecond, burst)
			limiters[address] = l
		}
		return l.Allow()
	}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if !allow(host(r.RemoteAddr)) {
			w.Header().Set("Retry-After", "1")
			http.Error(w, `{"resultCode":"1","resultDesc":"too_many_requests"}`, http.StatusTooManyRequests)
			return
		}
		next.ServeHTTP(w, r)
	})
}

func host(address string) string {
	if h, _, err := net.SplitHostPort(address); err == nil {
		return h
	}
	return address
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
