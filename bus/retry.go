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

// trouble logs changes, not repetitions: the first failure, a different one,
// and the end with the number of failures in between. Many goroutines share one.
type trouble struct {
	log    zerolog.Logger
	active atomic.Bool // spares the lock when all is well

	mu    sync.Mutex
	text  string // of the last failure, without its numbers
	count int
}

func (t *trouble) failed(err error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.count++
	if text := withoutNumbers(err.Error()); text != t.text {
		t.text = text
		t.log.Warn().Err(err).Msg("nats refuses or does not answer; trying again")
	}
	t.active.Store(true)
}

func (t *trouble) over() {
	if !t.active.Load() {
		return
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.count > 0 {
		t.log.Info().Int("failures", t.count).Msg("nats works again")
	}
	t.text, t.count = "", 0
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
