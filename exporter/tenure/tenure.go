package tenure

import (
	"context"
	"sync/atomic"
	"time"

	"github.com/rs/zerolog"

	"aiccbridge/internal/retry"
	"aiccbridge/internal/trouble"
)

// Lease is the right to work.
type Lease interface {
	// Run renews it until ctx ends, and returns an error when it is lost.
	Run(ctx context.Context) error
	// Release gives it back.
	Release(ctx context.Context) error
}

// Options say whose lease it is.
type Options struct {
	// Acquire waits until this bridge alone is to work, or ctx ends. nil: there is no other.
	Acquire func(ctx context.Context) (Lease, error)
	// Of is what the lease is for, in the log.
	Of     string
	Logger zerolog.Logger
}

// Tenure is one bridge's share in the work. It is for one [Tenure.Run].
type Tenure struct {
	o       Options
	unheld  trouble.Episode
	waiting atomic.Pointer[time.Time] // since when the lease is; nil: it is not waited for
}

// New returns a tenure that has not begun.
func New(o Options) *Tenure { return &Tenure{o: o} }

// acquireAgain is how long after a failure the lease is tried for again.
const acquireAgain = 5 * time.Second

// Waiting is since when the lease is wanted and not held; zero: it is held, or not wanted.
func (t *Tenure) Waiting() time.Time {
	if since := t.waiting.Load(); since != nil {
		return *since
	}
	return time.Time{}
}

// Run has the work done whenever the lease is held, until intake ends. held ends with the
// lease or intake; the lease is kept until the work has returned, or work has ended.
func (t *Tenure) Run(intake, work context.Context, do func(held context.Context)) {
	if t.o.Acquire == nil {
		do(intake)
		return
	}
	for intake.Err() == nil {
		t.once(intake, work, do)
	}
}

// once waits for the lease, and has the work done for as long as it is held.
func (t *Tenure) once(intake, work context.Context, do func(held context.Context)) {
	since := time.Now()
	t.waiting.CompareAndSwap(nil, &since) // kept over failures
	lease, err := t.o.Acquire(intake)
	if err != nil {
		t.leaseless(intake, err, "no lease; another try follows")
		return
	}
	t.waiting.Store(nil)
	held, lost := context.WithCancel(intake)
	renewing, stop := context.WithCancel(work)
	ended := make(chan error, 1)
	go func() {
		defer lost()
		ended <- lease.Run(renewing)
	}()
	do(held)
	stop()
	if err := <-ended; err != nil {
		t.o.Logger.Warn().Err(err).Str("of", t.o.Of).Msg("work stops until the lease is back")
	}
	if err := lease.Release(context.WithoutCancel(work)); err != nil {
		t.leaseless(intake, err, "the lease is not given back; it expires")
		return
	}
	t.unheld.Over()
}

// leaseless says what is wrong with the lease, once, and waits.
func (t *Tenure) leaseless(intake context.Context, err error, what string) {
	if intake.Err() != nil {
		return
	}
	if _, changed := t.unheld.Failed(trouble.Gist(err.Error()), zerolog.WarnLevel); changed {
		t.o.Logger.Warn().Err(err).Str("of", t.o.Of).Msg(what)
	}
	_ = retry.Wait(intake, acquireAgain) // the caller sees the end
}
