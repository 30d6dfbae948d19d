// Package insist is how the poller bears a failure that lasts: it tries again where
// nothing else can be done, and says so when it begins, when it changes and when it is
// over, not each time.
//
// Nothing here gives up by itself: a caller's context ends the waiting, or an error that
// no repetition mends. It knows the errors of schemas, and nothing else of ours but the
// leaf internal/trouble.
package insist

import (
	"context"
	"errors"
	"time"

	"aiccbridge/internal/trouble"
	"aiccbridge/schemas"

	"github.com/cenkalti/backoff/v4"
	"github.com/rs/zerolog"
)

// pause is what a store or bucket that gave up gets before it is asked again. They
// repeat by themselves; the pause only keeps one that does not from being asked
// without end.
const pause = time.Second

// Trouble follows one thing that may fail for long, and logs its changes. It must be
// made by [New], and not be copied.
type Trouble struct {
	log     zerolog.Logger
	episode trouble.Episode
}

// New follows something of which nothing has failed yet.
func New(log zerolog.Logger) *Trouble { return &Trouble{log: log} }

// On counts a failure and warns if it is the first, or has another cause than the one
// before. cause is a code or a constant text; err may be nil.
func (t *Trouble) On(cause string, err error, message string) {
	if attempt, changed := t.episode.Failed(cause, zerolog.WarnLevel); changed {
		t.log.Warn().Str("cause", cause).Int("attempt", attempt).Err(err).Msg(message)
	}
}

// Over says that it works again, if it did not.
func (t *Trouble) Over(message string) {
	if failures, _ := t.episode.Over(); failures > 0 {
		t.log.Info().Int("failures", failures).Msg(message)
	}
}

// Insist repeats f until it succeeds, ctx ends, or trying again is no use: the error is
// a *schemas.Permanent, or the inside of a *backoff.PermanentError. That error is
// returned, or the context's. what is the cause in the log.
func (t *Trouble) Insist(ctx context.Context, what string, f func(context.Context) error) error {
	err := backoff.RetryNotify(func() error {
		err := f(ctx)
		var permanent *schemas.Permanent
		switch {
		case err != nil && ctx.Err() != nil:
			return backoff.Permanent(ctx.Err())
		case errors.As(err, &permanent):
			return backoff.Permanent(err)
		}
		return err
	}, backoff.WithContext(backoff.NewConstantBackOff(pause), ctx), func(err error, _ time.Duration) {
		t.On(what, err, "not stored; no poll until it is")
	})
	if err == nil {
		t.Over("storing works again")
	}
	return err
}

// Forgive keeps an error that no repetition mends from stopping the agent: it is
// logged, and polling goes on. Only the end of ctx is returned.
func Forgive(ctx context.Context, log zerolog.Logger, err error, what string) error {
	if err == nil || ctx.Err() != nil {
		return ctx.Err()
	}
	log.Error().Err(err).Msg(what)
	return nil
}
