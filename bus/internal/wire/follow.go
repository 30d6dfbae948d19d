package wire

import (
	"cmp"
	"context"
	"errors"
	"math"
	"time"

	"github.com/cenkalti/backoff/v4"
	"github.com/nats-io/nats.go/jetstream"

	"aiccbridge/schemas"
)

// Follower reads a stream without end, each message once and in order, however often
// the connection breaks. A stream that is deleted and made anew, or has lost its end,
// is read from its first message. One goroutine at a time may use it.
type Follower struct {
	conn           *Conn
	stream, filter string
	each           func(m schemas.Stored, made time.Time) error
	idle           func(made time.Time)
	backOff        backoff.BackOff

	newest bool      // the last message of each subject comes first
	from   uint64    // the sequence to go on from
	made   time.Time // when the stream was; another time is another stream
}

// FollowNewest reads the last message of each subject that matches filter, then all
// that come. made is when the stream was; idle is called whenever nothing is left to
// read.
func (c *Conn) FollowNewest(stream, filter string, each func(m schemas.Stored, made time.Time) error, idle func(made time.Time)) *Follower {
	return &Follower{conn: c, stream: stream, filter: filter, each: each, idle: idle, backOff: NewBackOff(), newest: true}
}

// FollowFromNow reads what is stored in a stream after the call and matches filter
// ("": all). An error says that the stream can't be found.
func (c *Conn) FollowFromNow(ctx context.Context, stream, filter string, each func(schemas.Stored) error) (*Follower, error) {
	f := &Follower{
		conn: c, stream: stream, filter: filter, backOff: NewBackOff(),
		each: func(m schemas.Stored, _ time.Time) error { return each(m) },
		idle: func(time.Time) {},
	}
	start := time.Now()
	if _, err := f.identify(ctx); err != nil {
		return nil, c.Explain(start, stream, err)
	}
	return f, nil
}

// Run reads until ctx ends; then it returns nil. An error of each ends it at once
// and is returned.
func (f *Follower) Run(ctx context.Context) error {
	t := f.conn.Trouble("asset", f.stream)
	var ended error                  // by each
	_ = backoff.Retry(func() error { // else ctx has ended
		start := time.Now()
		err := f.session(ctx, t)
		var caller callerError
		switch {
		case errors.As(err, &caller):
			ended = caller.error
			return nil
		case ctx.Err() != nil:
			return nil
		case !errors.Is(err, errReplaced):
			t.Failed(f.conn.Explain(start, f.stream, err))
		}
		return err
	}, backoff.WithContext(f.backOff, ctx))
	return ended
}

// callerError marks an error of the caller's function among those of NATS.
type callerError struct{ error }

// session reads until something fails; f.from moves along.
func (f *Follower) session(ctx context.Context, t *Trouble) error {
	if f.made.IsZero() {
		if _, err := f.identify(ctx); err != nil {
			return err
		}
	}
	r, err := f.conn.newReader(ctx, f.stream, f.config())
	if err != nil {
		return err
	}
	defer r.forget(ctx)
	// After the reader was made: it may be on another stream already.
	if anew, err := f.identify(ctx); err != nil {
		return err
	} else if anew {
		return errReplaced
	}
	if err := r.start(); err != nil {
		return err
	}
	defer r.iter.Stop()
	return f.listen(ctx, r, t)
}

func (f *Follower) listen(ctx context.Context, r *reader, t *Trouble) error {
	caughtUp := false // once, in this session
	return r.pump(func() (schemas.Stored, uint64, error) {
		return f.next(ctx, r, caughtUp)
	}, func() (end bool, err error) {
		caughtUp, err = f.atEnd(ctx, r, t, caughtUp)
		return false, err
	}, func(m schemas.Stored) (end bool, err error) {
		if err := f.each(m, f.made); err != nil {
			return true, callerError{err}
		}
		f.from = m.Sequence + 1
		return false, nil
	})
}

// next waits for a message; for long, if the follower has caught up. Otherwise it may
// return errSilence.
func (f *Follower) next(ctx context.Context, r *reader, caughtUp bool) (m schemas.Stored, pending uint64, err error) {
	for {
		m, pending, err = r.next(ctx)
		silent := errors.Is(err, errSilence)
		switch {
		case err != nil && !silent:
			return m, pending, err
		case r.replaced():
			return m, pending, errReplaced
		case !silent || !caughtUp:
			return m, pending, err
		case r.longSilent():
			if forgotten, err := r.forgotten(ctx); forgotten || err != nil {
				return m, pending, cmp.Or(err, errReplaced)
			}
		}
	}
}

// atEnd is called when nothing is pending. Until that has been so once, and the
// stream's leader has nothing more either, it proves nothing: what is still on its way
// is pending nowhere, and the reader's server may not have all yet.
func (f *Follower) atEnd(ctx context.Context, r *reader, t *Trouble, before bool) (bool, error) {
	if !before {
		over, err := r.over(ctx, math.MaxUint64)
		if err != nil || !over {
			return false, err
		}
	}
	f.caughtUp(t)
	return true, nil
}

// caughtUp: nothing is left to read.
func (f *Follower) caughtUp(t *Trouble) {
	t.Over()
	f.backOff.Reset()
	f.newest = false
	f.idle(f.made)
}

// identify notes which stream is read, at first to go on from its end. It makes the
// read start over when the stream is another one than before, or ends before the
// place to go on from.
func (f *Follower) identify(ctx context.Context) (anew bool, err error) {
	ctx, cancel := f.conn.Try(ctx)
	defer cancel()
	stream, err := f.conn.js.Stream(ctx, f.stream)
	if err != nil {
		return false, err
	}
	info := stream.CachedInfo()
	switch end := info.State.LastSeq + 1; {
	case f.made.IsZero():
		f.from = end
	case !info.Created.Equal(f.made) || f.from > end:
		f.conn.opts.Logger.Warn().Str("stream", f.stream).Msg("stream was made anew; reading it from the start")
		f.from, anew = 0, true
	}
	f.made = info.Created
	return anew, nil
}

func (f *Follower) config() jetstream.OrderedConsumerConfig {
	c := readerConfig(f.filter)
	switch {
	case f.newest:
		c.DeliverPolicy = jetstream.DeliverLastPerSubjectPolicy
	case f.from > 0:
		c.DeliverPolicy, c.OptStartSeq = jetstream.DeliverByStartSequencePolicy, f.from
	}
	return c
}
