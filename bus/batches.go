package bus

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
	"github.com/synadia-io/orbit.go/jetstreamext"

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

// fence is what a batch is to stand behind: last is the sequence of the last message
// that matches the filter, 0 when there is none.
type fence struct {
	filter string
	last   uint64
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
	batch, err := b.batch(msgs, behind)
	if err != nil {
		return 0, fmt.Errorf("append %s: %w", b.what, err)
	}
	ctx, cancel := context.WithTimeout(ctx, batchTimeout)
	defer cancel()
	start := time.Now()
	ack, err := b.commit(ctx, batch)
	switch {
	case wire.Conflict(err):
		err = fmt.Errorf("%w: %w", schemas.ErrConflict, err)
	case wire.TooLarge(err):
		err = &schemas.Permanent{Reason: schemas.ReasonOversized, Err: err}
	case err == nil && ack.Stream != b.name():
		err = fmt.Errorf("acknowledged by stream %q instead of %q", ack.Stream, b.name())
	case err == nil && (ack.BatchSize != uint64(len(msgs)) || ack.Sequence < behind.last+uint64(len(msgs))):
		err = fmt.Errorf("acknowledged %d messages up to sequence %d, sent %d after %d", ack.BatchSize, ack.Sequence, len(msgs), behind.last)
	}
	if err != nil {
		err = b.bus.conn.Explain(start, msgs[0].Subject, err)
		return 0, fmt.Errorf("append %d %s on %s after %d: %w", len(msgs), b.what, msgs[0].Subject, behind.last, err)
	}
	b.bus.out.Published(b.name(), len(msgs))
	return ack.Sequence, nil
}

// commit sends a batch; the server stores it with its last message or not at all.
func (b batches) commit(ctx context.Context, batch []*nats.Msg) (*jetstreamext.BatchAck, error) {
	publisher, err := jetstreamext.NewBatchPublisher(b.bus.conn.JetStream())
	if err != nil {
		return nil, err
	}
	last := len(batch) - 1
	for _, m := range batch[:last] {
		if err := publisher.AddMsg(m); err != nil {
			return nil, err
		}
	}
	if last > 0 {
		if err := b.bus.conn.JetStream().Conn().FlushWithContext(ctx); err != nil {
			return nil, err
		}
	}
	sabotage.Point(b.what + ".staged")
	ctx, cancel := context.WithTimeout(ctx, commitTimeout)
	defer cancel()
	ack, err := publisher.CommitMsg(ctx, batch[last])
	sabotage.Point(b.what + ".committed")
	return ack, err
}

// overheadBytes is what a message of a batch has besides its own headers: the
// fence, the stream, and the batch's id, place and end.
const overheadBytes = 512

// defaultPayloadBytes is the server's limit of a message unless it is set.
const defaultPayloadBytes = 1 << 20

// Fits reports whether the server takes a message of this size, headers included.
// While it has not said yet what it takes, its default counts.
func (b batches) Fits(m schemas.Message) bool {
	limit := b.bus.conn.MaxPayload()
	if limit <= 0 {
		limit = defaultPayloadBytes
	}
	return b.size(m) <= limit
}

// size is what a message takes up in a batch, at most.
func (b batches) size(m schemas.Message) int64 {
	size := len(m.Body) + overheadBytes
	for name, values := range m.Headers() {
		for _, value := range values {
			size += len(name) + len(value) + len(": \r\n")
		}
	}
	return int64(size)
}

// batch checks the messages and makes them ready for the wire.
func (b batches) batch(msgs []schemas.Message, behind fence) ([]*nats.Msg, error) {
	if len(msgs) == 0 || len(msgs) > schemas.MaxBatch {
		return nil, invalid(fmt.Errorf("%d messages in a batch, want 1 to %d", len(msgs), schemas.MaxBatch))
	}
	batch := make([]*nats.Msg, len(msgs))
	for i, m := range msgs {
		switch err := m.Validate(); {
		case err != nil:
			return nil, invalid(err)
		case m.Dedupe:
			return nil, invalid(errors.New("it must not carry a message id"))
		case m.Subject != msgs[0].Subject:
			return nil, invalid(fmt.Errorf("subjects %s and %s in one batch", msgs[0].Subject, m.Subject))
		}
		batch[i] = wire.Message(m)
		batch[i].Header.Set(jetstream.ExpectedStreamHeader, b.name())
	}
	if !b.bus.names.InStream(b.stream, msgs[0].Subject) {
		return nil, invalid(fmt.Errorf("subject %s is not one of %s", msgs[0].Subject, b.what))
	}
	// On the first message only: it fences the whole batch.
	batch[0].Header.Set(jetstream.ExpectedLastSubjSeqHeader, strconv.FormatUint(behind.last, 10))
	if behind.filter != msgs[0].Subject {
		batch[0].Header.Set(expectedLastSubject, behind.filter)
	}
	return batch, nil
}

// expectedLastSubject says of which subjects the expected sequence is, wildcards included,
// when it is not the message's own.
const expectedLastSubject = "Nats-Expected-Last-Subject-Sequence-Subject"

func invalid(err error) error { return &schemas.Permanent{Reason: schemas.ReasonInvalid, Err: err} }
