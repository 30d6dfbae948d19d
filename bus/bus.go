package bus

import (
	"cmp"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"strings"
	"sync"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/rs/zerolog"

	"aiccbridge/schemas"
)

// Defaults of [Options].
const (
	DefaultAckWait       = 30 * time.Second
	DefaultMaxAttempts   = 10
	DefaultRetryDelay    = 2 * time.Second
	DefaultMaxRetryDelay = 5 * time.Minute
	DefaultLeaseTTL      = 30 * time.Second
)

// maxRetryWait caps the pause between two tries of anything sent to the server.
const maxRetryWait = 5 * time.Second

// defaultRequestTimeout limits one request to the server; a later one follows.
// It is below the few seconds that the platform waits for the answer to a
// callback, so that a lost answer still leaves time for a second try.
const defaultRequestTimeout = 2 * time.Second

// Options say where NATS is and how the bus behaves. Exactly one of URL and
// InProcess is needed.
type Options struct {
	// Names builds all subjects and stream names. Required.
	Names schemas.Names
	// Instance names this process: its connection and its leases. A lease held
	// under the same name is taken over at once, so it must be unique among
	// running bridges. Required.
	Instance string

	// URL is one server or several, separated by commas.
	URL string
	// InProcess is the server inside this process, *embedded.Server.
	InProcess nats.InProcessConnProvider
	// CredentialsFile is read again on each reconnect. "": none.
	CredentialsFile string
	// User and Password sign in by name, instead of CredentialsFile. "": none.
	User, Password string
	// InboxPrefix begins the subjects of answers. Default [InboxPrefix], which is
	// what a bridge may listen to; a reader may listen to [ReaderInbox].
	InboxPrefix string
	// TLS is for servers that need more than the system's roots. nil: default.
	TLS *tls.Config

	// KeepAssets leaves streams, buckets and the consumer to somebody else:
	// Ensure makes and changes nothing, and fails when something is missing.
	KeepAssets bool
	// Replicas of every stream and bucket. Default 1; 3 for a cluster.
	Replicas int
	// AcceptWeaker lists settings, e.g. "AICC_EVENTS.max_age", that may be
	// weaker than the bridge wants (see [AssetError]).
	AcceptWeaker []string

	// AckWait is how long a file may show no progress before it goes to another
	// worker. Default 30 s.
	AckWait time.Duration
	// MaxAttempts is how often a file is tried before it becomes a dead letter.
	// Default 10.
	MaxAttempts int
	// RetryDelay is the pause after the first failed attempt; it doubles up to
	// MaxRetryDelay. Defaults 2 s and 5 min.
	RetryDelay    time.Duration
	MaxRetryDelay time.Duration
	// LeaseTTL is how long a lease lives without renewal. Default 30 s; the
	// server's least is 100 ms.
	LeaseTTL time.Duration

	// Logger gets changes of state. The zero value discards.
	Logger zerolog.Logger
	// Registerer gets the metrics. nil: none. Two buses in one process need two
	// (see prometheus.WrapRegistererWith).
	Registerer prometheus.Registerer

	requestTimeout time.Duration // default 2 s; tests shorten it
	isSpool        bool          // the server keeps a spool, not the contract's streams
}

// Bus is a connection to NATS with the bridge's assets. It is safe for
// concurrent use.
type Bus struct {
	opts    Options
	names   schemas.Names
	log     zerolog.Logger
	metrics *metrics
	nc      *nats.Conn
	js      jetstream.JetStream
	closed  chan struct{}
	advise  sync.Once // about replicas
	denials denials

	mu        sync.Mutex
	streams   map[string]jetstream.Stream // handles, by name
	troubles  map[string]*trouble         // by what is failing
	publishTo map[string]*trouble         // by stream, complete from the start
}

// Open begins to connect and returns without waiting for the server, which may
// be away for as long as it likes. Until it is there, calls of the Bus wait with
// their context. Its errors are about the options.
func Open(o Options) (*Bus, error) {
	b, err := newBus(o)
	if err == nil {
		err = b.dial()
	}
	if err != nil {
		return nil, fmt.Errorf("open nats: %w", err)
	}
	return b, nil
}

