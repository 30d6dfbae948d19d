package wire

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"maps"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promauto"

	"aiccbridge/schemas"
)

// Send publishes once, and makes a [*schemas.Permanent] of a message that is too
// large.
func (c *Conn) Send(ctx context.Context, stream string, m *nats.Msg, opts ...jetstream.PublishOpt) (*jetstream.PubAck, error) {
	opts = append(opts, jetstream.WithExpectStream(stream), jetstream.WithRetryAttempts(0))
	start := time.Now()
	ack, err := c.js.PublishMsg(ctx, m, opts...)
	err = c.Explain(start, m.Subject, err)
	switch {
	case TooLarge(err):
		return nil, &schemas.Permanent{Reason: schemas.ReasonOversized, Err: err}
	case errors.Is(err, jetstream.ErrNoStreamResponse):
		return nil, fmt.Errorf("stream %s does not answer; it may be missing: %w", stream, err)
	}
	return ack, err
}

// PublisherOptions may all be left out.
type PublisherOptions struct {
	// TrustDuplicates takes "duplicate" for "stored" also if the message has gone: the
	// streams are a spool's, where what has gone is at the hub, and nobody else removes
	// anything.
	TrustDuplicates bool
	// Registerer gets the metrics. nil: none. Each publisher needs its own (see
	// prometheus.WrapRegistererWith); a second one on the same panics.
	Registerer prometheus.Registerer
}

// Publisher stores messages. It is safe for concurrent use.
type Publisher struct {
	conn            *Conn
	trustDuplicates bool

	published  *prometheus.CounterVec // by stream
	retries    prometheus.Counter
	duplicates prometheus.Counter
}

// NewPublisher returns a publisher.
func NewPublisher(c *Conn, o PublisherOptions) *Publisher {
	factory := promauto.With(o.Registerer)
	opts := func(name, help string) prometheus.CounterOpts {
		return prometheus.CounterOpts{Namespace: "aicc", Subsystem: "bus", Name: name, Help: help}
	}
	return &Publisher{
		conn: c, trustDuplicates: o.TrustDuplicates,
		published:  factory.NewCounterVec(opts("published_total", "Messages stored, by stream."), []string{"stream"}),
		retries:    factory.NewCounter(opts("publish_retries_total", "Tries to publish that failed and were repeated.")),
		duplicates: factory.NewCounter(opts("duplicates_total", "Messages that turned out to be stored already.")),
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
	return p.conn.Retry(ctx, p.conn.Trouble("stream", stream), func(ctx context.Context) error {
		if mayBeStored {
			stored, err := p.isLast(ctx, stream, m)
			if stored || err != nil {
				return err
			}
		}
		err := p.send(ctx, stream, m)
		if err != nil && !isPermanent(err) {
			p.retries.Inc()
			mayBeStored = mayBeStored || !certainlyNotStored(err)
		}
		return err
	})
}

// send tries once.
func (p *Publisher) send(ctx context.Context, stream string, m *nats.Msg) error {
	ack, err := p.conn.Send(ctx, stream, m)
	if err != nil {
		return err
	}
	p.Published(stream, 1)
	if !ack.Duplicate {
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
	if err != nil || has && p.conn.Same(there, m) || !has && p.trustDuplicates {
		return err
	}
	again := *m
	again.Header = maps.Clone(m.Header)
	again.Header.Del(schemas.HeaderMsgID)
	_, err = p.conn.Send(ctx, stream, &again)
	return err
}

// Same reports whether a stored message is m. The id of an event is a number that an
// owner gives, and may have been given twice, when a bridge lost what it knew; so events
// are compared byte for byte. All other ids say what the message is about.
func (c *Conn) Same(stored schemas.Stored, m *nats.Msg) bool {
	return stored.Get("ce-id") == m.Header.Get("ce-id") && stored.Get("ce-source") == m.Header.Get("ce-source") &&
		(!schemas.Covers(c.opts.Names.StreamSubjects(schemas.StreamEvents), m.Subject) || bytes.Equal(stored.Body, m.Data))
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
	}
	return same, nil
}
