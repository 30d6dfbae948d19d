package ledger

import (
	"context"
	"time"

	"aiccbridge/schemas"
)

// Order has a window asked for by a backfill, in its lane: e's, which is added when the ledger
// does not have it; a failed one with all its attempts before it; a complete one once more. It
// reports whether that was done: a window that is planned, or whose extract is under way, comes
// by itself and is left alone, as is a newer bridge's.
func (l *Ledger) Order(ctx context.Context, e schemas.WindowEntry, order string, now time.Time) (done bool, err error) {
	planned := item{WindowEntry: schemas.WindowEntry{
		Tenant: e.Tenant, Kind: e.Kind, Window: e.Window, Unplanned: e.Unplanned,
		State: schemas.WindowPlanned, DueAt: now, Backfill: order,
	}}
	if done, err = l.swap(ctx, e.Key(), planned); err != nil || done {
		return done, err
	}
	err = l.change(ctx, e.Key(), func(e *schemas.WindowEntry) bool {
		done = e.State == schemas.WindowFailed || e.State == schemas.WindowCompleted
		if e.State == schemas.WindowFailed {
			e.Attempts = 0
		}
		e.DueAt, e.Backfill = now, order
		return done
	})
	return done, err
}

// Withdraw ends the order of a window that waits for its turn: it is as before the order, and
// not in the ledger if it was not. It reports whether that was done: an extract that is under
// way is finished, and another order's window is not touched.
func (l *Ledger) Withdraw(ctx context.Context, key, order string) (done bool, err error) {
	for {
		e, err := l.get(ctx, key)
		if err != nil {
			return false, err
		}
		waits := e.State != schemas.WindowRequested && e.State != schemas.WindowReady && e.Backfilling()
		if e.revision == 0 || e.newer() || e.Backfill != order || !waits {
			return false, nil
		}
		if fresh(e.WindowEntry) {
			done, err = l.o.Bucket.DeleteAt(ctx, key, e.revision)
		} else {
			withdrawn(&e.WindowEntry)
			done, err = l.swap(ctx, key, e)
		}
		if done || err != nil {
			return done, err
		}
	}
}

// fresh reports a window that nobody has asked for yet.
func fresh(e schemas.WindowEntry) bool {
	return e.State == schemas.WindowPlanned && e.Attempts == 0 && e.CompletedAt.IsZero() && e.ResponseID == "" && len(e.Past) == 0
}

// withdrawn is what a window was before it was ordered. One that the platform refused to take
// since stands as planned.
func withdrawn(e *schemas.WindowEntry) {
	e.DueAt, e.Backfill = time.Time{}, ""
	switch {
	case e.State != schemas.WindowPlanned:
	case e.CompletedAt.IsZero():
		e.State = schemas.WindowFailed
	default:
		e.State, e.Attempts = schemas.WindowCompleted, 0
	}
}
