package backfill

import (
	"context"
	"time"

	"aiccbridge/exporter/ledger"
	"aiccbridge/schemas"
)

// Run orders what a plan says is missing, and returns how many windows it ordered; fewer when
// some came by themselves meanwhile. What was ordered before an error stays ordered; a further
// plan has the rest.
func Run(ctx context.Context, l *ledger.Ledger, p Plan, order string, now time.Time) (ordered int, err error) {
	for _, m := range p.Missing {
		e := schemas.WindowEntry{Tenant: p.Tenant, Kind: p.Kind, Window: m.Window, Unplanned: m.unplanned}
		done, err := l.Order(ctx, e, order, now)
		if err != nil {
			return ordered, err
		}
		if done {
			ordered++
		}
	}
	return ordered, nil
}

// Cancel withdraws the windows of an order that wait for their turn, and returns how many.
func Cancel(ctx context.Context, l *ledger.Ledger, tenant, order string) (withdrawn int, err error) {
	var waiting []schemas.WindowEntry
	l.Each(tenant, func(e schemas.WindowEntry) {
		if e.Backfill == order {
			waiting = append(waiting, e)
		}
	})
	for _, e := range waiting {
		done, err := l.Withdraw(ctx, e.Key(), order)
		if err != nil {
			return withdrawn, err
		}
		if done {
			withdrawn++
		}
	}
	return withdrawn, nil
}
