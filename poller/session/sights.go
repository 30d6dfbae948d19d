package session

import (
	"context"
	"maps"
	"slices"
	"sync"
	"sync/atomic"

	"aiccbridge/poller/internal/aside"
	"aiccbridge/poller/record"
)

// sight has the last look at an agent that his loop has not taken yet; nil: there is none.
type sight = atomic.Pointer[record.Look]

// Sights take a monitor's looks to the loops of the agents, in whatever pool they are. Of several
// looks that a loop has had no time for it gets the last. Safe for concurrent use; nil: nobody
// looks.
type Sights struct {
	mu sync.Mutex
	of map[string]*sight
}

// NewSights has no agents: loops come and go.
func NewSights() *Sights { return &Sights{of: map[string]*sight{}} }

// Agents are those who have a loop now, in no order.
func (s *Sights) Agents() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Collect(maps.Keys(s.of))
}

// Saw gives a look to the loop of an agent, if there is one.
func (s *Sights) Saw(agent string, l record.Look) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if at := s.of[agent]; at != nil {
		at.Store(&l)
	}
}

// begin is for a loop that begins; end for when it has ended.
func (s *Sights) begin(agent string) (at *sight, end func()) {
	at = new(sight)
	if s == nil {
		return at, func() {}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.of[agent] = at
	return at, func() {
		s.mu.Lock()
		defer s.mu.Unlock()
		if s.of[agent] == at {
			delete(s.of, agent)
		}
	}
}

// confirm holds the last look against what is known, once the queue has been found empty since:
// what waits there would tell it, and more. The gateway itself is asked first, if it is to be.
func (l *Loop) confirm(ctx context.Context) error {
	look := l.sight.Load()
	switch {
	case look == nil || l.pace.more || !l.pace.covered.After(look.Answered) || l.record.Standing.InDoubt():
		return nil
	case !l.sight.CompareAndSwap(look, nil): // there is a newer one
		return nil
	}
	return aside.Run(func() error {
		what, err := l.record.Confirm(ctx, *look)
		if err == nil {
			l.tenant.counts.look(what)
		}
		return err
	})
}
