package wire

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"sync"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promauto"

	"aiccbridge/bus/internal/group"
	"aiccbridge/bus/internal/letters"
	"aiccbridge/schemas"
)

// Send publishes once, and makes a [*schemas.Permanent] of a message that is too
// large.
func (c *Conn) Send(ctx context.Context, stream string, m *nats.Msg, opts ...jetstream.PublishOpt) (*jetstream.PubAck, error) {
	opts = append(opts, jetstream.WithExpectStream(stream), jetstream.WithRetryAttempts(0))
	start := time.Now()
	ack, err := c.js.PublishMsg(ctx, m, opts...)
	c.served(writes, err)
	err = c.Explain(start, m.Subject, err)
	switch {
	case TooLarge(err):
		return nil, &schemas.Permanent{Reason: schemas.ReasonOversized, Err: err}
	case errors.Is(err, jetstream.ErrNoStreamResponse):
		return nil, fmt.Errorf("stream %s does not answer; it may be missing: %w", stream, err)
	}
	return ack, err
}

// SendBatch is [group.Send]: messages of one stream, all or none, once.
func (c *Conn) SendBatch(ctx context.Context, stream string, msgs []*nats.Msg) (last uint64, err error) {
	start := time.Now()
	last, err = group.Send(ctx, c.nc, stream, msgs)
	c.served(writes, err)
	if err != nil {
		return 0, fmt.Errorf("batch of %d: %w", len(msgs), c.Explain(start, msgs[0].Subject, err))
	}
	return last, nil
}

// PublisherOptions may all be left out.
type PublisherOptions struct {
	// TrustDuplicates takes "duplicate" for "stored" also if the message has gone: the
	// streams are a spool's, where what has gone is at the hub, and nobody else removes
	// anything.
	TrustDuplicates bool
	// Witness is told of each message before Publish returns. nil: nobody is.
	Witness Witness
	// Registerer gets the metrics. nil: none. Each publisher needs its own (see
	// prometheus.WrapRegistererWith); a second one on the same panics.
	Registerer prometheus.Registerer
}

// Witness remembers what was acknowledged, beside the streams.
type Witness interface {
	// Stored says that a stream has a message, at a sequence.
	Stored(stream string, m *nats.Msg, sequence uint64)
	// Sync makes what was said outlive a power cut.
	Sync()
}

// NoWitness remembers nothing.
type NoWitness struct{}

// Stored does nothing.
func (NoWitness) Stored(string, *nats.Msg, uint64) {}

// Sync does nothing.
func (NoWitness) Sync() {}

// Publisher stores messages. It is safe for concurrent use.
type Publisher struct {
	conn            *Conn
	trustDuplicates bool
	witness         Witness

	published  *prometheus.CounterVec // by stream
	retries    prometheus.Counter
	duplicates prometheus.Counter
	batched    prometheus.Histogram

	mu      sync.Mutex
	failing map[string]failure                // by stream
	gates   map[string]*group.Gate[*nats.Msg] // by stream
	letters letters.Newest
}

// largestShared is the size of a message, without headers, above which it goes alone: a
// batch is stored twice, and its size is bounded.
const largestShared = 16 << 10

// failure is what goes on while no try to store in a stream succeeds.
type failure struct {
	since, last time.Time // of the first try, and of the latest
	err         error     // the first
}

// givenUp is how long after its latest failure nobody tries any more: far longer than a try
// and the pause after it.
const givenUp = 4 * maxRetryWait

// batchesAgain is after how long a stream that takes no batches is tried again.
const batchesAgain = time.Minute

