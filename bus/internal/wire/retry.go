package wire

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/cenkalti/backoff/v4"
	"github.com/nats-io/nats.go/jetstream"

	"aiccbridge/internal/retry"
)

// The pauses between two tries of anything sent to the server: of the first two, and
// the longest.
const (
	firstRetryWait = 50 * time.Millisecond
	maxRetryWait   = 5 * time.Second
)

// NewBackOff never gives up. One instance per goroutine.
func NewBackOff() backoff.BackOff { return retry.NewBackOff(firstRetryWait, maxRetryWait) }

// Retry repeats op until it succeeds, fails for good (see [Final]), or ctx ends; then
// the error holds ctx's and the last failure. Each try has its own time limit.
func (c *Conn) Retry(ctx context.Context, t *Trouble, op func(context.Context) error) error {
	if err := ctx.Err(); err != nil {
		return err // sending anyway could store something
	}
	var last error
	before := time.Now() // when the try before began: its refusal may come late
	err := backoff.Retry(func() error {
		try, cancel := c.Try(ctx)
		defer cancel()
		start := time.Now()
		last = c.Explain(before, "", op(try))
		before = start
		switch {
		case last == nil:
			t.Over()
		case ctx.Err() != nil || isFinal(last):
			return backoff.Permanent(last)
		default:
			t.Failed(last)
		}
		return last
	}, backoff.WithContext(NewBackOff(), ctx))
	if ended := ctx.Err(); err != nil && ended != nil && last != nil && (!errors.Is(last, ended) || Denied(last)) {
		return fmt.Errorf("%w (last failure: %w)", ended, last)
	}
	return err
}

// Ask repeats one request about a stream or consumer until the server has answered
// it. A refusal, and answers with one of these codes, are final.
func (c *Conn) Ask(ctx context.Context, asset string, request func(context.Context) error, codes ...jetstream.ErrorCode) error {
	codes = append(codes, codeSubjectsOverlap)
	return c.Retry(ctx, c.Trouble("asset", asset), func(ctx context.Context) error {
		start := time.Now()
		err := request(ctx)
		c.served(reads, err)
		err = c.Explain(start, asset, err)
		if Denied(err) || HasCode(err, codes...) {
			return Final(err)
		}
		return err
	})
}

// StreamConfig is nil when there is no such stream.
func (c *Conn) StreamConfig(ctx context.Context, name string) (config *jetstream.StreamConfig, err error) {
	err = c.Ask(ctx, name, func(ctx context.Context) error {
		s, err := c.js.Stream(ctx, name)
		if errors.Is(err, jetstream.ErrStreamNotFound) {
			return nil
		}
		if err == nil {
			config = &s.CachedInfo().Config
		}
		return err
	})
	return config, err
}

// MakeStream makes a stream that is missing. Answers with one of the codes are final.
func (c *Conn) MakeStream(ctx context.Context, config jetstream.StreamConfig, codes ...jetstream.ErrorCode) error {
	err := c.Ask(ctx, config.Name, func(ctx context.Context) error {
		_, err := c.js.CreateStream(ctx, config) // again with the same settings: no error
		return err
	}, codes...)
	if err != nil {
		return fmt.Errorf("make stream %s: %w", config.Name, err)
	}
	return nil
}

// UpdateStream changes a stream. Answers with one of the codes are final.
func (c *Conn) UpdateStream(ctx context.Context, config jetstream.StreamConfig, codes ...jetstream.ErrorCode) error {
	err := c.Ask(ctx, config.Name, func(ctx context.Context) error {
		_, err := c.js.UpdateStream(ctx, config)
		return err
	}, codes...)
	if err != nil {
		return fmt.Errorf("update stream %s: %w", config.Name, err)
	}
	return nil
}