// Ready waits until the server answers or ctx ends; a server that is away or
// slow is waited for. Errors that waiting does not mend come at once: refused
// credentials, a server below version 2.12, JetStream switched off.
func (b *Bus) Ready(ctx context.Context) error {
	err := b.await(ctx)
	if err == nil {
		err = b.retry(ctx, b.trouble("jetstream"), b.checkServer)
	}
	if err != nil {
		return fmt.Errorf("connect to nats: %w", err)
	}
	return nil
}

// Connect is Open and Ready.
func Connect(ctx context.Context, o Options) (*Bus, error) {
	b, err := Open(o)
	if err != nil {
		return nil, err
	}
	if err := b.Ready(ctx); err != nil {
		b.Close()
		return nil, err
	}
	return b, nil
}

func newBus(o Options) (*Bus, error) {
	switch {
	case o.Names == schemas.Names{}:
		return nil, errors.New("names must be set")
	case o.Instance == "":
		return nil, errors.New("instance must be set")
	case (o.URL == "") == (o.InProcess == nil):
		return nil, errors.New("give either a URL or a server in the process")
	case o.User != "" && o.CredentialsFile != "":
		return nil, errors.New("give either a user or a credentials file")
	}
	o.InboxPrefix = cmp.Or(o.InboxPrefix, InboxPrefix)
	o.Replicas = cmp.Or(o.Replicas, 1)
	o.AckWait = cmp.Or(o.AckWait, DefaultAckWait)
	o.MaxAttempts = cmp.Or(o.MaxAttempts, DefaultMaxAttempts)
	o.RetryDelay = cmp.Or(o.RetryDelay, DefaultRetryDelay)
	o.MaxRetryDelay = cmp.Or(o.MaxRetryDelay, DefaultMaxRetryDelay)
	o.LeaseTTL = cmp.Or(o.LeaseTTL, DefaultLeaseTTL)
	o.requestTimeout = cmp.Or(o.requestTimeout, defaultRequestTimeout)
	m, err := newMetrics(o.Registerer)
	if err != nil {
		return nil, err
	}
	b := &Bus{
		opts: o, names: o.Names, log: o.Logger, metrics: m,
		closed:    make(chan struct{}),
		denials:   denials{inbox: o.InboxPrefix},
		streams:   make(map[string]jetstream.Stream),
		troubles:  make(map[string]*trouble),
		publishTo: make(map[string]*trouble),
	}
	streams := allStreams
	if o.isSpool {
		streams = spoolStreams
	}
	for _, s := range streams {
		name := o.Names.Stream(s)
		b.publishTo[name] = b.newTrouble(o.Logger.With().Str("stream", name).Logger())
	}
	return b, nil
}

// Close sends what is buffered, ends the connection and waits for it.
func (b *Bus) Close() {
	if err := b.nc.Drain(); err != nil { // not connected: nothing to send
		b.nc.Close()
	}
	<-b.closed
}

// Connected reports why nothing can be stored at the moment; nil when the
// connection stands.
func (b *Bus) Connected() error {
	if status := b.nc.Status(); status != nats.CONNECTED {
		return fmt.Errorf("nats connection is %s", strings.ToLower(status.String()))
	}
	return nil
}

// stream returns the handle of a stream by its full name, asking the server once.
func (b *Bus) stream(ctx context.Context, name string) (jetstream.Stream, error) {
	b.mu.Lock()
	s, ok := b.streams[name]
	b.mu.Unlock()
	if ok {
		return s, nil
	}
	ctx, cancel := context.WithTimeout(ctx, b.opts.requestTimeout)
	defer cancel()
	s, err := b.js.Stream(ctx, name)
	if err != nil {
		return nil, fmt.Errorf("stream %s: %w", name, err)
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	b.streams[name] = s
	return s, nil
}

// trouble returns the log state of one thing that may fail for long.
func (b *Bus) trouble(what string) *trouble {
	b.mu.Lock()
	defer b.mu.Unlock()
	t, ok := b.troubles[what]
	if !ok {
		t = b.newTrouble(b.log.With().Str("asset", what).Logger())
		b.troubles[what] = t
	}
	return t
}