// NewPublisher returns a publisher.
func NewPublisher(c *Conn, o PublisherOptions) *Publisher {
	factory := promauto.With(o.Registerer)
	opts := func(name, help string) prometheus.CounterOpts {
		return prometheus.CounterOpts{Namespace: "aicc", Subsystem: "bus", Name: name, Help: help}
	}
	return &Publisher{
		conn: c, trustDuplicates: o.TrustDuplicates, failing: make(map[string]failure), gates: make(map[string]*group.Gate[*nats.Msg]), witness: cmp.Or(o.Witness, Witness(NoWitness{})),
		published:  factory.NewCounterVec(opts("published_total", "Messages stored, by stream."), []string{"stream"}),
		retries:    factory.NewCounter(opts("publish_retries_total", "Tries to publish that failed and were repeated.")),
		duplicates: factory.NewCounter(opts("duplicates_total", "Messages that turned out to be stored already.")),
		batched: factory.NewHistogram(prometheus.HistogramOpts{
			Namespace: "aicc", Subsystem: "bus", Name: "batch_messages", Help: "Messages that were stored together, by one sync of the disk, when many came at a time.",
			Buckets: []float64{16, 32, 64, 128, 256},
		}),
	}
}

// Published counts messages that were stored in another way.
func (p *Publisher) Published(stream string, messages int) {
	p.published.WithLabelValues(stream).Add(float64(messages))
}

// Publish tries until the stream has the message, it is refused for good, or ctx
// ends.
func (p *Publisher) Publish(ctx context.Context, stream string, m *nats.Msg) error {
	mayBeStored, first := false, true
	return p.conn.Retry(ctx, p.conn.Trouble("stream", stream), func(try context.Context) error {
		if mayBeStored {
			stored, err := p.isLast(try, stream, m)
			if stored || err != nil {
				p.note(try, stream, err)
				return err
			}
		}
		var err error
		if first {
			err = p.sendWithOthers(ctx, stream, m)
		} else {
			err = p.send(try, stream, m)
		}
		first = false
		p.note(ctx, stream, err)
		if err != nil && !isPermanent(err) {
			p.retries.Inc()
			mayBeStored = mayBeStored || !certainlyNotStored(err)
		}
		return err
	})
}

// note remembers how a try went. One without a connection says nothing of the stream, and
// a message that is refused for good says that the stream takes others.
func (p *Publisher) note(ctx context.Context, stream string, err error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	f, fails := p.failing[stream]
	if fails = fails && time.Since(f.last) < givenUp; !fails {
		f.since, f.err = time.Now(), err
	}
	f.last = time.Now()
	switch {
	case err == nil || isPermanent(err) || p.conn.Connected() != nil:
		delete(p.failing, stream)
	case ctx.Err() == nil:
		p.failing[stream] = f
	}
}

// Failing says why a stream has taken nothing for so long or longer, although the
// connection stands and it was tried; nil when there is none.
func (p *Publisher) Failing(atLeast time.Duration) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, stream := range slices.Sorted(maps.Keys(p.failing)) {
		if f := p.failing[stream]; time.Since(f.since) >= atLeast && time.Since(f.last) < givenUp {
			return fmt.Errorf("stream %s takes nothing: %w", stream, f.err)
		}
	}
	return nil
}

// DeadLetters counts the dead letters that were stored within so long, the last 100 at most.
// last is the reason of the newest.
func (p *Publisher) DeadLetters(within time.Duration) (n int, last schemas.Reason) {
	return p.letters.Within(within)
}

// sendWithOthers tries once: in a batch if many come at a time. A batch that was refused says
// nothing of each message, which then goes alone. ctx is without the limit of a try, since a
// message may have to wait until others are stored.
func (p *Publisher) sendWithOthers(ctx context.Context, stream string, m *nats.Msg) error {
	alone := func() error {
		try, cancel := p.conn.Try(ctx)
		defer cancel()
		return p.send(try, stream, m)
	}
	if len(m.Data) > largestShared {
		return alone()
	}
	err := p.gate(stream).Do(ctx, m, alone)
	if refused := (*refusedBatch)(nil); errors.As(err, &refused) {
		return alone()
	}
	return err
}

