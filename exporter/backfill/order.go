package backfill

import (
	"context"
	"time"

	"aiccbridge/exporter/ledger"
	"aiccbridge/schemas"
)

// Run orders what a plan says is missing, and returns how many windows it ordered; fewer when
// some came by themselves meanwhile. What was ordered before an error stays ordered; a further
// plan has the rest. Each window is given so long to be written.
func Run(ctx context.Context, l *ledger.Ledger, p Plan, order string, now time.Time, each time.Duration) (ordered int, err error) {
	for _, m := range p.Missing {
		e := schemas.WindowEntry{Tenant: p.Tenant, Kind: p.Kind, Window: m.Window, Unplanned: m.unplanned}
		patient, end := context.WithTimeout(ctx, each)
		done, err := l.Order(patient, e, order, now)
		end()
		if err != nil {
			return ordered, err
		}
		if done {
			ordered++
		}
	}
	return ordered, nil
}

// Cancel withdraws the windows of an order that wait for their turn, and returns how many. Each is
// given so long to be written.
func Cancel(ctx context.Context, l *ledger.Ledger, tenant, order string, each time.Duration) (withdrawn int, err error) {
	var waiting []schemas.WindowEntry
	l.Each(tenant, func(e schemas.WindowEntry) {
		if e.Backfill == order {
			waiting = append(waiting, e)
		}
	})
	for _, e := range waiting {
		patient, end := context.WithTimeout(ctx, each)
		done, err := l.Withdraw(patient, e.Key(), order)
		end()
		if err != nil {
			return withdrawn, err
		}
		if done {
			withdrawn++
		}
	}
	return withdrawn, nil
}
