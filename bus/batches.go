package bus

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"time"

	"aiccbridge/bus/internal/wire"
	"aiccbridge/internal/sabotage"
	"aiccbridge/schemas"
)

// batchTimeout limits one atomic batch; the server drops one that idles 10 s.
const batchTimeout = 30 * time.Second

// commitTimeout limits its last message, once all others are at the server. A leader that
// dies then never answers.
const commitTimeout = 10 * time.Second

// batches is a stream with a subject per window that is written in atomic batches.
type batches struct {
	bus    *Bus
	stream schemas.Stream
	what   string // its messages are, in errors and points of sabotage
}

// name is the stream's full name.
func (b batches) name() string { return b.bus.names.Stream(b.stream) }

// readBack calls f for every message of a subject in stream order, headers only.
func (b batches) readBack(ctx context.Context, subject string, f func(schemas.Stored)) error {
	start := time.Now()
	window := wire.Range{Stream: b.name(), Filter: subject, HeadersOnly: true}
	err := b.bus.conn.Read(ctx, window, func(m schemas.Stored) error {
		f(m)
		return nil
	})
	if err != nil {
		return fmt.Errorf("read back %s: %w", subject, b.bus.conn.Explain(start, window.Stream, err))
	}
	return nil
}

// append stores at most [schemas.MaxBatch] messages of one subject, all or none, behind the
// fence, and returns the last one's sequence.
func (b batches) append(ctx context.Context, msgs []schemas.Message, behind fence) (last uint64, err error) {
	if err := b.check(msgs); err != nil {
		return 0, fmt.Errorf("append %s: %w", b.what, &schemas.Permanent{Reason: schemas.ReasonInvalid, Err: err})
	}
	ctx, cancel := context.WithTimeout(ctx, batchTimeout)
	defer cancel()
	start := time.Now()
	last, err = b.store(ctx, &batch{
		nc: b.bus.conn.JetStream().Conn(), stream: b.name(), id: rand.Text()[:batchIDLength], msgs: msgs, fence: behind, place: []string{""},
	})
	switch {
	case wire.Conflict(err):
		err = fmt.Errorf("%w: %w", schemas.ErrConflict, err)
	case wire.TooLarge(err):
		err = &schemas.Permanent{Reason: schemas.ReasonOversized, Err: err}
	}
	if err != nil {
		err = b.bus.conn.Explain(start, msgs[0].Subject, err)
		return 0, fmt.Errorf("append %d %s on %s after %d: %w", len(msgs), b.what, msgs[0].Subject, behind.last, err)
	}
	b.bus.out.Published(b.name(), len(msgs))
	return last, nil
}

// store sends a batch; the server stores it with its last message or not at all.
func (b batches) store(ctx context.Context, all *batch) (last uint64, err error) {
	if err := all.send(ctx); err != nil {
		return 0, err
	}
	sabotage.Point(b.what + ".staged")
	ctx, cancel := context.WithTimeout(ctx, commitTimeout)
	defer cancel()
	last, err = all.commit(ctx)
	sabotage.Point(b.what + ".committed")
	return last, err
}

// overheadBytes is what a message of a batch has besides what its headers say: their names,
// its time, the fence, the stream, and the batch's id, place and end.
const overheadBytes = 1024

// defaultPayloadBytes is the server's limit of a message unless it is set.
const defaultPayloadBytes = 1 << 20

// Fits reports whether the server takes a message of this size, headers included.
// While it has not said yet what it takes, its default counts.
func (b batches) Fits(m schemas.Message) bool {
	limit := b.bus.conn.MaxPayload()
	if limit <= 0 {
		limit = defaultPayloadBytes
	}
	return size(m) <= limit
}

// size is what a message takes up in a batch, at most: encoded, a byte of a header may be three.
func size(m schemas.Message) int64 {
	values := len(m.ID) + len(m.Type) + len(m.Source) + len(m.Schema) + len(m.Row)
	for name, value := range m.Header {
		values += len(name) + len(value)
	}
	return int64(len(m.Body) + 3*values + overheadBytes)
}

// check reports messages that make no batch. Their bodies were encoded by whoever
// brings them, and are not looked at.
func (b batches) check(msgs []schemas.Message) error {
	if len(msgs) == 0 || len(msgs) > schemas.MaxBatch {
		return fmt.Errorf("%d messages in a batch, want 1 to %d", len(msgs), schemas.MaxBatch)
	}
	for i := range msgs {
		switch m := &msgs[i]; {
		case m.Subject != msgs[0].Subject:
			return fmt.Errorf("subjects %s and %s in one batch", msgs[0].Subject, m.Subject)
		case m.Dedupe:
			return errors.New("it must not carry a message id")
		case m.ID == "" || m.Type == "" || m.Source == "":
			return fmt.Errorf("message %d on %s: id, type and source must be set", i, m.Subject)
		}
	}
	if !b.bus.names.InStream(b.stream, msgs[0].Subject) {
		return fmt.Errorf("subject %s is not one of %s", msgs[0].Subject, b.what)
	}
	return nil
}
