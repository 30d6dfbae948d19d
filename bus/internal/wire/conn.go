package wire

import (
	"cmp"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net/url"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
	"github.com/rs/zerolog"

	"aiccbridge/bus/internal/denied"
	"aiccbridge/schemas"
)

// defaultRequestTimeout limits one request to the server; a later one follows.
// It is below the few seconds that the platform waits for the answer to a
// callback, so that a lost answer still leaves time for a second try.
const defaultRequestTimeout = 2 * time.Second

// Options say where NATS is and who connects. Exactly one of URL, Context and InProcess
// is needed.
type Options struct {
	// Names builds all subjects and stream names. Required.
	Names schemas.Names
	// Instance names this process: its connection and its leases. A lease held under
	// the same name is taken over at once, so it must be unique among running bridges.
	// Required.
	Instance string

	// URL is one server or several, separated by commas.
	URL string
	// Context is a context of the nats command instead: a name, or the absolute path of a
	// file. It says where NATS is and who connects, and may name a domain of JetStream.
	Context string
	// InProcess is the server inside this process.
	InProcess nats.InProcessConnProvider
	// CredentialsFile is read again on each reconnect. "": none.
	CredentialsFile string
	// User and Password sign in by name, instead of CredentialsFile. "": none.
	User, Password string
	// InboxPrefix begins the subjects of answers. Required.
	InboxPrefix string
	// TLS is for servers that need more than the system's roots. nil: default.
	TLS *tls.Config
	// RequestTimeout limits one request. Default 2 s.
	RequestTimeout time.Duration
	// Logger gets changes of state. The zero value discards.
	Logger zerolog.Logger
}

func (o Options) validate() error {
	switch {
	case o.Names == schemas.Names{}:
		return errors.New("names must be set")
	case o.Instance == "":
		return errors.New("instance must be set")
	case o.places() != 1:
		return errors.New("give either a URL, a context or a server in the process")
	case o.User != "" && o.CredentialsFile != "":
		return errors.New("give either a user or a credentials file")
	case o.InboxPrefix == "":
		return errors.New("inbox prefix must be set")
	}
	return nil
}

// places is how many places of NATS are named.
func (o Options) places() (n int) {
	for _, named := range []bool{o.URL != "", o.Context != "", o.InProcess != nil} {
		if named {
			n++
		}
	}
	return n
}

// Conn is a connection to NATS. It is safe for concurrent use.
type Conn struct {
	opts    Options
	nc      *nats.Conn
	js      jetstream.JetStream
	closed  <-chan struct{}
	denials *denied.List
	moving  *atomic.Bool // we end the connection ourselves

	services services

	mu       sync.Mutex
	streams  map[string]jetstream.Stream // handles, by name
	together map[string]*Shared          // by stream
	troubles map[subject]*Trouble
}

// subject is what a trouble is about: the key and the value that its log lines have.
type subject struct{ key, name string }

// Open begins to connect and returns without waiting for the server, which may
// be away for as long as it likes. Until it is there, calls of the Conn wait with
// their context. Its errors are about the options.
func Open(o Options) (*Conn, error) {
	o.RequestTimeout = cmp.Or(o.RequestTimeout, defaultRequestTimeout)
	if err := o.validate(); err != nil {
		return nil, err
	}
	l := &listener{log: o.Logger, denials: &denied.List{Inbox: o.InboxPrefix}, closed: make(chan struct{}), moving: new(atomic.Bool)}
	nc, js, err := o.dial(append(o.connect(), l.handlers()...))
	var bad *url.Error
	if errors.As(err, &bad) { // its text holds the URL, perhaps with a password
		return nil, fmt.Errorf("the server's URL is not valid: %w", bad.Err)
	}
	if err != nil {
		return nil, err
	}
	return &Conn{
		opts: o, nc: nc, js: js, closed: l.closed, denials: l.denials, moving: l.moving,
		streams:  make(map[string]jetstream.Stream),
		troubles: make(map[subject]*Trouble),
	}, nil
}

// Ready waits until the server answers or ctx ends; a server that is away or
// slow is waited for. Errors that waiting does not mend come at once: refused
// credentials, a server below version 2.12, JetStream switched off.
func (c *Conn) Ready(ctx context.Context) error {
	err := c.await(ctx)
	if err == nil {
		err = c.Retry(ctx, c.Trouble("asset", "jetstream"), c.checkServer)
	}
	if err != nil {
		return fmt.Errorf("connect to nats: %w", err)
	}
	return nil
}

// Close sends what is buffered, ends the connection and waits for it.
func (c *Conn) Close() {
	if err := c.nc.Drain(); err != nil { // not connected: nothing to send
		c.nc.Close()
	}
	<-c.closed
}

// Connected reports why nothing can be stored at the moment; nil when the
// connection stands.
func (c *Conn) Connected() error {
	if status := c.nc.Status(); status != nats.CONNECTED {
		return fmt.Errorf("nats connection is %s", strings.ToLower(status.String()))
	}
	return nil
}

// Names are what Options said.
func (c *Conn) Names() schemas.Names { return c.opts.Names }

// Instance is what Options said.
func (c *Conn) Instance() string { return c.opts.Instance }

// Logger is what Options said.
func (c *Conn) Logger() zerolog.Logger { return c.opts.Logger }

// RequestTimeout limits one request.
func (c *Conn) RequestTimeout() time.Duration { return c.opts.RequestTimeout }

// Try is ctx with the limit of one request.
func (c *Conn) Try(ctx context.Context) (context.Context, context.CancelFunc) {
	return context.WithTimeout(ctx, c.opts.RequestTimeout)
}

// JetStream is the client library's view of the connection, for what only one
// room asks for. Its calls are single tries; give their errors to [Conn.Explain].
func (c *Conn) JetStream() jetstream.JetStream { return c.js }

// MaxPayload is the largest message that the server takes, headers included; 0
// while it has not said so.
func (c *Conn) MaxPayload() int64 { return c.nc.MaxPayload() }

// Stream returns the handle of a stream by its full name, asking the server once.
func (c *Conn) Stream(ctx context.Context, name string) (jetstream.Stream, error) {
	c.mu.Lock()
	s, ok := c.streams[name]
	c.mu.Unlock()
	if ok {
		return s, nil
	}
	ctx, cancel := c.Try(ctx)
	defer cancel()
	s, err := c.js.Stream(ctx, name)
	if err != nil {
		return nil, fmt.Errorf("stream %s: %w", name, err)
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.streams[name] = s
	return s, nil
}

// Back calls f whenever the connection has come back, until ctx ends; then it
// returns nil.
func (c *Conn) Back(ctx context.Context, f func()) error {
	changes := c.nc.StatusChanged(nats.CONNECTED)
	defer c.nc.RemoveStatusListener(changes)
	for {
		select {
		case <-ctx.Done():
			return nil
		case _, ok := <-changes:
			if !ok {
				return nats.ErrConnectionClosed
			}
			f()
		}
	}
}

// External says that the server is not in this process.
func (c *Conn) External() bool { return c.opts.InProcess == nil }
