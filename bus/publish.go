package bus

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/nats-io/nats.go"

	"aiccbridge/bus/internal/wire"
	"aiccbridge/schemas"
)

// Publish stores one message. It returns nil only when the message is stored:
// acknowledged by its stream, or found there. It tries again until ctx ends; a
// message that is too large or not valid is refused at once with a
// [*schemas.Permanent].
//
// It may be stored twice when an acknowledgement was lost and the next try came
// after the deduplication window. Before that try Publish looks at the subject's
// last message, which prevents it for a subject with one writer that waits for
// each acknowledgement (an agent's events), and not for others.
func (b *Bus) Publish(ctx context.Context, m schemas.Message) error {
	stream, err := b.check(m)
	if err != nil {
		return fmt.Errorf("publish: %w", err)
	}
	if err := b.out.Publish(ctx, stream, wire.Message(m)); err != nil {
		return fmt.Errorf("publish on %s: %w", m.Subject, err)
	}
	return nil
}

// check validates a message and returns the name of its stream.
func (b *Bus) check(m schemas.Message) (stream string, err error) {
	if err := m.Validate(); err != nil {
		return "", &schemas.Permanent{Reason: schemas.ReasonInvalid, Err: err}
	}
	s, ok := b.names.StreamOf(m.Subject)
	if !ok {
		return "", &schemas.Permanent{
			Reason: schemas.ReasonInvalid,
			Err:    fmt.Errorf("subject %s belongs to no stream of the bridge", m.Subject),
		}
	}
	return b.names.Stream(s), nil
}

// Echo sends stored messages once more, to whoever listens. Not for concurrent use.
type Echo struct {
	conn       *wire.Conn
	reconnects uint64 // before anything was sent
}

// Echo returns one.
func (b *Bus) Echo() *Echo {
	return &Echo{conn: b.conn, reconnects: b.conn.JetStream().Conn().Stats().Reconnects}
}

// Send sends a stored message to another subject and with further headers; no stream need have
// it. Headers that are the server's own business (Nats-…) are left out. It returns when the
// message is on its way.
func (e *Echo) Send(subject string, of schemas.Stored, further map[string]string) error {
	m := &nats.Msg{Subject: subject, Header: nats.Header{}, Data: of.Body}
	for name, values := range of.Header {
		if !strings.HasPrefix(name, "Nats-") {
			m.Header[name] = values
		}
	}
	for name, value := range further {
		m.Header.Set(name, value)
	}
	if err := e.conn.JetStream().Conn().PublishMsg(m); err != nil {
		return fmt.Errorf("send to %s: %w", subject, err)
	}
	return nil
}

// Wait waits until the server has all that was sent. Its errors say that something of it may
// be lost: the connection broke, or the user may not send there.
func (e *Echo) Wait(ctx context.Context) error {
	ctx, cancel := e.conn.Try(ctx)
	defer cancel()
	nc := e.conn.JetStream().Conn()
	switch err := nc.FlushWithContext(ctx); {
	case err != nil:
		return fmt.Errorf("wait for the server: %w", err)
	case errors.Is(nc.LastError(), nats.ErrPermissionViolation):
		return fmt.Errorf("send: %w", nc.LastError())
	case nc.Stats().Reconnects > e.reconnects:
		return errors.New("send: the connection broke, and what was under way may be lost")
	}
	return nil
}
