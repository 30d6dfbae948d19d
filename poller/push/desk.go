package push

import (
	"cmp"
	"context"
	"errors"
	"maps"
	"slices"
	"sync"
	"time"

	"aiccbridge/internal/ccgateway"
	"aiccbridge/poller"
	"aiccbridge/poller/record"

	"github.com/rs/zerolog"
	"golang.org/x/sync/errgroup"
)

const (
	// givesUpAfter is how long the gateway repeats a push before it signs the agent out
	// (EVENT_PUSH_FAIL_TOTALTIME), and how long it bears the silence of an agent's heartbeat
	// (EVENT_PUSH_HANDSHAKE_MAXTIME).
	givesUpAfter     = 120 * time.Second
	defaultErrorGap  = 1100 * time.Millisecond
	defaultHeartbeat = 5 * time.Minute
	// sweepEvery is how often what is due of the agents is looked after.
	sweepEvery = 20 * time.Second
	// leavesAtOnce is how many agents are left at one time.
	leavesAtOnce = 64
)

var (
	errBusy   = errors.New("the agent's last list is still being stored")
	errSlow   = errors.New("storing takes too long; it goes on")
	errClosed = errors.New("this bridge does not have the agents any more")
)

// Desk has a tenant's agents for as long as the lease is held. Use [Inlet.Desk].
type Desk struct {
	inlet  *Inlet
	o      poller.Options
	record *record.Tenant
	log    zerolog.Logger

	mu       sync.Mutex
	work     context.Context // of what is stored; nil: nothing is, yet or any more
	begun    time.Time
	seats    map[string]*seat
	storing  sync.WaitGroup
	outgrown chan error
}

// Desk returns a desk for one ownership of the agents. Nobody else may have the agents until its Run has returned.
func (i *Inlet) Desk(o poller.Options) *Desk {
	o.ErrorGap, o.Heartbeat = cmp.Or(o.ErrorGap, defaultErrorGap), cmp.Or(o.Heartbeat, defaultHeartbeat)
	return &Desk{
		inlet: i, o: o, record: record.NewTenant(o.Record()), log: o.Logger,
		seats: map[string]*seat{}, outgrown: make(chan error, 1),
	}
}

// Run has the inlet's pushes stored until intake ends; then no push is taken any more, and
// those in hand are stored until work ends. It returns nil, or a *record.Outgrown.
func (d *Desk) Run(intake, work context.Context) (err error) {
	d.mu.Lock()
	d.work, d.begun = work, time.Now()
	d.mu.Unlock()
	d.inlet.desk.Store(d)
	defer func() {
		d.inlet.desk.CompareAndSwap(d, nil)
		d.mu.Lock()
		d.work = nil
		d.mu.Unlock()
		d.storing.Wait()
		d.leave(work)
	}()
	tick := time.NewTicker(sweepEvery)
	defer tick.Stop()
	for {
		select {
		case <-intake.Done():
			return nil
		case err := <-d.outgrown:
			return err
		case <-tick.C:
			d.sweep(intake, work)
		}
	}
}

// sweep does for each agent what is due beside its events.
func (d *Desk) sweep(intake, work context.Context) {
	for _, s := range d.all() {
		if intake.Err() != nil {
			return
		}
		// What fails does so because work ended.
		_ = s.with(work, func() error { return s.upkeep(work) })
	}
}

// leave shows up to when there was a bridge of the agents whom others sign in, where work has
// not ended.
func (d *Desk) leave(work context.Context) {
	if d.o.Heartbeat < 0 || work.Err() != nil {
		return
	}
	var group errgroup.Group
	group.SetLimit(leavesAtOnce)
	for _, s := range d.all() {
		group.Go(func() error {
			return s.with(work, func() error {
				if s.isCared() || !s.begun || !s.record.Standing.SignedIn() {
					return nil
				}
				if err := s.given(work, 0, "the bridge stopped while pushes were not taken"); err != nil {
					return err
				}
				return s.record.Heartbeat(work)
			})
		})
	}
	_ = group.Wait() // what fails does so because work ended
}

// all are the seats of now.
func (d *Desk) all() []*seat {
	d.mu.Lock()
	defer d.mu.Unlock()
	return slices.Collect(maps.Values(d.seats))
}

// begin reserves the right to store; the caller must call d.storing.Done.
func (d *Desk) begin(agent string) (s *seat, work context.Context, ok bool) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.work == nil || d.work.Err() != nil {
		return nil, nil, false
	}
	d.storing.Add(1)
	return d.seat(agent), d.work, true
}

// seat is that of an agent; mu is held.
func (d *Desk) seat(agent string) *seat {
	s := d.seats[agent]
	if s == nil {
		s = &seat{desk: d, agent: agent, turn: make(chan struct{}, 1), record: d.record.Recorder(agent, 0), over: make(chan ended, 1)}
		d.seats[agent] = s
	}
	return s
}

// take stores a list of an agent, or what is not stored of it yet. When ctx ends first, the
// storing goes on.
func (d *Desk) take(ctx context.Context, agent string, p pushed) error {
	s, work, ok := d.begin(agent)
	if !ok {
		return errClosed
	}
	select {
	case s.turn <- struct{}{}:
	case <-ctx.Done():
		d.storing.Done()
		return errBusy
	}
	done := make(chan error, 1)
	p.held.share()
	go func() {
		defer d.storing.Done()
		err := s.store(work, p)
		<-s.turn
		p.held.letGo()
		done <- err
	}()
	select {
	case err := <-done:
		return err
	case <-ctx.Done():
		return errSlow
	}
}

// ended is a session that the platform says is over.
type ended struct{ event ccgateway.Event }

// accepts reports whether a genuine token is one of the last two that the gateway was told,
// or a newer one: a push may be faster than the answer that it was told. Its session must be one
// that may be alive: with no heartbeat the platform ends it. Heartbeats renew the token but for
// a pushUrl; of that it is not known when the bridge before sent the last one.
func (d *Desk) accepts(p pass) bool {
	d.mu.Lock()
	s, alive := d.seats[p.agent], p.at
	if p.address && d.begun.After(alive) {
		alive = d.begun
	}
	d.mu.Unlock()
	if s != nil {
		s.mu.Lock()
		defer s.mu.Unlock()
		if p.at.Before(s.oldest) {
			return false
		}
		if s.alive.After(alive) {
			alive = s.alive
		}
	}
	return time.Since(alive) <= maxSilence
}

// took notes that a push of the agent that began to come in then was taken.
func (d *Desk) took(agent string, asked time.Time) {
	d.mu.Lock()
	s := d.seat(agent)
	d.mu.Unlock()
	s.mu.Lock()
	defer s.mu.Unlock()
	s.refused, s.heard = time.Time{}, asked
}

// refused notes that one was not, and is to come again. If it is not known whose it was, it may
// have been that of any agent whom others sign in.
func (d *Desk) refused(agent string, asked time.Time) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if agent != "" {
		d.seat(agent).refuses(asked)
		return
	}
	for _, s := range d.seats {
		if !s.isCared() {
			s.refuses(asked)
		}
	}
}
