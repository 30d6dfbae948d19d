package bus

import (
	"context"
	"fmt"
	"time"

	"aiccbridge/bus/internal/wire"
	"aiccbridge/schemas"
)

// Last returns the last message of a subject. The filter may hold wildcards,
// except on rows; it must lie within one stream. It tries once.
func (b *Bus) Last(ctx context.Context, filter string) (schemas.Stored, bool, error) {
	return b.conn.Last(ctx, filter)
}

// Read calls f for the messages of a stream that match filter ("": all), from
// a sequence (0: the first) to the end as of the call, then returns. An error of f ends it.
func (b *Bus) Read(ctx context.Context, stream schemas.Stream, filter string, from uint64, f func(schemas.Stored) error) error {
	return b.read(ctx, wire.Range{Stream: b.names.Stream(stream), Filter: filter, From: from}, f)
}

// ReadSince is Read of what was stored at a time or after it.
func (b *Bus) ReadSince(ctx context.Context, stream schemas.Stream, filter string, since time.Time, f func(schemas.Stored) error) error {
	return b.read(ctx, wire.Range{Stream: b.names.Stream(stream), Filter: filter, Since: since}, f)
}

// ReadNewest is Read of the last message of each subject, without its body.
func (b *Bus) ReadNewest(ctx context.Context, stream schemas.Stream, filter string, f func(schemas.Stored) error) error {
	return b.read(ctx, wire.Range{Stream: b.names.Stream(stream), Filter: filter, HeadersOnly: true, LastPerSubject: true}, f)
}

func (b *Bus) read(ctx context.Context, r wire.Range, f func(schemas.Stored) error) error {
	start := time.Now()
	if err := b.conn.Read(ctx, r, f); err != nil {
		return fmt.Errorf("read %s: %w", r.Stream, b.conn.Explain(start, r.Stream, err))
	}
	return nil
}

// Follow calls f for the messages of a stream that match filter ("": all) and
// are stored after the call, each once and in order, however often the
// connection breaks. A stream that is deleted and made anew, or has lost its end,
// is given from its first message. It returns nil when ctx ends, f's error at
// once, and an error when the stream cannot be found at the start.
func (b *Bus) Follow(ctx context.Context, stream schemas.Stream, filter string, f func(schemas.Stored) error) error {
	name := b.names.Stream(stream)
	follower, err := b.conn.FollowFromNow(ctx, name, filter, f)
	if err == nil {
		err = follower.Run(ctx)
	}
	if err != nil {
		return fmt.Errorf("follow %s: %w", name, err)
	}
	return nil
}

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
	id, source := m.Headers()["ce-id"][0], m.Headers()["ce-source"][0]
	newer := wire.Range{Stream: stream, Filter: m.Subject, Since: since, HeadersOnly: true}
	err = b.conn.Read(ctx, newer, func(s schemas.Stored) error {
		found = found || s.Get("ce-id") == id && s.Get("ce-source") == source
		return nil
	})
	return found, err
}
