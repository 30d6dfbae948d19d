package planner

import (
	"time"

	"aiccbridge/schemas"
)

// begin makes the planner know nothing but the ledger: somebody else may have planned since.
// The tenant's last request, whoever sent it, counts for the time between two.
func (p *Planner) begin(now time.Time) {
	p.started, p.open = now, time.Time{}
	clear(p.next)
	clear(p.stated)
	p.seen = 0
	p.orphans, p.nextOrphans, p.nextRecheck = nil, time.Time{}, time.Time{}
	p.o.Ledger.Each(p.o.Tenant, func(e schemas.WindowEntry) {
		if e.RequestedAt.After(now) {
			return
		}
		if next := e.RequestedAt.Add(p.o.Spacing); next.After(p.quiet) {
			p.quiet = next
		}
		if next := e.RequestedAt.Add(p.between()); e.Backfill != "" && next.After(p.lane) {
			p.lane = next
		}
	})
}
