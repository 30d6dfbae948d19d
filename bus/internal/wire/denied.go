package wire

import (
	"context"
	"errors"
	"time"

	"github.com/nats-io/nats.go"

	"aiccbridge/bus/internal/denied"
)

// Explain adds to the error of a request, begun at start, that the server refused
// a subject meanwhile, and puts one that was not sent into plain words. part, if not "",
// must be in the subject.
func (c *Conn) Explain(start time.Time, part string, err error) error {
	if errors.Is(err, nats.ErrReconnectBufExceeded) {
		return &notSent{err}
	}
	return c.denials.Explain(start, part, err)
}

// notSent says in plain words what the client library calls a buffer that is exceeded:
// there is none, so that nothing waits in one while nats is away.
type notSent struct{ error }

func (*notSent) Error() string { return "nats is away; nothing was sent" }

func (e *notSent) Unwrap() error { return e.error }

// UntilDenied returns a context that ends when the server refuses a request on a subject that
// has part in it. Call stop at the end.
func (c *Conn) UntilDenied(ctx context.Context, part string) (until context.Context, stop context.CancelFunc) {
	return c.denials.Until(ctx, part)
}

// Denied reports a failure that is a [*denied.Error].
func Denied(err error) bool {
	var refused *denied.Error
	return errors.As(err, &refused)
}
