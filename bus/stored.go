package bus

import (
	"context"
	"fmt"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"aiccbridge/schemas"
)

// clockSlack is how far the server's clock may be from ours where a time of ours
// is compared with one of its.
const clockSlack = time.Hour

// Stored reports whether a message with m's subject, id and source is in its
// stream, among those that came since a time. It reads their headers, so the time
// should leave few; and unlike the deduplication window it remembers for as long
// as the stream does. It tries once.
func (b *Bus) Stored(ctx context.Context, m schemas.Message, since time.Time) (bool, error) {
	stream, err := b.check(m)
	if err != nil {
		return false, fmt.Errorf("look for a message: %w", err)
	}
	found, err := b.storedSince(ctx, stream, m, since.Add(-clockSlack))
	if err != nil {
		return false, fmt.Errorf("look for a message on %s: %w", m.Subject, err)
	}
	return found, nil
}

func (b *Bus) storedSince(ctx context.Context, stream string, m schemas.Message, since time.Time) (found bool, err error) {
	cons, err := b.js.CreateConsumer(ctx, stream, jetstream.ConsumerConfig{
		FilterSubject: m.Subject, DeliverPolicy: jetstream.DeliverByStartTimePolicy, OptStartTime: &since,
		AckPolicy: jetstream.AckNonePolicy, HeadersOnly: true, MemoryStorage: true, Replicas: 1, InactiveThreshold: 10 * time.Second,
	})
	if err != nil {
		return false, err
	}
	defer b.forget(ctx, stream, cons)
	pending := cons.CachedInfo().NumPending
	if pending == 0 {
		return false, nil
	}
	batch, err := cons.Fetch(int(pending), jetstream.FetchMaxWait(b.opts.requestTimeout))
	if err != nil {
		return false, err
	}
	seen := uint64(0)
	for msg := range batch.Messages() {
		seen++
		h := schemas.Stored{Header: msg.Headers()}
		found = found || h.Get("ce-id") == m.Headers()["ce-id"][0] && h.Get("ce-source") == m.Headers()["ce-source"][0]
	}
	if err := batch.Error(); err != nil && !found {
		return false, err
	}
	if seen < pending && !found {
		return false, fmt.Errorf("only %d of %d messages were read", seen, pending)
	}
	return found, nil
}
