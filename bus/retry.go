package bus

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/cenkalti/backoff/v4"
	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
	"github.com/rs/zerolog"

	"aiccbridge/schemas"
)

// Error codes that the client library has no names for.
const (
	codeSubjectsOverlap = 10065 // another stream has the subjects
	codeNoReplicas      = 10074 // replicas on a server that is in no cluster
	codeHeaderTooLarge  = 10097
)

// newBackOff never gives up. One instance per goroutine.
func newBackOff() backoff.BackOff {
	return backoff.NewExponentialBackOff(
		backoff.WithInitialInterval(50*time.Millisecond),
		backoff.WithMaxInterval(maxRetryWait),
		backoff.WithMaxElapsedTime(0),
	)
}

// retry repeats op until it succeeds, fails for good, or ctx ends; then the
// error holds ctx's and the last failure. Each try has its own time limit.
func (b *Bus) retry(ctx context.Context, t *trouble, op func(context.Context) error) error {
	if err := ctx.Err(); err != nil {
		return err // sending anyway could store something
	}
	var last error
	before := time.Now() // when the try before began: its refusal may come late
	err := backoff.Retry(func() error {
		try, cancel := context.WithTimeout(ctx, b.opts.requestTimeout)
		defer cancel()
		start := time.Now()
		last = b.denials.explain(before, "", op(try))
		before = start
		switch {
		case last == nil:
			t.over()
		case ctx.Err() != nil || isFinal(last):
			return backoff.Permanent(last)
		default:
			t.failed(last)
		}
		return last
	}, backoff.WithContext(newBackOff(), ctx))
	if ended := ctx.Err(); err != nil && ended != nil && last != nil && (!errors.Is(last, ended) || isDenied(last)) {
		return fmt.Errorf("%w (last failure: %w)", ended, last)
	}
	return err
}

// final marks an error that no repetition mends.
type final struct{ error }

func (f *final) Unwrap() error { return f.error }

func isFinal(err error) bool {
	var f *final
	return errors.As(err, &f) || isPermanent(err) || errors.Is(err, schemas.ErrConflict) || errors.Is(err, nats.ErrConnectionClosed)
}

func isPermanent(err error) bool {
	var p *schemas.Permanent
	return errors.As(err, &p)
}

// hasCode reports an answer of the server with one of the codes.
func hasCode(err error, codes ...jetstream.ErrorCode) bool {
	var api *jetstream.APIError
	if !errors.As(err, &api) {
		return false
	}
	for _, c := range codes {
		if api.ErrorCode == c {
			return true
		}
	}
	return false
}

// isConflict reports that the expected last sequence did not hold. The second
// code is what a replicated stream answers.
func isConflict(err error) bool {
	return hasCode(err, jetstream.JSErrCodeStreamWrongLastSequence, jetstream.JSErrCodeStreamWrongLastSequenceConstant)
}

func isTooLarge(err error) bool {
	return errors.Is(err, nats.ErrMaxPayload) || hasCode(err, jetstream.JSErrCodeStreamMessageExceedsMaximum, codeHeaderTooLarge)
}

// certainlyNotStored reports failures after which the message is nowhere: the
// server refused it, nobody heard it, or it never left. Everything else, a
// timeout or a broken connection, may have stored it.
func certainlyNotStored(err error) bool {
	var api *jetstream.APIError
	return errors.As(err, &api) || isDenied(err) || errors.Is(err, jetstream.ErrNoStreamResponse) ||
		errors.Is(err, nats.ErrNoResponders) || errors.Is(err, nats.ErrReconnectBufExceeded) ||
		errors.Is(err, nats.ErrMaxPayload) || errors.Is(err, nats.ErrConnectionClosed)
}

// troubleAfter is how long something fails before it is worth a warning: a server
// that stops refuses a request or two before the connection breaks, and one that
// starts does after it stands.
const troubleAfter = time.Second

// trouble logs changes, not repetitions: the first failure, a different one,
// and the end with the number of failures in between. Many goroutines share one.
//
// What follows from a connection that is down, which is said once, is logged at
// debug level, and so is what lasts no longer than patience.
type trouble struct {
	log      zerolog.Logger
	down     func() bool   // the connection is; nil: this is the connection's own
	patience time.Duration // counted from when the connection stands

	active atomic.Bool // spares the lock when all is well

	mu    sync.Mutex
	text  string    // of the last failure, without its numbers
	since time.Time // when it began to fail although the connection stands
	level zerolog.Level
	count int
}

// newTrouble is one beside the connection's.
func (b *Bus) newTrouble(log zerolog.Logger) *trouble {
	return &trouble{log: log, down: func() bool { return b.Connected() != nil }, patience: troubleAfter}
}

func (t *trouble) failed(err error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.count++
	t.active.Store(true)
	text, level := withoutNumbers(err.Error()), t.judge()
	if text == t.text && level <= t.level {
		return
	}
	t.text, t.level = text, max(level, t.level)
	t.log.WithLevel(level).Err(err).Msg("nats refuses or does not answer; trying again")
}

// judge says what a failure is worth now.
func (t *trouble) judge() zerolog.Level {
	switch {
	case t.down != nil && t.down():
		t.since = time.Time{}
		return zerolog.DebugLevel
	case t.since.IsZero():
		t.since = time.Now()
	}
	if time.Since(t.since) < t.patience {
		return zerolog.DebugLevel
	}
	return zerolog.WarnLevel
}

func (t *trouble) over() {
	if !t.active.Load() {
		return
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.count > 0 {
		t.log.WithLevel(min(t.level, zerolog.InfoLevel)).Int("failures", t.count).Msg("nats works again")
	}
	t.text, t.since, t.level, t.count = "", time.Time{}, zerolog.DebugLevel, 0
	t.active.Store(false)
}

// withoutNumbers makes the texts of repetitions equal: ports, sequences and
// times differ from one to the next.
func withoutNumbers(text string) string {
	return strings.Map(func(r rune) rune {
		if r >= '0' && r <= '9' {
			return -1
		}
		return r
	}, text)
}
