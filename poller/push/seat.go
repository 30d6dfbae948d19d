package push

import (
	"context"
	"errors"
	"slices"
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

	record   *record.Recorder
	begun    bool // the recorder goes on from what is stored
	last     record.Last
	lists    []stored  // newest first; at most maxLists
	sessions []string  // the sessions that pushes were of, newest first; at most maxLists
	followed time.Time // when the newest of them came
	// patience is how long the gateway surely repeats what it pushes.
	patience time.Duration

	mu      sync.Mutex
	cared   bool      // a loop keeps the agent signed in
	refused time.Time // since when pushes are not taken; zero: the last one was
	heard   time.Time // when the last push that was taken began to come in, or the session began
	renewed time.Time // the issue of the token that the gateway was told last
	oldest  time.Time // of the one before: an older one is refused
	alive   time.Time // the last sign-in or heartbeat here that was answered well
}

// maxLists is how many lists of an agent are known. Of one session the last would do: the gateway
// pushes one list of it at a time. But while a session ends and another begins there are two of
// them, and what is under way of the first may come after what the second begins with.
const maxLists = 4

// stored is a list that was, or as much of it.
type stored struct {
	chain  chain
	passed passed
	from   string // the session that it was of, as its push said
}

// pushed is a list that is to be stored.
type pushed struct {
	list     []ccgateway.Item
	got      record.Receipt
	from     string        // the session that it is of; "": not known
	patience time.Duration // how long the gateway surely repeats it
	held     *held         // its body
}

// told notes that the gateway has a token that was issued then, or just after.
func (s *seat) told(at time.Time) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.oldest, s.renewed = s.renewed, at.Truncate(time.Millisecond)
}

// lives notes that the gateway has just shown that it has the agent's session.
func (s *seat) lives() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.alive = time.Now()
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

// refuses notes that a push that began to come in then is not taken.
func (s *seat) refuses(asked time.Time) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.refused.IsZero() {
		s.refused = asked
	}
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

// lost says what the gateway has dropped with a session that ended unseen: it may have waited
// since the last push that was taken, but not since before the given time; the turn is had.
func (s *seat) lost(ctx context.Context, notBefore time.Time) error {
	s.mu.Lock()
	from := s.heard
	if from.Before(notBefore) {
		from = notBefore
	}
	if !s.refused.IsZero() && s.refused.Before(from) {
		from = s.refused
	}
	s.refused = time.Time{}
	s.mu.Unlock()
	return s.record.Gap(ctx, schemas.GapSession, from, time.Now(), "the session ended unseen, and what could not be pushed went with it", 0)
}

// hears notes when the last push that was taken began to come in, or that none could before.
func (s *seat) hears(at time.Time) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.heard = at
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
func (s *seat) store(ctx context.Context, p pushed) error {
	s.patience = p.patience
	if err := s.begin(ctx); err != nil {
		return err
	}
	key, i := s.desk.inlet.o.Key, s.desk.inlet
	at, known := s.find(key, p)
	i.counts.repeated.Add(float64(known))
	if known == len(p.list) {
		return nil
	}
	p.got.Late = s.late(p.from)
	if err := s.given(ctx, s.patience, "the gateway gave up pushes that were not taken"); err != nil {
		return err
	}
	now := s.open(at, known, p.from)
	for _, item := range p.list[known:] {
		next := now.chain.then(key, item, p.got.At)
		s.record.Mark(next.String())
		if err := s.storeItem(ctx, item, p.got); err != nil {
			return err
		}
		now.chain, now.passed = next, now.passed.then(next, time.Now())
	}
	i.counts.stored.Add(float64(len(p.list) - known))
	return nil
}

// late reports whether a session is one that another one has followed. One not known is the
// newest: a session is the agent's only one, but for what is still under way of those before. The
// gateway repeats that for so long; what goes on for longer is the agent's session after all.
func (s *seat) late(session string) bool {
	switch i := slices.Index(s.sessions, session); {
	case i == 0:
		return false
	case i > 0 && time.Since(s.followed) <= givesUpAfter:
		return true
	case i > 0:
		s.sessions = slices.Delete(s.sessions, i, i+1)
	}
	s.sessions, s.followed = slices.Insert(s.sessions, 0, session), time.Now()
	s.sessions = s.sessions[:min(len(s.sessions), maxLists)]
	return false
}

// find looks for the list of which another one is the repetition, and how much of that is known.
func (s *seat) find(key []byte, p pushed) (at, known int) {
	last := true // of its session
	for at, l := range s.lists {
		known := l.chain.known(key, p.list, p.got.At, at == 0 || last && l.from == p.from)
		if known == 0 && l.passed.has(key, p.list, p.got.Asked) {
			known = len(p.list)
		}
		if known > 0 {
			return at, known
		}
		last = last && l.from != p.from
	}
	return -1, 0
}

// open makes a list the newest one: one that goes on, or another one (known is 0).
func (s *seat) open(at, known int, from string) *stored {
	now := stored{}
	if known > 0 {
		now = s.lists[at]
		s.lists = slices.Delete(s.lists, at, at+1)
	}
	now.passed, now.from = now.passed.first(known), from
	s.lists = slices.Insert(s.lists, 0, now)
	s.lists = s.lists[:min(len(s.lists), maxLists)]
	return &s.lists[0]
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
	s.last, s.lists = last, []stored{{chain: parseChain(last.Mark)}}
	s.record.Mark(s.lists[0].chain.String())
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
