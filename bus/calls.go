package bus

import (
	"context"
	"fmt"
	"time"

	"aiccbridge/bus/internal/wire"
	"aiccbridge/schemas"
)

// Calls reads and appends the calls of tenants, one subject per window. All calls of a
// tenant are behind one fence: whoever appends has seen all that is there, so that of two
// writers one is refused whatever windows they write.
type Calls struct{ batches }

// Calls returns the calls made of rows.
func (b *Bus) Calls() *Calls { return &Calls{batches{b, schemas.StreamCalls, "calls"}} }

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

// Keeps says how long the stream keeps a message; 0: for ever.
func (c *Calls) Keeps(ctx context.Context) (time.Duration, error) {
	start := time.Now()
	info, err := c.bus.conn.StreamInfo(ctx, c.name())
	if err != nil {
		return 0, fmt.Errorf("look at %s: %w", c.name(), c.bus.conn.Explain(start, c.name(), err))
	}
	return info.Config.MaxAge, nil
}

// ReadBack calls f for every message of a window's subject in stream order, headers only.
func (c *Calls) ReadBack(ctx context.Context, subject string, f func(schemas.CallHeader)) error {
	return c.readBack(ctx, subject, func(m schemas.Stored) { f(schemas.ReadCallHeader(m.Header)) })
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
