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
		switch {
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
	epoch, lease, err := p.acquire(intake, p.floor(first))
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
	told := make(chan []session.Agent)
	group.Go(func() error {
		defer stopRenewing()
		return pool.Run(held, owned, told)
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
