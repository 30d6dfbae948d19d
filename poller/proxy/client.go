package proxy

import (
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"net"
	"net/http"
	"slices"
	"strings"
	"time"

	"aiccbridge/poller/proxy/onward"
	"aiccbridge/poller/proxy/queue"
	"aiccbridge/poller/proxy/wire"
	"aiccbridge/schemas"
)

const (
	// cookieName is of the cookie by which clients with one GUID are told apart. It names a
	// client's whole set of cookies, whatever agents it has, and gives no right to anything.
	cookieName = "AICCBRIDGE"
	cookieSize = 32
	// maxClients have one GUID; a further one takes the place of who was not heard for longest.
	maxClients = 8
	// maxWaiting is how many events a client may leave unconfirmed before it counts as gone. They
	// are in the stream, and in memory.
	maxWaiting = 10_000
	// quietAfter is how long a client that is there says nothing at most between two polls.
	quietAfter = 15 * time.Second
)

// client is one reader of an agent's events. What is not said to be otherwise is guarded by the
// term's mutex.
type client struct {
	who       string // see who; "": nobody has polled yet
	reader    *queue.Reader
	confirmed schemas.Position // of the last event that arrived; zero: none has
	came      time.Time        // when that event came, or from when on the client is to get all
	heard     time.Time
	fetched   time.Time     // when it polled last, or took a push
	shed      bool          // it is known that it fetches nothing
	inside    int           // polls that are held
	newer     chan struct{} // closed when another poll comes

	turn  chan struct{} // holds one token; who has it owns given
	given *given
}

// given is an event in an answer of which nobody has said yet that it arrived.
type given struct {
	item queue.Item
	end  uint64     // of the queue, behind it
	conn *wire.Conn // nil: nothing is known of it
	sent bool       // it was written to the end
}

func newClient(r *queue.Reader) *client {
	c := &client{reader: r, heard: time.Now(), fetched: time.Now(), came: time.Now(), newer: make(chan struct{}), turn: make(chan struct{}, 1)}
	c.turn <- struct{}{}
	if n, since := r.Waiting(); n > 0 {
		c.came = since
	}
	return c
}

// leave ends the client's polls and what it reads.
func (c *client) leave() {
	close(c.newer)
	c.newer = make(chan struct{})
	c.reader.Leave()
}

// who tells the clients of one GUID apart: by the cookie that they bring, else by address and
// User-Agent. It is a hash, because it is kept.
func who(r *http.Request) string {
	name := ownCookie(r)
	if name == "" {
		host, _, err := net.SplitHostPort(r.RemoteAddr)
		if err != nil {
			host = r.RemoteAddr
		}
		name = "from " + host + " " + r.UserAgent()
	}
	sum := sha256.Sum256([]byte(name))
	return hex.EncodeToString(sum[:12])
}

// ownCookie is the cookie that the bridge has set; "": it is not there, or not as it was set.
func ownCookie(r *http.Request) string {
	for _, piece := range onward.Cookies(r) {
		name, value, ok := strings.Cut(piece, "=")
		if ok && name == cookieName && len(value) == cookieSize {
			return value
		}
	}
	return ""
}

func newCookie() string {
	var name [cookieSize / 2]byte
	_, _ = rand.Read(name[:]) // it never fails
	return hex.EncodeToString(name[:])
}

// reader is the client of a badge that polls: one that is known, the one that has not polled yet,
// or another one, which gets all that is still here.
func (t *term) reader(b *badge, who string) *client {
	i := slices.IndexFunc(b.clients, func(c *client) bool { return c.who == who || c.who == "" })
	if known := slices.IndexFunc(b.clients, func(c *client) bool { return c.who == who }); known >= 0 {
		i = known
	}
	if i >= 0 {
		if c := b.clients[i]; c.who == "" {
			c.who, b.desk.changed = who, true
		}
		return b.clients[i]
	}
	if len(b.clients) >= maxClients {
		quiet := slices.MinFunc(b.clients, func(x, y *client) int { return x.heard.Compare(y.heard) })
		t.forget(b, quiet)
	}
	c := newClient(b.desk.queue.ReadAll())
	c.who = who
	b.clients, b.desk.changed = append(b.clients, c), true
	t.p.log.Info().Str("agent", b.desk.agent).Int("clients", len(b.clients)).Msg("another client reads an agent's events with the same guid")
	return c
}

// forget takes one client of a badge away.
func (t *term) forget(b *badge, c *client) {
	c.leave()
	b.clients, b.desk.changed = slices.DeleteFunc(b.clients, func(o *client) bool { return o == c }), true
}

// hear notes that a client has said something.
func (t *term) hear(b *badge, who string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	for _, c := range b.clients {
		if c.who == who || len(b.clients) == 1 {
			c.heard = time.Now()
		}
	}
}
