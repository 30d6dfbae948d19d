package partition

import (
	"cmp"
	"context"
	"errors"
	"time"

	"github.com/rs/zerolog"
	"golang.org/x/sync/errgroup"

	"aiccbridge/internal/grace"
	"aiccbridge/poller/record"
	"aiccbridge/schemas"
)

// Whole is the name of the one partition of a tenant whose agents one bridge cares for.
const Whole = schemas.WholePartition

// SoleOptions configure a Sole. All must be set but Name, Flush, Logger and Metrics.
type SoleOptions struct {
	Tenant string
	// Name is that of the lease. Default: [Whole].
	Name string
	// Acquire waits for the lease; its epoch is above the floor.
	Acquire func(ctx context.Context, floor uint64) (epoch uint64, l Lease, err error)
	// Lost is what the error of a lease is when another owner may have it: it is waited for again.
	Lost error
	// Floor is the highest epoch that the agents have had, whoever cared for them.
	Floor func(ctx context.Context) uint64
	// Flush gets out what was stored before the lease is given back. nil: nothing waits anywhere.
	Flush func(ctx context.Context)
	// Grace is how long what is in hand may take.
	Grace   time.Duration
	Logger  zerolog.Logger
	Metrics *Metrics // may be shared. nil: none
}

// Sole has work for agents of a tenant, of a partition or all, done by one bridge at a time,
// under one lease.
type Sole struct {
	o     SoleOptions
	above uint64 // what an ownership was outgrown by
	state state
}

// NewSole makes a Sole, which does nothing before [Sole.Run].
func NewSole(o SoleOptions) *Sole {
	if o.Metrics == nil {
		o.Metrics = NewMetrics(nil)
	}
	o.Name = cmp.Or(o.Name, Whole)
	return &Sole{o: o, state: state{counts: o.Metrics.of(o.Tenant)}}
}

// Waiting is as that of a [Share].
func (s *Sole) Waiting() map[string]time.Time {
	if since := s.state.waitingSince(); !since.IsZero() {
		return map[string]time.Time{s.o.Name: since}
	}
	return nil
}

// Run does the work whenever the lease is held, until intake ends; work ends what is in hand,
// the grace period after a lease was lost or intake ended. do is to return when its intake has
// ended and all that it has in hand is stored. A *record.Outgrown of it ends the ownership for
// another one with a higher epoch; any other error of its own ends the Sole.
func (s *Sole) Run(intake, work context.Context, do func(intake, work context.Context, epoch uint64) error) error {
	for intake.Err() == nil {
		err := s.own(intake, work, do)
		outgrown := (*record.Outgrown)(nil)
		switch {
		case errors.As(err, &outgrown):
			s.above = max(s.above, outgrown.Epoch)
			s.o.Logger.Info().Err(err).Str("tenant", s.o.Tenant).Str("lease", s.o.Name).Msg("agents are had again once the lease is had under a higher epoch")
		case err != nil && !errors.Is(err, s.o.Lost):
			return err
		case err != nil:
			s.o.Logger.Warn().Err(err).Str("tenant", s.o.Tenant).Str("lease", s.o.Name).Msg("agents are left alone until the lease is back")
		}
	}
	return nil
}

// own does the work once, from getting the lease to giving it back.
func (s *Sole) own(intake, work context.Context, do func(intake, work context.Context, epoch uint64) error) (err error) {
	s.state.waits()
	defer s.state.rests()
	epoch, lease, err := s.o.Acquire(intake, max(s.above, s.o.Floor(intake)))
	switch {
	case err != nil && intake.Err() != nil:
		return nil // stopped while another bridge had it
	case err != nil:
		return err
	}
	s.state.holds()
	defer func() {
		kept := context.WithoutCancel(work)
		if s.o.Flush != nil && !errors.Is(err, s.o.Lost) {
			s.o.Flush(kept)
		}
		err = errors.Join(err, lease.Release(kept))
	}()
	group, held := errgroup.WithContext(intake)
	held, done := context.WithCancel(held)
	defer done()
	owned, end := grace.After(held, work, s.o.Grace)
	defer end()
	renewing, stop := context.WithCancel(work)
	defer stop()
	group.Go(func() error { return lease.Run(renewing) })
	group.Go(func() error {
		<-held.Done() // of work that ends by itself: when that has ended
		s.state.leaves()
		return nil
	})
	group.Go(func() error {
		defer stop()
		defer done()
		return do(held, owned, epoch)
	})
	return group.Wait()
}
