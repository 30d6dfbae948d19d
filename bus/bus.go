package bus

import (
	"cmp"
	"context"
	"fmt"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promauto"
	"github.com/rs/zerolog"

	"aiccbridge/bus/assets"
	"aiccbridge/bus/internal/wire"
	"aiccbridge/schemas"
)

// Defaults of [Options].
const (
	defaultMaxAttempts   = 10
	defaultRetryDelay    = 2 * time.Second
	defaultMaxRetryDelay = 5 * time.Minute
)

// Options say where NATS is, who connects, and how files are handed out.
type Options struct {
	// Options are those of the connection. InboxPrefix is [assets.BridgeInbox] by
	// default, which is what a bridge may listen to; a reader may listen to
	// [assets.ReaderInbox].
	wire.Options

	// AckWait is how long a file may show no progress before it goes to another
	// worker, as the consumer has it. Default [assets.DefaultAckWait].
	AckWait time.Duration
	// MaxAttempts is how often a file is tried before it becomes a dead letter.
	// Default 10.
	MaxAttempts int
	// RetryDelay is the pause after the first failed attempt; it doubles up to
	// MaxRetryDelay. Defaults 2 s and 5 min.
	RetryDelay    time.Duration
	MaxRetryDelay time.Duration

	// Witness is told of each message that [Bus.Publish] stores. nil: nobody is.
	Witness wire.Witness

	// Registerer gets the metrics. nil: none. Two buses in one process need two
	// (see prometheus.WrapRegistererWith); a second one on the same panics.
	Registerer prometheus.Registerer
}

// Bus publishes, reads and hands files to workers. It is safe for concurrent use.
type Bus struct {
	opts    Options
	conn    *wire.Conn
	names   schemas.Names
	log     zerolog.Logger
	out     *wire.Publisher
	metrics *metrics
}

// Open begins to connect and returns without waiting for the server, which may
// be away for as long as it likes. Until it is there, calls of the Bus wait with
// their context. Its errors are about the options.
func Open(o Options) (*Bus, error) {
	o.AckWait = cmp.Or(o.AckWait, assets.DefaultAckWait)
	o.MaxAttempts = cmp.Or(o.MaxAttempts, defaultMaxAttempts)
	o.RetryDelay = cmp.Or(o.RetryDelay, defaultRetryDelay)
	o.MaxRetryDelay = cmp.Or(o.MaxRetryDelay, defaultMaxRetryDelay)
	metrics := newMetrics(o.Registerer) // it panics before there is a connection
	o.InboxPrefix = cmp.Or(o.InboxPrefix, assets.BridgeInbox)
	conn, err := wire.Open(o.Options)
	if err != nil {
		return nil, fmt.Errorf("open nats: %w", err)
	}
	return &Bus{
		opts: o, conn: conn, names: o.Names, log: o.Logger, metrics: metrics,
		out: wire.NewPublisher(conn, wire.PublisherOptions{Witness: o.Witness, Registerer: o.Registerer}),
	}, nil
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

// Ready waits until the server answers or ctx ends; a server that is away or
// slow is waited for. Errors that waiting does not mend come at once: refused
// credentials, a server below version 2.12, JetStream switched off.
func (b *Bus) Ready(ctx context.Context) error { return b.conn.Ready(ctx) }

// Close sends what is buffered, ends the connection and waits for it.
func (b *Bus) Close() { b.conn.Close() }

// Connected reports why nothing can be stored at the moment; nil when the
// connection stands.
func (b *Bus) Connected() error { return b.conn.Connected() }

// Failing says why a stream has taken nothing for so long or longer, although the
// connection stands and [Bus.Publish] tried; nil when there is none.
func (b *Bus) Failing(atLeast time.Duration) error { return b.out.Failing(atLeast) }

// DeadLetters counts the dead letters that [Bus.Publish] stored within so long, the last 100
// at most. last is the reason of the newest.
func (b *Bus) DeadLetters(within time.Duration) (n int, last schemas.Reason) {
	return b.out.DeadLetters(within)
}

// Conn is the connection, to hand to the rooms beside the bus: assets, buckets,
// leases, the spool. It ends with the bus.
func (b *Bus) Conn() *wire.Conn { return b.conn }

// Denied reports a failure behind which the server refused a right. Its text names
// the subject; see [assets.Permissions].
func Denied(err error) bool { return wire.Denied(err) }

// metrics count what became of files. Labels come from the contract's constants.
type metrics struct {
	deadLetters *prometheus.CounterVec // reason
	verdicts    *prometheus.CounterVec // verdict
}

func newMetrics(r prometheus.Registerer) *metrics {
	opts := func(name, help string) prometheus.CounterOpts {
		return prometheus.CounterOpts{Namespace: "aicc", Subsystem: "bus", Name: name, Help: help}
	}
	return &metrics{
		deadLetters: promauto.With(r).NewCounterVec(opts("dead_letters_total", "Dead letters stored, by reason."), []string{"reason"}),
		verdicts:    promauto.With(r).NewCounterVec(opts("verdicts_total", "Ends of file deliveries, by verdict."), []string{"verdict"}),
	}
}
