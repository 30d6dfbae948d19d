package wire

import (
	"context"
	"encoding/json"
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

// look is the question for one message of a stream: the one at a sequence, the first
// from there on that matches a filter, or the last that does.
type look struct {
	Sequence uint64 `json:"seq,omitempty"`
	Next     string `json:"next_by_subj,omitempty"`
	Last     string `json:"last_by_subj,omitempty"`
}

// looked is the answer.
type looked struct {
	Error   *jetstream.APIError `json:"error"`
	Message struct {
		Subject  string    `json:"subject"`
		Sequence uint64    `json:"seq"`
		Header   []byte    `json:"hdrs"`
		Data     []byte    `json:"data"`
		Time     time.Time `json:"time"`
	} `json:"message"`
}

// err is the answer's, nil when there is no such message.
func (l *looked) err() error {
	if l.Error == nil || l.Error.ErrorCode == jetstream.JSErrCodeMessageNotFound {
		return nil
	}
	return l.Error
}

// look asks a stream's leader, once. The client library asks any replica where a
// stream allows it, and one that lags does not know yet what decides: that our own
// write is there, or somebody else's.
func (c *Conn) look(ctx context.Context, stream string, what look) (m schemas.Stored, found bool, err error) {
	ctx, cancel := c.Try(ctx)
	defer cancel()
	question, err := json.Marshal(what)
	if err != nil {
		return m, false, err
	}
	msg, err := c.nc.RequestWithContext(ctx, jetstream.DefaultAPIPrefix+"STREAM.MSG.GET."+stream, question)
	if err != nil {
		c.served(reads, err)
		return m, false, err
	}
	var answer looked
	if err := json.Unmarshal(msg.Data, &answer); err != nil {
		return m, false, fmt.Errorf("read the look-up's answer: %w", err)
	}
	c.served(reads, answer.err())
	if answer.Error != nil {
		return m, false, answer.err()
	}
	there := answer.Message
	m = schemas.Stored{Subject: there.Subject, Sequence: there.Sequence, StoredAt: there.Time, Body: there.Data}
	if len(there.Header) > 0 {
		header, err := nats.DecodeHeadersMsg(there.Header)
		if err != nil {
			return m, false, fmt.Errorf("read the headers of %s/%d: %w", stream, there.Sequence, err)
		}
		m.Header = header
	}
	return m, true, nil
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

// LastIn returns the last message of a stream that matches the filter, as its leader
// has it. It tries once.
func (c *Conn) LastIn(ctx context.Context, stream, filter string) (schemas.Stored, bool, error) {
	return c.look(ctx, stream, look{Last: filter})
}

// At returns the message of a stream at a sequence, as its leader has it. With a
// filter, it is the first one from there on that matches. It tries once.
func (c *Conn) At(ctx context.Context, stream string, seq uint64, filter ...string) (schemas.Stored, bool, error) {
	what := look{Sequence: seq}
	for _, f := range filter {
		what.Next = f
	}
	return c.look(ctx, stream, what)
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

// Count is how many messages a stream has of a subject.
func (c *Conn) Count(ctx context.Context, stream, subject string) (int, error) {
	s, err := c.Stream(ctx, stream)
	if err != nil {
		return 0, err
	}
	ctx, cancel := c.Try(ctx)
	defer cancel()
	info, err := s.Info(ctx, jetstream.WithSubjectFilter(subject))
	if err != nil {
		return 0, err
	}
	return int(info.State.Subjects[subject]), nil
}
