package bus

import (
	"context"
	"fmt"
	"sync/atomic"
	"time"

	"aiccbridge/bus/internal/wire"
	"aiccbridge/schemas"
)

// Calls reads and appends the calls of tenants, one subject per window. All calls of a
// tenant are behind one fence: whoever appends has seen all that is there, so that of two
// writers one is refused whatever windows they write.
type Calls struct {
	batches
	most atomic.Int64 // size of a message, by the stream's setting; 0: any
}

// Calls returns the calls made of rows.
func (b *Bus) Calls() *Calls { return &Calls{batches: batches{b, schemas.StreamCalls, "calls"}} }

// Newest calls f for the last message of each window of a tenant, in stream order, and
// returns the last one's sequence: 0 when there is none. An error of f ends it. What comes
// while it reads may be left out; Append's fence notices.
func (c *Calls) Newest(ctx context.Context, tenant string, f func(schemas.Stored) error) (last uint64, err error) {
	start, r := time.Now(), wire.Range{Stream: c.name(), Filter: c.bus.names.Calls(tenant), LastPerSubject: true}
	err = c.bus.conn.Read(ctx, r, func(m schemas.Stored) error {
		last = m.Sequence
		return f(m)
	})
	if err != nil {
		return 0, fmt.Errorf("read the newest of %s in %s: %w", r.Filter, r.Stream, c.bus.conn.Explain(start, r.Stream, err))
	}
	return last, nil
}

// Kept looks at the stream, and says since when it has all that was stored: what is older has
// gone by its age, or made room where the stream is limited. Zero: it has everything.
func (c *Calls) Kept(ctx context.Context) (since time.Time, err error) {
	start := time.Now()
	info, err := c.bus.conn.StreamInfo(ctx, c.name())
	if err != nil {
		return since, fmt.Errorf("look at %s: %w", c.name(), c.bus.conn.Explain(start, c.name(), err))
	}
	c.most.Store(max(0, int64(info.Config.MaxMsgSize)))
	if info.Config.MaxAge > 0 {
		since = start.Add(-info.Config.MaxAge)
	}
	limited := info.Config.MaxBytes > 0 || info.Config.MaxMsgs > 0
	if limited && info.State.FirstSeq > 1 && info.State.FirstTime.After(since) {
		since = info.State.FirstTime
	}
	return since, nil
}

// Fits reports whether the server takes a message of this size, headers included, and the
// stream, by what [Calls.Kept] saw last.
func (c *Calls) Fits(m schemas.Message) bool {
	most := c.most.Load()
	return c.batches.Fits(m) && (most == 0 || size(m) <= most)
}

// ReadBack calls f for every message of a window's subject in stream order, headers only.
func (c *Calls) ReadBack(ctx context.Context, subject string, f func(h schemas.CallHeader, seq uint64)) error {
	return c.readBack(ctx, subject, func(m schemas.Stored) { f(schemas.ReadCallHeader(m.Header), m.Sequence) })
}

// At returns the message at a sequence; found is false when it has gone.
func (c *Calls) At(ctx context.Context, seq uint64) (m schemas.Stored, found bool, err error) {
	start := time.Now()
	m, found, err = c.bus.conn.At(ctx, c.name(), seq)
	if err != nil {
		return m, false, fmt.Errorf("look at message %d of %s: %w", seq, c.name(), c.bus.conn.Explain(start, c.name(), err))
	}
	return m, found, nil
}

// Heard calls f for what was said of a tenant's recordings, in the order of AICC_FILES: from a
// sequence on, or, with 0, since a time. A stream that ends before the sequence is another
// one, and read from its first message. An error of f ends it.
func (c *Calls) Heard(ctx context.Context, tenant string, from uint64, since time.Time, f func(schemas.Stored) error) error {
	start, stream := time.Now(), c.bus.names.Stream(schemas.StreamFiles)
	r := wire.Range{Stream: stream, Filter: c.bus.names.Recordings(tenant), From: from, Since: since}
	end, err := c.bus.conn.End(ctx, stream)
	if err == nil {
		if from > end+1 {
			r.From = 0
		}
		err = c.bus.conn.Read(ctx, r, f)
	}
	if err != nil {
		return fmt.Errorf("read %s in %s: %w", r.Filter, stream, c.bus.conn.Explain(start, stream, err))
	}
	return nil
}

// Read calls f for every message of a window's subject in stream order, as it is stored. An
// error of f ends it.
func (c *Calls) Read(ctx context.Context, subject string, f func(schemas.Stored) error) error {
	return c.bus.Read(ctx, schemas.StreamCalls, subject, 0, f)
}

// Append stores at most [schemas.MaxBatch] messages of one window of a tenant, all or none,
// if last is still the sequence of the tenant's last message, and returns the new one. Its
// errors are those of [Rows.Append].
func (c *Calls) Append(ctx context.Context, tenant string, msgs []schemas.Message, last uint64) (newLast uint64, err error) {
	return c.append(ctx, msgs, fence{c.bus.names.Calls(tenant), last})
}
