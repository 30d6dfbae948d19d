// Package partition polls the agents of a partition whenever this bridge holds its
// lease. A partition is a share of a tenant's agents under one lease.
//
// Invariants: nothing is polled without the lease; every ownership has an epoch above
// all that the agents' sessions show; when the lease is lost, or intake ends, what is in
// hand has the grace period to be stored, and the lease is given back after that.
//
// It imports poller, poller/session, schemas and internal/grace, and does not know where
// leases are kept.
package partition

import (
	"context"
	"encoding/json"
	"errors"
	"sync/atomic"
	"time"

	"golang.org/x/sync/errgroup"

	"aiccbridge/internal/grace"
	"aiccbridge/poller"
	"aiccbridge/poller/session"
	"aiccbridge/schemas"
)

// Lease is the right to poll a partition.
type Lease interface {
	// Run renews it until ctx ends, and returns an error when it is lost.
	Run(ctx context.Context) error
	// Release gives it back.
	Release(ctx context.Context) error
}

// Options configure a Partition. All must be set but Await.
type Options struct {
	// Pool is how the agents are polled; each ownership has its own epoch.
	Pool poller.Options
	// Agents are the wanted ones.
	Agents []session.Agent
	// Acquire waits for the lease; its epoch is above the floor. An error is that of
	// the partition, unless intake has ended.
	Acquire func(ctx context.Context, floor uint64) (epoch uint64, l Lease, err error)
	// Lost is what the error of a lease is when another owner may have it: the
	// partition waits for it again. Every other error ends it.
	Lost error
	// Sessions calls f with the value of each session of the tenant that is known, and
	// then returns. An error means that ctx ended.
	Sessions func(ctx context.Context, f func(value []byte)) error
	// Await waits, for a while, until what other bridges left is known. nil: it is.
	Await func(ctx context.Context)
	// Grace is how long what is in hand may take.
	Grace time.Duration
}

// Partition polls a partition's agents.
type Partition struct {
	o       Options
	waiting atomic.Pointer[time.Time] // since when; nil: not
}

// New makes a partition, which polls nothing before [Partition.Run].
func New(o Options) *Partition { return &Partition{o: o} }

// Waiting is since when the lease is wanted and not held; zero: it is held, or not wanted.
func (p *Partition) Waiting() time.Time {
	if since := p.waiting.Load(); since != nil {
		return *since
	}
	return time.Time{}
}

// Run polls whenever the lease is held, until intake ends; work ends what is in hand.
func (p *Partition) Run(intake, work context.Context) error {
	for intake.Err() == nil {
		err := p.own(intake, work)
		switch {
		case errors.Is(err, p.o.Lost):
			p.o.Pool.Logger.Warn().Err(err).Str("tenant", p.o.Pool.Tenant).Msg("polling stops until the lease is back")
		case err != nil:
			return err
		}
	}
	return nil
}

// own polls until intake ends or the lease is lost; what is in hand then has the grace
// period to be stored.
func (p *Partition) own(intake, work context.Context) (err error) {
	now := time.Now()
	p.waiting.Store(&now)
	if p.o.Await != nil {
		p.o.Await(intake)
	}
	epoch, lease, err := p.o.Acquire(intake, p.highestEpoch(intake))
	p.waiting.Store(nil)
	if intake.Err() != nil && err != nil {
		return nil // stopped while another bridge had it
	}
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, lease.Release(context.WithoutCancel(work))) }()
	o := p.o.Pool
	o.Epoch = epoch
	pool, err := poller.New(o)
	if err != nil {
		return err
	}
	group, held := errgroup.WithContext(intake)
	owned, endOwned := grace.After(held, work, p.o.Grace)
	defer endOwned()
	renewing, stopRenewing := context.WithCancel(work)
	defer stopRenewing()
	group.Go(func() error { return lease.Run(renewing) })
	group.Go(func() error {
		defer stopRenewing()
		wanted := make(chan []session.Agent, 1)
		wanted <- p.o.Agents
		return pool.Run(held, owned, wanted)
	})
	return group.Wait()
}

// highestEpoch is the highest epoch that the agents' sessions and their events show. The
// lease's must be above it, also when the buckets of leases and sessions were lost: then
// events alone know which numbers were given.
func (p *Partition) highestEpoch(ctx context.Context) (highest uint64) {
	known := map[string]bool{}
	// An error means that ctx ended, as the caller sees.
	_ = p.o.Sessions(ctx, func(value []byte) {
		var s schemas.Session
		if json.Unmarshal(value, &s) == nil {
			known[s.Agent] = true
			highest = max(highest, s.Epoch)
		}
	})
	return max(highest, p.epochOfEvents(ctx, known))
}

const (
	// lookLimit is for the look at what is stored; a hub that is away is not waited for.
	lookLimit = 30 * time.Second
	// lookWidth is how many agents are asked after at once.
	lookWidth = 16
)

// epochOfEvents is the highest epoch of the agents' last messages. The tenant's last one
// nearly always has it; those of agents without a session are looked at too, unless the
// tenant has none.
func (p *Partition) epochOfEvents(ctx context.Context, known map[string]bool) uint64 {
	if p.o.Pool.LastStored == nil {
		return 0
	}
	ctx, cancel := context.WithTimeout(ctx, lookLimit)
	defer cancel()
	var highest atomic.Uint64
	look := func(filter string) (found bool, err error) {
		m, found, err := p.o.Pool.LastStored(ctx, filter)
		var at schemas.Position
		if err != nil || !found || json.Unmarshal(m.Body, &at) != nil {
			return found, err
		}
		for old := highest.Load(); at.Epoch > old && !highest.CompareAndSwap(old, at.Epoch); old = highest.Load() {
		}
		return true, nil
	}
	some, err := look(p.o.Pool.Names.Agents(p.o.Pool.Tenant))
	if err == nil && some {
		group := errgroup.Group{}
		group.SetLimit(lookWidth)
		for _, a := range p.o.Agents {
			if !known[a.ID] && ctx.Err() == nil {
				group.Go(func() error {
					_, err := look(p.o.Pool.Names.Agent(p.o.Pool.Tenant, a.ID))
					return err
				})
			}
		}
		err = group.Wait()
	}
	if err != nil && context.Cause(ctx) != context.Canceled {
		p.o.Pool.Logger.Warn().Err(err).Str("tenant", p.o.Pool.Tenant).Msg("stored events can't be asked for their epochs; those of sessions and leases count")
	}
	return highest.Load()
}