func (p *Publisher) gate(stream string) *group.Gate[*nats.Msg] {
	p.mu.Lock()
	defer p.mu.Unlock()
	g, ok := p.gates[stream]
	if !ok {
		g = group.New(func(ctx context.Context, batch []*nats.Msg) error { return p.sendBatch(ctx, stream, batch) })
		p.gates[stream] = g
	}
	return g
}

// refusedBatch is the error of a batch of which nothing is stored.
type refusedBatch struct{ error }

func (r *refusedBatch) Unwrap() error { return r.error }

// sendBatch tries once.
func (p *Publisher) sendBatch(ctx context.Context, stream string, batch []*nats.Msg) error {
	ctx, cancel := p.conn.Try(ctx)
	defer cancel()
	last, err := p.conn.SendBatch(ctx, stream, batch)
	switch {
	case err == nil:
	case certainlyNotStored(err):
		if HasCode(err, codeNoBatches) {
			p.gate(stream).Shut(batchesAgain)
		}
		return &refusedBatch{err}
	default:
		return err
	}
	p.batched.Observe(float64(len(batch)))
	p.Published(stream, len(batch))
	before := last - uint64(len(batch))
	for i, m := range batch {
		p.stored(stream, m, before+1+uint64(i))
	}
	return nil
}

// stored: a stream has a message that it did not have before.
func (p *Publisher) stored(stream string, m *nats.Msg, sequence uint64) {
	p.witness.Stored(stream, m, sequence)
	if m.Header.Get("ce-type") == schemas.TypeDeadLetter { // and none that is resolved
		p.letters.Add(m.Data)
	}
}

// send tries once.
func (p *Publisher) send(ctx context.Context, stream string, m *nats.Msg) error {
	ack, err := p.conn.Send(ctx, stream, m)
	if err != nil {
		return err
	}
	p.Published(stream, 1)
	if !ack.Duplicate {
		p.stored(stream, m, ack.Sequence)
		return nil
	}
	p.duplicates.Inc()
	return p.storeAgain(ctx, stream, m, ack.Sequence)
}

// storeAgain makes sure of a message that the server calls a duplicate. It knows
// an id until the window has passed, also when the message has been purged
// since, and when it is another message that had the id; then the message goes out once
// more, without the id.
func (p *Publisher) storeAgain(ctx context.Context, stream string, m *nats.Msg, seq uint64) error {
	there, has, err := p.conn.At(ctx, stream, seq)
	if err != nil {
		return err
	}
	if has && p.conn.Same(there, m) || !has && p.trustDuplicates {
		p.witness.Stored(stream, m, seq)
		return nil
	}
	again := *m
	again.Header = maps.Clone(m.Header)
	again.Header.Del(schemas.HeaderMsgID)
	ack, err := p.conn.Send(ctx, stream, &again)
	if err != nil {
		return err
	}
	p.witness.Stored(stream, m, ack.Sequence)
	return nil
}

// Same reports whether a stored message is m. The id of an event is a number that an
// owner gives, and may have been given twice, when a bridge lost what it knew; so events
// are compared byte for byte. All other ids say what the message is about.
func (c *Conn) Same(stored schemas.Stored, m *nats.Msg) bool {
	return stored.Get("ce-id") == m.Header.Get("ce-id") && stored.Get("ce-source") == m.Header.Get("ce-source") &&
		(!c.opts.Names.InStream(schemas.StreamEvents, m.Subject) || bytes.Equal(stored.Body, m.Data))
}

// isLast reports whether the last message of m's subject is m. It closes the
// hole that the deduplication window leaves when an outage outlasts it.
func (p *Publisher) isLast(ctx context.Context, stream string, m *nats.Msg) (bool, error) {
	last, found, err := p.conn.LastIn(ctx, stream, m.Subject)
	if err != nil || !found {
		return false, err
	}
	same := p.conn.Same(last, m)
	if same {
		p.duplicates.Inc()
		p.witness.Stored(stream, m, last.Sequence)
	}
	return same, nil
}
