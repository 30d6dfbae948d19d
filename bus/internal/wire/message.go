package wire

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"aiccbridge/schemas"
)

// Message is a message of the contract as NATS has it.
func Message(m schemas.Message) *nats.Msg {
	return &nats.Msg{Subject: m.Subject, Header: m.Headers(), Data: m.Body}
}

// Stored is a message that a consumer got.
func Stored(m jetstream.Msg, meta *jetstream.MsgMetadata) schemas.Stored {
	return schemas.Stored{
		Subject: m.Subject(), Sequence: meta.Sequence.Stream, StoredAt: meta.Timestamp,
		Header: m.Headers(), Body: m.Data(),
	}
}

// looked turns the answer to a look-up into what was found.
func looked(m *jetstream.RawStreamMsg, err error) (schemas.Stored, bool, error) {
	if errors.Is(err, jetstream.ErrMsgNotFound) {
		return schemas.Stored{}, false, nil
	}
	if err != nil {
		return schemas.Stored{}, false, err
	}
	return schemas.Stored{Subject: m.Subject, Sequence: m.Sequence, StoredAt: m.Time, Header: m.Header, Body: m.Data}, true, nil
}

// Last returns the last message of a subject. The filter may hold wildcards,
// except on rows; it must lie within one stream of the contract. It tries once.
func (c *Conn) Last(ctx context.Context, filter string) (schemas.Stored, bool, error) {
	s, ok := c.Names().StreamOf(filter)
	if !ok {
		return schemas.Stored{}, false, fmt.Errorf("last message of %s: it is within no stream of the bridge", filter)
	}
	if s == schemas.StreamRows && strings.ContainsAny(filter, "*>") {
		return schemas.Stored{}, false, fmt.Errorf("last message of %s: no wildcards on rows", filter)
	}
	ctx, cancel := c.Try(ctx)
	defer cancel()
	start, stream := time.Now(), c.Names().Stream(s)
	last, found, err := c.LastIn(ctx, stream, filter)
	if err != nil {
		return schemas.Stored{}, false, fmt.Errorf("last message of %s: %w", filter, c.Explain(start, stream, err))
	}
	return last, found, nil
}

// LastIn returns the last message of a stream that matches the filter. It tries
// once, for as long as ctx lasts.
func (c *Conn) LastIn(ctx context.Context, stream, filter string) (schemas.Stored, bool, error) {
	s, err := c.Stream(ctx, stream)
	if err != nil {
		return schemas.Stored{}, false, err
	}
	return looked(s.GetLastMsgForSubject(ctx, filter))
}

// At returns the message of a stream at a sequence. With a filter, it is the first
// one from there on that matches. It tries once, for as long as ctx lasts.
func (c *Conn) At(ctx context.Context, stream string, seq uint64, filter ...string) (schemas.Stored, bool, error) {
	s, err := c.Stream(ctx, stream)
	if err != nil {
		return schemas.Stored{}, false, err
	}
	var opts []jetstream.GetMsgOpt
	for _, f := range filter {
		opts = append(opts, jetstream.WithGetMsgSubject(f))
	}
	return looked(s.GetMsg(ctx, seq, opts...))
}

// StreamInfo asks for a stream's state.
func (c *Conn) StreamInfo(ctx context.Context, stream string) (*jetstream.StreamInfo, error) {
	s, err := c.Stream(ctx, stream)
	if err != nil {
		return nil, err
	}
	return s.Info(ctx)
}

// End is the last sequence of a stream now.
func (c *Conn) End(ctx context.Context, stream string) (uint64, error) {
	info, err := c.StreamInfo(ctx, stream)
	if err != nil {
		return 0, err
	}
	return info.State.LastSeq, nil
}
