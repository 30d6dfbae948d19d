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
	"aiccbridge/schemas"

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
	d.work = work
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
// storing goes on. patience is how long the gateway surely repeats the list.
func (d *Desk) take(ctx context.Context, agent string, list []ccgateway.Item, got record.Receipt, patience time.Duration) error {
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
	go func() {
		defer d.storing.Done()
		s.patience = patience
		err := s.store(work, list, got)
		<-s.turn
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

// seat is one agent's: its events are stored one list after the other.
type seat struct {
	desk  *Desk
	agent string
	turn  chan struct{} // who has put something in it has the fields below
	over  chan ended    // to the loop of the agent, if it has one

	record *record.Recorder
	begun  bool // the recorder goes on from what is stored
	last   record.Last
	chain  chain
	passed passed // the list that the chain is of
	// patience is how long the gateway surely repeats what it pushes.
	patience time.Duration

	mu      sync.Mutex
	cared   bool      // a loop keeps the agent signed in
	refused time.Time // since when pushes are not taken; zero: the last one was
	renewed time.Time // the issue of the token that the gateway was told last
	oldest  time.Time // of the one before: an older one is refused
}

// told notes that the gateway has a token that was issued then, or just after.
func (s *seat) told(at time.Time) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.oldest, s.renewed = s.renewed, at.Truncate(time.Millisecond)
}

// accepts reports whether a genuine token is one of the last two that the gateway was told,
// or a newer one: a push may be faster than the answer that it was told.
func (d *Desk) accepts(p pass) bool {
	d.mu.Lock()
	s := d.seats[p.agent]
	d.mu.Unlock()
	if s == nil {
		return true
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	return !p.at.Before(s.oldest)
}

// answered notes whether a push of the agent that began to come in then was taken; one that
// was not is to come again.
func (d *Desk) answered(agent string, asked time.Time, taken bool) {
	d.mu.Lock()
	s := d.seats[agent]
	d.mu.Unlock()
	if s == nil {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	switch {
	case taken:
		s.refused = time.Time{}
	case s.refused.IsZero():
		s.refused = asked
	}
}

// isCared reports whether a loop keeps the agent signed in.
func (s *seat) isCared() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.cared
}

// refusedSince is since when pushes are not taken; zero: the last one was.
func (s *seat) refusedSince() time.Time {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.refused
}

// given says what the gateway has dropped, should it have given up pushes that were not taken;
// the turn is had. Of a session that has ended it has dropped all.
func (s *seat) given(ctx context.Context, patience time.Duration, detail string) error {
	refused := s.refusedSince()
	if refused.IsZero() || time.Since(refused) <= patience {
		return nil
	}
	if err := s.record.Gap(ctx, schemas.GapSession, refused, time.Now(), detail, 0); err != nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.refused.Equal(refused) {
		s.refused = time.Time{}
	}
	return nil
}

// with calls f when it is the caller's turn.
func (s *seat) with(ctx context.Context, f func() error) error {
	select {
	case s.turn <- struct{}{}:
	case <-ctx.Done():
		return ctx.Err()
	}
	defer func() { <-s.turn }()
	return f()
}

// store stores a list; the turn is had. The error is that of ctx, or a *record.Outgrown.
func (s *seat) store(ctx context.Context, list []ccgateway.Item, got record.Receipt) error {
	if err := s.begin(ctx); err != nil {
		return err
	}
	key, i := s.desk.inlet.o.Key, s.desk.inlet
	known := s.chain.known(key, list, got.At)
	next := s.chain
	switch {
	case known > 0:
	case s.passed.has(key, list, got.Asked):
		known = len(list)
	default:
		next = chain{}
	}
	i.counts.repeated.Add(float64(known))
	if known == len(list) {
		return nil
	}
	if err := s.given(ctx, s.patience, "the gateway gave up pushes that were not taken"); err != nil {
		return err
	}
	s.passed = s.passed.first(known)
	for _, item := range list[known:] {
		next = next.then(key, item, got.At)
		s.record.Mark(next.String())
		if err := s.storeItem(ctx, item, got); err != nil {
			return err
		}
		s.chain, s.passed = next, s.passed.then(next, time.Now())
	}
	i.counts.stored.Add(float64(len(list) - known))
	return nil
}

func (s *seat) storeItem(ctx context.Context, item ccgateway.Item, got record.Receipt) error {
	if item.Bad != nil {
		return s.record.DeadLetter(ctx, item.Bad, got, errNoEvent)
	}
	ends, err := s.record.Event(ctx, item.Event, got)
	if ends && err == nil {
		s.forgetOver() // the last one counts
		s.over <- ended{item.Event}
	}
	return err
}

// forgetOver takes back what the loop has not heard; the turn is had, so that nobody adds to it.
func (s *seat) forgetOver() {
	select {
	case <-s.over:
	default:
	}
}

// begin goes on from what is stored of the agent, once.
func (s *seat) begin(ctx context.Context) error {
	if s.begun {
		return nil
	}
	last, err := s.record.TakeUp(ctx)
	if outgrown := (*record.Outgrown)(nil); errors.As(err, &outgrown) {
		select {
		case s.desk.outgrown <- err:
		default: // it is known
		}
	}
	if err != nil {
		return err
	}
	s.last, s.chain = last, parseChain(last.Mark)
	s.record.Mark(s.chain.String())
	if err := s.away(ctx, last); err != nil {
		return err
	}
	s.begun = true
	return nil
}

// away says what may be lost of an agent who was signed in when no bridge took pushes for
// longer than the gateway repeats them: it has signed the agent out, and forgotten what
// waited. How long that was is not known but from the agent's last message, which a bridge
// that stops in order makes a heartbeat: rather a gap too many.
func (s *seat) away(ctx context.Context, last record.Last) error {
	now := time.Now()
	if s.isCared() || last.Epoch == 0 || last.Final() || !s.record.Standing.SignedIn() || now.Sub(last.At) <= s.patience {
		return nil
	}
	return s.record.Gap(ctx, schemas.GapUnclean, last.At, now, "no bridge took pushes for longer than the gateway repeats them", 0)
}

// upkeep does what is due beside events; the turn is had.
func (s *seat) upkeep(ctx context.Context) error {
	if !s.begun {
		return nil
	}
	return s.record.Upkeep(ctx, s.desk.o.Heartbeat)
}
