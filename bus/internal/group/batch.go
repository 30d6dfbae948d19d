package group

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"strconv"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
)

// The headers of a batch's messages.
const (
	headerID       = "Nats-Batch-Id"
	headerSequence = "Nats-Batch-Sequence"
	headerCommit   = "Nats-Batch-Commit"
)

// ErrNotCommitted marks a batch that ended before its last message left: nothing is stored.
var ErrNotCommitted = errors.New("batch is not committed")

// answer is what the server says to a batch's last message, the only one that it answers.
type answer struct {
	Error    *jetstream.APIError `json:"error"`
	Stream   string              `json:"stream"`
	Sequence uint64              `json:"seq"`
	Batch    string              `json:"batch"`
	Messages int                 `json:"count"`
}

// Parcel is a message on its way, and its acknowledgement when it has arrived.
type Parcel struct {
	*nats.Msg
	Ack *jetstream.PubAck
}

// Send stores messages in one stream, all or none, in order, and acknowledges each. Their
// subjects may differ. It tries once: after an error other than the server's or
// [ErrNotCommitted] they may be stored.
func Send(ctx context.Context, nc *nats.Conn, stream string, batch []*Parcel) error {
	id := strconv.FormatUint(rand.Uint64(), 36)
	reply, err := send(ctx, nc, stream, id, batch)
	if err != nil {
		return err
	}
	var a answer
	switch err := json.Unmarshal(reply.Data, &a); {
	case err != nil:
		return fmt.Errorf("read the answer to a batch: %w", err)
	case a.Error != nil:
		return a.Error
	case a.Stream != stream || a.Batch != id || a.Messages != len(batch) || a.Sequence < uint64(len(batch)):
		return fmt.Errorf("acknowledged as %d messages up to %d in stream %q", a.Messages, a.Sequence, a.Stream)
	}
	for i, p := range batch {
		p.Ack = &jetstream.PubAck{Stream: stream, Sequence: a.Sequence - uint64(len(batch)-1-i)}
	}
	return nil
}

// send returns the server's answer to the last message.
func send(ctx context.Context, nc *nats.Conn, stream, id string, batch []*Parcel) (*nats.Msg, error) {
	for i, p := range batch {
		part := Without(p.Msg)
		part.Header[jetstream.ExpectedStreamHeader] = []string{stream}
		part.Header[headerID] = []string{id}
		part.Header[headerSequence] = []string{strconv.Itoa(i + 1)}
		if i == len(batch)-1 {
			part.Header[headerCommit] = []string{"1"}
			return nc.RequestMsgWithContext(ctx, part)
		}
		if err := nc.PublishMsg(part); err != nil {
			return nil, fmt.Errorf("%w: %w", ErrNotCommitted, err)
		}
	}
	return nil, fmt.Errorf("%w: it has no messages", ErrNotCommitted)
}

// Without is a copy of a message, body excepted, that belongs to no batch: what was stored in
// one carries its headers.
func Without(m *nats.Msg) *nats.Msg {
	plain := *m
	plain.Header = make(nats.Header, len(m.Header)+4)
	maps.Copy(plain.Header, m.Header)
	for _, name := range []string{headerID, headerSequence, headerCommit} {
		delete(plain.Header, name)
	}
	return &plain
}

// Batch is the id of the batch in which a message was stored; "": in none.
func Batch(header map[string][]string) string { return nats.Header(header).Get(headerID) }
