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

// Shared sends messages to one stream, together when many come at a time. It is safe for
// concurrent use.
type Shared struct {
	conn    *Conn
	stream  string
	batched func(messages int)
	gate    *group.Gate[*group.Parcel]
}

const (
	// largestShared is the size of a message, without headers, above which it goes alone: a
	// batch is stored twice, and its size is bounded.
	largestShared = 16 << 10
	// batchesAgain is after how long a stream that takes no batches is tried again.
	batchesAgain = time.Minute
)

// Shared returns what sends to a stream. batched is told how many went in a batch.
func (c *Conn) Shared(stream string, batched func(messages int)) *Shared {
	s := &Shared{conn: c, stream: stream, batched: batched}
	s.gate = group.New(s.sendBatch)
	return s
}

// Together is the [Shared] of a stream that all have who ask the connection for it.
func (c *Conn) Together(stream string) *Shared {
	c.mu.Lock()
	defer c.mu.Unlock()
	s, ok := c.together[stream]
	if !ok {
		if c.together == nil {
			c.together = map[string]*Shared{}
		}
		s = c.Shared(stream, func(int) {})
		c.together[stream] = s
	}
	return s
}

// Send is [Conn.Send], perhaps in a batch. ctx is without the limit of a try, which it sets
// itself: a message may have to wait until others are stored. A batch that was refused says
// nothing of each of its messages, which then goes alone.
func (s *Shared) Send(ctx context.Context, m *nats.Msg) (*jetstream.PubAck, error) {
	p := &group.Parcel{Msg: m}
	alone := func() (err error) {
		try, cancel := s.conn.Try(ctx)
		defer cancel()
		p.Ack, err = s.conn.Send(try, s.stream, m)
		return err
	}
	send := alone
	if len(m.Data) <= largestShared {
		send = func() error { return s.gate.Do(ctx, p, alone) }
	}
	err := send()
	if refused := (*refusedBatch)(nil); errors.As(err, &refused) {
		err = alone()
	}
	if err != nil {
		return nil, err // the batch may be on its way, with p
	}
	return p.Ack, nil
}

// refusedBatch is the error of a batch of which nothing is stored.
type refusedBatch struct{ error }

func (r *refusedBatch) Unwrap() error { return r.error }

// sendBatch tries once.
func (s *Shared) sendBatch(ctx context.Context, batch []*group.Parcel) error {
	ctx, cancel := s.conn.Try(ctx)
	defer cancel()
	start := time.Now()
	err := group.Send(ctx, s.conn.nc, s.stream, batch)
	s.conn.served(writes, err)
	if HasCode(err, codeNoBatches) {
		s.gate.Shut(batchesAgain)
	}
	switch err = s.conn.Explain(start, batch[0].Subject, err); {
	case err == nil:
	case certainlyNotStored(err):
		return &refusedBatch{err}
	default:
		return fmt.Errorf("batch of %d: %w", len(batch), err)
	}
	s.batched(len(batch))
	return nil
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
	failing map[string]failure // by stream
	streams map[string]*Shared // where messages meet
	letters letters.Newest
}

// failure is what goes on while no try to store in a stream succeeds.
type failure struct {
	since, last time.Time // of the first try, and of the latest
	err         error     // the first
}

// givenUp is how long after its latest failure nobody tries any more: far longer than a try
// and the pause after it.
const givenUp = 4 * maxRetryWait

// NewPublisher returns a publisher.
func NewPublisher(c *Conn, o PublisherOptions) *Publisher {
	factory := promauto.With(o.Registerer)
	opts := func(name, help string) prometheus.CounterOpts {
		return prometheus.CounterOpts{Namespace: "aicc", Subsystem: "bus", Name: name, Help: help}
	}
	return &Publisher{
		conn: c, trustDuplicates: o.TrustDuplicates, failing: make(map[string]failure), streams: make(map[string]*Shared), witness: cmp.Or(o.Witness, Witness(NoWitness{})),
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
	mayBeStored := false
	send := func(context.Context) (*jetstream.PubAck, error) { return p.shared(stream).Send(ctx, m) }
	return p.conn.Retry(ctx, p.conn.Trouble("stream", stream), func(ctx context.Context) error {
		if mayBeStored {
			stored, err := p.isLast(ctx, stream, m)
			if stored || err != nil {
				p.note(ctx, stream, err)
				return err
			}
		}
		ack, err := send(ctx)
		send = func(ctx context.Context) (*jetstream.PubAck, error) { return p.conn.Send(ctx, stream, m) } // from now on, alone
		if err == nil {
			err = p.acknowledged(ctx, stream, m, ack)
		}
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

// shared is where the messages of a stream meet.
func (p *Publisher) shared(stream string) *Shared {
	p.mu.Lock()
	defer p.mu.Unlock()
	s, ok := p.streams[stream]
	if !ok {
		s = p.conn.Shared(stream, func(messages int) { p.batched.Observe(float64(messages)) })
		p.streams[stream] = s
	}
	return s
}

// acknowledged makes sure of a message that was.
func (p *Publisher) acknowledged(ctx context.Context, stream string, m *nats.Msg, ack *jetstream.PubAck) error {
	p.Published(stream, 1)
	if !ack.Duplicate {
		p.witness.Stored(stream, m, ack.Sequence)
		if m.Header.Get("ce-type") == schemas.TypeDeadLetter { // and none that is resolved
			p.letters.Add(m.Data)
		}
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
