package push

import (
	"context"
	"errors"
	"sync"
	"time"

	"aiccbridge/internal/ccgateway"
	"aiccbridge/poller/record"
	"aiccbridge/schemas"
)

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
