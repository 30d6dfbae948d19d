package planner

import (
	"context"
	"errors"
	"time"

	"aiccbridge/exporter/ledger"
	"aiccbridge/internal/ccfs"
	"aiccbridge/schemas"
)

// overtakeAfter is for how many looks over the ledger a tenant that waits before this one is
// let go first. It may be gone: then nothing else would end its turn.
const overtakeAfter = 3

// turn reports whether this planner may ask now. Several live on the budget of one access
// key, here and on other bridges: whoever finds it used up gets in line, so that a long
// backfill of one does not keep the others from theirs.
// Of the tenant's own extracts so many are outstanding, of either lane: a live window does not
// wait for extracts of backfills to end, a backfill's waits for all, and never in line.
func (p *Planner) turn(ctx context.Context, b ledger.Budget, e schemas.WindowEntry, live, backfills int, now time.Time) (bool, error) {
	if p.o.Budget != "" {
		others, theirs := p.o.Ledger.Outstanding(p.o.Budget, p.o.Tenant, now)
		live, backfills = live+others, backfills+theirs
	}
	outstanding := live
	if e.Backfilling() {
		if outstanding += backfills; backfills >= p.room() {
			return false, nil
		}
	}
	if p.o.Budget == "" {
		return outstanding < p.o.MaxOutstanding, nil
	}
	switch {
	case outstanding >= p.o.MaxOutstanding || b.Quiet(now):
		p.open = time.Time{}
	case p.open.IsZero():
		p.open = now
	}
	first := now.Sub(p.open) >= time.Duration(b.Ahead(p.o.Tenant)*overtakeAfter)*p.o.Tick
	switch {
	case !p.open.IsZero() && first:
		return true, nil
	case e.Backfilling():
		return false, nil
	}
	return false, p.o.Ledger.Queue(ctx, b, p.o.Tenant)
}

// take takes the turn for a window whose attempt is written down, or puts the window back.
func (p *Planner) take(ctx context.Context, e schemas.WindowEntry, b ledger.Budget, now time.Time) (bool, error) {
	if p.o.Budget == "" {
		return true, nil
	}
	p.open = time.Time{}
	ok, err := p.o.Ledger.Take(ctx, b, p.o.Tenant, now.Add(p.o.Spacing))
	if !ok {
		err = errors.Join(err, p.o.Ledger.PutBack(ctx, e, now, errors.New("another tenant of the access key was faster")))
	}
	return ok, err
}

// holdOthersOff lets no tenant of the access key ask before a refusal of the key, or of so
// many requests, is over. Other failures may be this bridge's own.
func (p *Planner) holdOthersOff(ctx context.Context, err error, until time.Time) error {
	switch failure(err).Class {
	case ccfs.FlowControl, ccfs.Auth, ccfs.Locked:
		if p.o.Budget != "" {
			return p.o.Ledger.HoldOff(ctx, p.o.Budget, until)
		}
	}
	return nil
}
