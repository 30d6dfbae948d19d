package partition

import (
	"context"
	"errors"
	"time"

	"golang.org/x/sync/errgroup"

	"aiccbridge/internal/grace"
	"aiccbridge/poller"
	"aiccbridge/poller/record"
	"aiccbridge/poller/session"
)

// partition is one share of the agents, under one lease.
type partition struct {
	pool    poller.Options // each ownership has its own epoch
	way     func(o poller.Options) Way
	above   uint64 // what an ownership was outgrown by
	roster  *roster
	acquire func(ctx context.Context, floor uint64) (epoch uint64, l Lease, err error)
	lost    error
	floor   func(agents []session.Agent) uint64 // what the epoch of an owner of these must be above
	flush   func(ctx context.Context)
	grace   time.Duration
	state   *state
}

// errOutgrown ends an ownership for another one with a higher epoch.
var errOutgrown = errors.New("an agent who has come was polled under a higher epoch")

// run polls whenever the lease is held, until intake ends; work ends what is in hand.
func (p *partition) run(intake, work context.Context) error {
	for intake.Err() == nil {
		err := p.own(intake, work)
		outgrown := (*record.Outgrown)(nil)
		switch {
		case errors.As(err, &outgrown):
			p.above = max(p.above, outgrown.Epoch)
			p.pool.Logger.Info().Str("tenant", p.pool.Tenant).Msg("agents are had under a higher epoch: one of whom the platform tells had it before")
		case errors.Is(err, errOutgrown):
			p.pool.Logger.Info().Str("tenant", p.pool.Tenant).Msg("agents are polled under a higher epoch: one who has come had it before")
		case errors.Is(err, p.lost):
			p.pool.Logger.Warn().Err(err).Str("tenant", p.pool.Tenant).Msg("polling stops until the lease is back")
		case err != nil:
			return err
		}
	}
	return nil
}

// own polls until intake ends or the lease is lost; what is in hand then has the grace
// period to be stored.
func (p *partition) own(intake, work context.Context) (err error) {
	p.state.waits()
	defer p.state.rests()
	first := p.roster.now().agents
	epoch, lease, err := p.acquire(intake, max(p.above, p.floor(first)))
	if intake.Err() != nil && err != nil {
		return nil // stopped while another bridge had it
	}
	if err != nil {
		return err
	}
	p.state.holds()
	defer func() {
		kept := context.WithoutCancel(work)
		if p.flush != nil && !errors.Is(err, p.lost) {
			p.flush(kept)
		}
		err = errors.Join(err, lease.Release(kept))
	}()
	o := p.pool
	o.Epoch = epoch
	var way Way
	if p.way != nil {
		way = p.way(o)
		o.Loop = way.Loop
	}
	pool, err := poller.New(o)
	if err != nil {
		return err
	}
	group, held := errgroup.WithContext(intake)
	owned, endOwned := grace.After(held, work, p.grace)
	defer endOwned()
	renewing, stopRenewing := context.WithCancel(work)
	defer stopRenewing()
	group.Go(func() error { return lease.Run(renewing) })
	group.Go(func() error {
		<-held.Done() // the pool goes on until then
		p.state.leaves()
		return nil
	})
	told := make(chan []session.Agent)
	group.Go(func() error {
		defer stopRenewing()
		if way == nil {
			return pool.Run(held, owned, told)
		}
		both, held := errgroup.WithContext(held)
		both.Go(func() error { return pool.Run(held, owned, told) })
		both.Go(func() error { return way.Run(held, owned) })
		return both.Wait()
	})
	group.Go(func() error { return p.tell(held, pool, epoch, first, told) })
	return group.Wait()
}

// tell tells the pool whom to poll, first and at each change, until the lease is not held any
// more. The epoch is above those of the first agents. Whoever has come since may have been polled
// under a higher one: all that is numbered by ours would be taken for older. That is [errOutgrown].
func (p *partition) tell(held context.Context, pool *poller.Pool, epoch uint64, first []session.Agent, told chan<- []session.Agent) error {
	known := map[string]bool{}
	meet(first, known)
	for {
		now := p.roster.now()
		if more := newcomers(now.agents, known); len(more) > 0 && knownOf(held, p.pool, more).highest(held, p.pool, more) >= epoch {
			return errOutgrown
		}
		meet(now.agents, known)
		pool.SpreadStarts(now.spread)
		select {
		case told <- now.agents:
			p.roster.tell(now)
		case <-held.Done():
			return nil
		}
		select {
		case <-now.next:
		case <-held.Done():
			return nil
		}
	}
}
