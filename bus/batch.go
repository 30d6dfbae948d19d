package bus

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"aiccbridge/schemas"
)

// Headers of atomic batches (nats-server 2.12 and later): every message of a batch has its
// id and its place in it, from 1, the last one ends it.
const (
	headerBatch  = "Nats-Batch-Id"
	headerPlace  = "Nats-Batch-Sequence"
	headerCommit = "Nats-Batch-Commit"
)

// batchIDLength is how much of a random id names a batch. It is to be another than those of
// the fifty batches that a stream may have under way; two of one id are both refused.
const batchIDLength = 5

// fence is what a batch is to stand behind: last is the sequence of the last message
// that matches the filter, 0 when there is none.
type fence struct {
	filter string
	last   uint64
}

// batch is an atomic batch of messages of one subject. The server keeps what it is sent
// apart, and stores all with the last message, or nothing. Use it once.
type batch struct {
	nc     *nats.Conn
	stream string
	id     string
	msgs   []schemas.Message
	fence  fence

	sent nats.Msg // the message in hand, which the connection copies
	// The values of its headers that no other message has.
	ce, row, place []string
}

// send has all messages but the last at the server.
func (b *batch) send(ctx context.Context) error {
	last := len(b.msgs) - 1
	for i := range last {
		if err := b.nc.PublishMsg(b.message(i)); err != nil {
			return err
		}
	}
	if last == 0 {
		return nil
	}
	return b.nc.FlushWithContext(ctx)
}

// commit sends the last message, and returns the sequence that it has in the stream. After
// an error that is no answer of the server, all may be stored or nothing.
func (b *batch) commit(ctx context.Context) (sequence uint64, err error) {
	answer, err := b.nc.RequestMsgWithContext(ctx, b.message(len(b.msgs)-1))
	if err != nil {
		return 0, err
	}
	var ack struct {
		Error    *jetstream.APIError `json:"error"`
		Stream   string              `json:"stream"`
		Sequence uint64              `json:"seq"`
		Batch    string              `json:"batch"`
		Count    int                 `json:"count"`
	}
	switch err := json.Unmarshal(answer.Data, &ack); {
	case err != nil:
		return 0, errors.Join(jetstream.ErrInvalidJSAck, err)
	case ack.Error != nil:
		return 0, ack.Error
	case ack.Stream != b.stream:
		return 0, fmt.Errorf("acknowledged by stream %q instead of %q", ack.Stream, b.stream)
	case ack.Batch != b.id || ack.Count != len(b.msgs) || ack.Sequence < b.fence.last+uint64(len(b.msgs)):
		return 0, fmt.Errorf("acknowledged %d messages of batch %q up to sequence %d, sent %d of %q after %d",
			ack.Count, ack.Batch, ack.Sequence, len(b.msgs), b.id, b.fence.last)
	}
	return ack.Sequence, nil
}

// message is the i-th as it is sent. What it has in common with the one before is
// not made again.
func (b *batch) message(i int) *nats.Msg {
	m := &b.msgs[i]
	if i == 0 || !alike(m, &b.msgs[i-1]) {
		header := nats.Header(m.Headers())
		header[headerBatch], header[headerPlace] = []string{b.id}, b.place
		b.sent.Subject, b.sent.Header, b.ce, b.row = m.Subject, header, header["ce-id"], header[schemas.HeaderRow]
	}
	b.sent.Data, b.ce[0], b.place[0] = m.Body, schemas.EncodeHeader(m.ID), strconv.Itoa(i+1)
	if m.Row != "" {
		b.row[0] = schemas.EncodeHeader(m.Row)
	}
	b.frame(i)
	return &b.sent
}

// frame sets what the first and the last message have: the whole batch is fenced by the
// first, and in the stream that it says.
func (b *batch) frame(i int) {
	header := b.sent.Header
	switch i {
	case 0:
		header.Set(jetstream.ExpectedStreamHeader, b.stream)
		header.Set(jetstream.ExpectedLastSubjSeqHeader, strconv.FormatUint(b.fence.last, 10))
		if b.fence.filter != b.sent.Subject {
			header.Set(jetstream.ExpectedLastSubjSeqSubjHeader, b.fence.filter)
		}
	case 1:
		header.Del(jetstream.ExpectedStreamHeader)
		header.Del(jetstream.ExpectedLastSubjSeqHeader)
		header.Del(jetstream.ExpectedLastSubjSeqSubjHeader)
	}
	if i == len(b.msgs)-1 {
		header.Set(headerCommit, "1")
	}
}

// alike reports two rows that differ in nothing but id, row header and body.
func alike(m, other *schemas.Message) bool {
	return m.Row != "" && other.Row != "" && m.Type == other.Type && m.Source == other.Source && len(m.Header)+len(other.Header) == 0
}
