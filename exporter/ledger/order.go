package ledger

import (
	"context"
	"time"

	"aiccbridge/schemas"
)

// Order has a window asked for by a backfill, in its lane: e's, which is added when the ledger
// does not have it; one that has failed for good, with all its attempts before it; a complete
// one once more. It reports whether that was done: what comes by itself is left alone, as is a
// newer bridge's window.
func (l *Ledger) Order(ctx context.Context, e schemas.WindowEntry, order string, now time.Time) (done bool, err error) {
	planned := item{WindowEntry: schemas.WindowEntry{
		Tenant: e.Tenant, Kind: e.Kind, Window: e.Window, Unplanned: e.Unplanned,
		State: schemas.WindowPlanned, DueAt: now, Backfill: order,
	}}
	if done, err = l.swap(ctx, e.Key(), planned); err != nil || done {
		return done, err
	}
	err = l.change(ctx, e.Key(), func(e *schemas.WindowEntry) bool {
		done = !e.Coming()
		if e.State == schemas.WindowFailed {
			e.Attempts = 0
		}
		e.DueAt, e.Backfill = now, order
		return done
	})
	return done, err
}

// Withdraw takes a window out of an order: it is not asked for by that any more. A complete one
// is complete as before, one that nobody has asked for is taken out of the ledger, and one that
// failed, before the order or since, has failed for good. It reports whether that was done: an
// extract that is under way is finished, for nobody's order if the window is the planner's own,
// and another order's window is not touched.
func (l *Ledger) Withdraw(ctx context.Context, key, order string) (done bool, err error) {
	for {
		e, err := l.get(ctx, key)
		if err != nil {
			return false, err
		}
		if e.revision == 0 || e.newer() || e.Backfill != order || !e.Backfilling() {
			return false, nil
		}
		waits := e.State != schemas.WindowRequested && e.State != schemas.WindowReady
		switch {
		case !waits && e.Unplanned: // it is asked for by the order only
			return false, nil
		case fresh(e.WindowEntry):
			if done, err = l.o.Bucket.DeleteAt(ctx, key, e.revision); done {
				l.mu.Lock()
				l.forget(key, e.revision)
				l.mu.Unlock()
			}
		default:
			withdrawn(&e.WindowEntry)
			done, err = l.swap(ctx, key, e)
		}
		if done || err != nil {
			return done && waits, err
		}
	}
}

// fresh reports a window that has never been asked for.
func fresh(e schemas.WindowEntry) bool {
	return e.State == schemas.WindowPlanned && e.Attempts == 0 && e.Reason == "" && e.CompletedAt.IsZero() && e.ResponseID == "" && len(e.Past) == 0
}

// withdrawn is what a window is without its order.
func withdrawn(e *schemas.WindowEntry) {
	e.Backfill = ""
	switch {
	case e.State == schemas.WindowRequested || e.State == schemas.WindowReady:
	case e.CompletedAt.IsZero():
		e.State, e.DueAt = schemas.WindowFailed, time.Time{}
	default:
		e.State, e.DueAt = schemas.WindowCompleted, time.Time{}
		e.Attempts, e.Reason, e.Error, e.Object = 0, "", "", ""
	}
}
