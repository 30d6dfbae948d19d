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

// Rows reads and appends the rows of a window, one subject each.
type Rows struct{ bus *Bus }

// Rows returns the rows of the file store.
func (b *Bus) Rows() *Rows { return &Rows{bus: b} }

// ReadBack calls f for every message of a subject in stream order, headers
// only, and returns the last one's sequence: 0 when there is none. What comes
// while it reads may be left out; Append's fence notices.
func (r *Rows) ReadBack(ctx context.Context, subject string, f func(h schemas.RowHeader, seq uint64)) (lastSeq uint64, err error) {
	start, stream := time.Now(), r.bus.names.Stream(schemas.StreamRows)
	window := wire.Range{Stream: stream, Filter: subject, HeadersOnly: true}
	err = r.bus.conn.Read(ctx, window, func(m schemas.Stored) error {
		lastSeq = m.Sequence
		f(schemas.ReadRowHeader(m.Header), lastSeq)
		return nil
	})
	if err != nil {
		return 0, fmt.Errorf("read back %s: %w", subject, r.bus.conn.Explain(start, stream, err))
	}
	return lastSeq, nil
}

// Append stores at most [schemas.MaxBatch] messages of one subject, all or
// none, if lastSeq is still the subject's last sequence (0: it has no message),
// and returns the new one. Otherwise the error is [schemas.ErrConflict] and
// nothing is stored. After any error but that and a [*schemas.Permanent] (one
// message too large) the batch may be stored or not: read back before trying
// again. Append itself tries once.
func (r *Rows) Append(ctx context.Context, msgs []schemas.Message, lastSeq uint64) (newLastSeq uint64, err error) {
	batch, err := r.batch(msgs, lastSeq)
	if err != nil {
		return 0, fmt.Errorf("append rows: %w", err)
	}
	ctx, cancel := context.WithTimeout(ctx, batchTimeout)
	defer cancel()
	start := time.Now()
	ack, err := r.commit(ctx, batch)
	stream := r.bus.names.Stream(schemas.StreamRows)
	switch {
	case wire.Conflict(err):
		err = fmt.Errorf("%w: %w", schemas.ErrConflict, err)
	case wire.TooLarge(err):
		err = &schemas.Permanent{Reason: schemas.ReasonOversized, Err: err}
	case err == nil && ack.Stream != stream:
		err = fmt.Errorf("acknowledged by stream %q instead of %q", ack.Stream, stream)
	case err == nil && (ack.BatchSize != uint64(len(msgs)) || ack.Sequence < lastSeq+uint64(len(msgs))):
		err = fmt.Errorf("acknowledged %d messages up to sequence %d, sent %d after %d", ack.BatchSize, ack.Sequence, len(msgs), lastSeq)
	}
	if err != nil {
		err = r.bus.conn.Explain(start, msgs[0].Subject, err)
		return 0, fmt.Errorf("append %d rows on %s after %d: %w", len(msgs), msgs[0].Subject, lastSeq, err)
	}
	r.bus.out.Published(stream, len(msgs))
	return ack.Sequence, nil
}

// commit sends a batch; the server stores it with its last message or not at all.
func (r *Rows) commit(ctx context.Context, batch []*nats.Msg) (*jetstreamext.BatchAck, error) {
	publisher, err := jetstreamext.NewBatchPublisher(r.bus.conn.JetStream())
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
		if err := r.bus.conn.JetStream().Conn().FlushWithContext(ctx); err != nil {
			return nil, err
		}
	}
	sabotage.Point("rows.staged")
	ctx, cancel := context.WithTimeout(ctx, commitTimeout)
	defer cancel()
	ack, err := publisher.CommitMsg(ctx, batch[last])
	sabotage.Point("rows.committed")
	return ack, err
}

// overheadBytes is what a message of a batch has besides its own headers: the
// fence, the stream, and the batch's id, place and end.
const overheadBytes = 512

// defaultPayloadBytes is the server's limit of a message unless it is set.
const defaultPayloadBytes = 1 << 20

// Fits reports whether the server takes a message of this size, headers included.
// While it has not said yet what it takes, its default counts.
func (r *Rows) Fits(m schemas.Message) bool {
	size := len(m.Body) + overheadBytes
	for name, values := range m.Headers() {
		for _, value := range values {
			size += len(name) + len(value) + len(": \r\n")
		}
	}
	limit := r.bus.conn.MaxPayload()
	if limit <= 0 {
		limit = defaultPayloadBytes
	}
	return int64(size) <= limit
}

// batch checks the messages and makes them ready for the wire.
func (r *Rows) batch(msgs []schemas.Message, lastSeq uint64) ([]*nats.Msg, error) {
	stream := r.bus.names.Stream(schemas.StreamRows)
	if len(msgs) == 0 || len(msgs) > schemas.MaxBatch {
		return nil, invalid(fmt.Errorf("%d messages in a batch, want 1 to %d", len(msgs), schemas.MaxBatch))
	}
	batch := make([]*nats.Msg, len(msgs))
	for i, m := range msgs {
		switch err := m.Validate(); {
		case err != nil:
			return nil, invalid(err)
		case m.Dedupe:
			return nil, invalid(errors.New("a row must not carry a message id"))
		case m.Subject != msgs[0].Subject:
			return nil, invalid(fmt.Errorf("subjects %s and %s in one batch", msgs[0].Subject, m.Subject))
		}
		batch[i] = wire.Message(m)
		batch[i].Header.Set(jetstream.ExpectedStreamHeader, stream)
	}
	if !schemas.Covers(r.bus.names.StreamSubjects(schemas.StreamRows), msgs[0].Subject) {
		return nil, invalid(fmt.Errorf("subject %s is not one of rows", msgs[0].Subject))
	}
	// On the first message only: it fences the subject for the whole batch.
	batch[0].Header.Set(jetstream.ExpectedLastSubjSeqHeader, strconv.FormatUint(lastSeq, 10))
	return batch, nil
}

func invalid(err error) error { return &schemas.Permanent{Reason: schemas.ReasonInvalid, Err: err} }
