package ledger

import (
	"context"
	"fmt"
	"time"

	"aiccbridge/internal/members"
	"aiccbridge/schemas"
)

// clockSlack is how far ahead of the present clock a time may be that another bridge, or
// a clock that was set back a little, wrote.
const clockSlack = time.Minute

// Rectify puts right what a clock that was ahead wrote into an entry (see
// [Ledger.Amiss]). asked is how long a request waits for its callback, fresh when the
// window is due if nobody has asked for it.
//
//   - No due date is further away than the rules put it off, counted from now.
//   - A window that is not asked for any more because its week seemed to be over is asked
//     for again.
//   - One whose last extract seems to have been asked for in the future may have been asked
//     for before its end. It is planned anew, and not complete before its end.
func (l *Ledger) Rectify(ctx context.Context, e schemas.WindowEntry, now time.Time, asked time.Duration, fresh time.Time) error {
	return l.change(ctx, e.Key(), func(e *schemas.WindowEntry) bool {
		return l.rectify(e, now, asked, fresh)
	})
}

// Amiss reports whether [Ledger.Rectify] would change an entry. It may be called from
// [Ledger.Each].
func (l *Ledger) Amiss(e schemas.WindowEntry, now time.Time, asked time.Duration, fresh time.Time) bool {
	return l.rectify(&e, now, asked, fresh)
}

func (l *Ledger) rectify(e *schemas.WindowEntry, now time.Time, asked time.Duration, fresh time.Time) bool {
	idle := e.State == schemas.WindowCompleted || e.State == schemas.WindowFailed
	if idle && ahead(e.RequestedAt, now) {
		e.State, e.Attempts, e.RequestedAt, e.DueAt = schemas.WindowPlanned, 0, time.Time{}, fresh
		if e.Window.To.After(now) {
			e.CompletedAt, e.Rows, e.Extracts = time.Time{}, 0, nil
		}
		return true
	}
	latest := l.latest(*e, now, asked, fresh)
	if !ahead(e.DueAt, latest) && !(e.DueAt.IsZero() && l.dropped(*e, now)) {
		return false
	}
	e.DueAt = latest
	return true
}

// latest is until when an entry may wait, by the rules of its state.
func (l *Ledger) latest(e schemas.WindowEntry, now time.Time, asked time.Duration, fresh time.Time) time.Time {
	switch {
	case e.State == schemas.WindowPlanned && fresh.After(now):
		return fresh
	case e.State == schemas.WindowRequested:
		return now.Add(asked)
	case e.State == schemas.WindowReady:
		return now.Add(l.o.ReadyFor)
	case e.State == schemas.WindowFailed && e.Attempts < l.o.MaxAttempts:
		return now.Add(l.delay(e.Attempts))
	case e.State == schemas.WindowFailed && !e.DueAt.IsZero():
		return now.Add(slowRetry)
	}
	return now
}

// dropped reports a failed window without a time of its next extract that should have one.
func (l *Ledger) dropped(e schemas.WindowEntry, now time.Time) bool {
	return e.State == schemas.WindowFailed && e.Reason != schemas.ReasonRefused && now.Add(clockSlack).Sub(e.Window.To) < retryUntil
}

// ahead reports a time that a right clock has not written by now.
func ahead(t, now time.Time) bool { return t.After(now.Add(clockSlack)) }

// rectifyNotice writes a held notice down as received now, if a clock that was ahead has
// another time for it: it would be held until then.
func (l *Ledger) rectifyNotice(ctx context.Context, key string, n *schemas.FileNotice, now time.Time) error {
	if !ahead(n.ReceivedAt, now) {
		return nil
	}
	value, revision, err := l.o.Bucket.Get(ctx, key)
	if err != nil || revision == 0 {
		return err
	}
	further, err := members.Decode(value, n)
	n.ReceivedAt = now
	if err == nil {
		value, err = members.Encode(n, further)
	}
	if err == nil {
		_, _, err = l.o.Bucket.Swap(ctx, key, value, revision)
	}
	if err != nil {
		return fmt.Errorf("put the time of notice %s right: %w", key, err)
	}
	return nil
}
