package bus

import (
	"context"
	"fmt"
	"time"

	"aiccbridge/schemas"
)

// Rows reads and appends the rows of a window, one subject each.
type Rows struct{ batches }

// Rows returns the rows of the file store.
func (b *Bus) Rows() *Rows { return &Rows{batches{b, schemas.StreamRows, "rows"}} }

// ReadBack calls f for every message of a subject in stream order, headers
// only, and returns the last one's sequence: 0 when there is none. What comes
// while it reads may be left out; Append's fence notices.
func (r *Rows) ReadBack(ctx context.Context, subject string, f func(h schemas.RowHeader, seq uint64)) (lastSeq uint64, err error) {
	err = r.readBack(ctx, subject, func(m schemas.Stored) {
		lastSeq = m.Sequence
		f(schemas.ReadRowHeader(m.Header), lastSeq)
	})
	if err != nil {
		return 0, err
	}
	return lastSeq, nil
}

// Held returns a subject's last message and how many it has, as the stream's leader knows
// it; found is false when it has none. What is stored or goes between the two questions may
// be counted or not. It tries once.
func (r *Rows) Held(ctx context.Context, subject string) (last schemas.Stored, messages int, found bool, err error) {
	start := time.Now()
	messages, err = r.bus.conn.Count(ctx, r.name(), subject)
	if err == nil && messages > 0 {
		last, found, err = r.bus.conn.LastIn(ctx, r.name(), subject)
	}
	if err != nil {
		return schemas.Stored{}, 0, false, fmt.Errorf("count %s: %w", subject, r.bus.conn.Explain(start, r.name(), err))
	}
	return last, messages, found, nil
}

// Append stores at most [schemas.MaxBatch] messages of one subject, all or
// none, if lastSeq is still the subject's last sequence (0: it has no message),
// and returns the new one. Otherwise the error is [schemas.ErrConflict] and
// nothing is stored. After any error but that and a [*schemas.Permanent] (one
// message too large) the batch may be stored or not: read back before trying
// again. Append itself tries once.
func (r *Rows) Append(ctx context.Context, msgs []schemas.Message, lastSeq uint64) (newLastSeq uint64, err error) {
	behind := fence{last: lastSeq}
	if len(msgs) > 0 {
		behind.filter = msgs[0].Subject
	}
	return r.append(ctx, msgs, behind)
}
