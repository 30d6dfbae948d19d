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

// Send stores messages in one stream, all or none, and returns the last one's sequence; the
// others have those before it, in order. Their subjects may differ. It tries once: after
// an error other than the server's or [ErrNotCommitted] they may be stored.
func Send(ctx context.Context, nc *nats.Conn, stream string, msgs []*nats.Msg) (last uint64, err error) {
	id := strconv.FormatUint(rand.Uint64(), 36)
	reply, err := send(ctx, nc, stream, id, msgs)
	if err != nil {
		return 0, err
	}
	var a answer
	switch err := json.Unmarshal(reply.Data, &a); {
	case err != nil:
		return 0, fmt.Errorf("read the answer to a batch: %w", err)
	case a.Error != nil:
		return 0, a.Error
	case a.Stream != stream || a.Batch != id || a.Messages != len(msgs) || a.Sequence < uint64(len(msgs)):
		return 0, fmt.Errorf("acknowledged as %d messages up to %d in stream %q", a.Messages, a.Sequence, a.Stream)
	}
	return a.Sequence, nil
}

// send returns the server's answer to the last message.
func send(ctx context.Context, nc *nats.Conn, stream, id string, msgs []*nats.Msg) (*nats.Msg, error) {
	for i, m := range msgs {
		part := Without(m)
		part.Header[jetstream.ExpectedStreamHeader] = []string{stream}
		part.Header[headerID] = []string{id}
		part.Header[headerSequence] = []string{strconv.Itoa(i + 1)}
		if i == len(msgs)-1 {
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
