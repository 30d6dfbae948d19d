package bus

import (
	"context"
	"fmt"

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
