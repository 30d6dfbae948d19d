package partition

import (
	"context"
	"errors"
	"time"

	"golang.org/x/sync/errgroup"

	"aiccbridge/internal/grace"
	"aiccbridge/poller"
	"aiccbridge/poller/session"
)

// partition is one share of the agents, under one lease.
type partition struct {
	pool    poller.Options // each ownership has its own epoch
	agents  []session.Agent
	acquire func(ctx context.Context, floor uint64) (epoch uint64, l Lease, err error)
	lost    error
	floor   func() uint64 // what the next epoch must be above
	flush   func(ctx context.Context)
	grace   time.Duration
	state   *state
}

// run polls whenever the lease is held, until intake ends; work ends what is in hand.
func (p *partition) run(intake, work context.Context) error {
	for intake.Err() == nil {
		err := p.own(intake, work)
		switch {
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
	epoch, lease, err := p.acquire(intake, p.floor())
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
	group.Go(func() error {
		defer stopRenewing()
		wanted := make(chan []session.Agent, 1)
		wanted <- p.agents
		return pool.Run(held, owned, wanted)
	})
	return group.Wait()
}
