package planner

import (
	"context"
	"time"

	"github.com/rs/zerolog"

	"aiccbridge/internal/retry"
	"aiccbridge/internal/trouble"
	"aiccbridge/schemas"
)

// Lease is the right to plan for a tenant.
type Lease interface {
	// Run renews it until ctx ends, and returns an error when it is lost.
	Run(ctx context.Context) error
	// Release gives it back.
	Release(ctx context.Context) error
}

// acquireAgain is how long after a failure the lease is tried for again.
const acquireAgain = 5 * time.Second

// Waiting is since when the lease is wanted and not held; zero: it is held, or not wanted.
func (p *Planner) Waiting() time.Time {
	if since := p.waiting.Load(); since != nil {
		return *since
	}
	return time.Time{}
}

// own waits for the lease, and plans for as long as it is held. A request that is under way
// when it is lost is finished; the next one is another bridge's.
func (p *Planner) own(intake, work context.Context) {
	since := time.Now()
	p.waiting.CompareAndSwap(nil, &since) // kept over failures
	lease, err := p.o.Acquire(intake)
	if err != nil {
		p.leaseless(intake, err, "extracts are not planned: no lease")
		return
	}
	p.waiting.Store(nil)
	held, lost := context.WithCancel(intake)
	renewing, stop := context.WithCancel(work)
	ended := make(chan error, 1)
	go func() {
		defer lost()
		ended <- lease.Run(renewing)
	}()
	p.plan(held, work)
	if intake.Err() != nil {
		p.conclude(work)
	}
	stop()
	err = <-ended
	if err != nil {
		p.o.Logger.Warn().Err(err).Msg("planning stops until the lease is back")
	}
	if err := lease.Release(context.WithoutCancel(work)); err != nil {
		p.leaseless(intake, err, "the lease of the planning is not given back; it expires")
		return
	}
	p.unheld.Over()
}

// leaseless says what is wrong with the lease, once, and waits.
func (p *Planner) leaseless(intake context.Context, err error, what string) {
	if intake.Err() != nil {
		return
	}
	if _, changed := p.unheld.Failed(trouble.Gist(err.Error()), zerolog.WarnLevel); changed {
		p.o.Logger.Warn().Err(err).Msg(what)
	}
	_ = retry.Wait(intake, acquireAgain) // the caller sees the end
}

// begin makes the planner know nothing but the ledger: somebody else may have planned since.
// The tenant's last request, whoever sent it, counts for the time between two.
func (p *Planner) begin(now time.Time) {
	p.started, p.open = now, time.Time{}
	clear(p.next)
	clear(p.stated)
	p.seen = 0
	p.orphans, p.nextOrphans, p.nextRecheck = nil, time.Time{}, time.Time{}
	p.o.Ledger.Each(p.o.Tenant, func(e schemas.WindowEntry) {
		if next := e.RequestedAt.Add(p.o.Spacing); next.After(p.quiet) && !e.RequestedAt.After(now) {
			p.quiet = next
		}
	})
}
