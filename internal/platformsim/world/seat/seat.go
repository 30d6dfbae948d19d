// Package seat keeps where the simulated agents stand, as a supervisor sees them, and tells of
// each change. It knows states as numbers only, and imports nothing of ours.
package seat

import (
	"sync"
	"time"
)

// Seat is where an agent stands.
type Seat struct {
	State, Before int       // Before: that of nobody, for who has never been in
	Since         time.Time // zero: since ever
	BeforeFor     time.Duration
	Cause         int       // of a rest, or of a sign-out
	SignedIn      time.Time // zero: is not
}

// Move is that an agent came to a state. One may follow another in the same state.
type Move struct {
	At    time.Time `json:"at"`
	Agent string    `json:"agent"`
	State int       `json:"state"`
}

// Keeper keeps the seats of all agents. Safe for concurrent use.
type Keeper struct {
	out   int // the state of who has never signed in
	now   func() time.Time
	moved func(Move)

	mu    sync.Mutex
	seats map[string]Seat
}

// New makes a keeper; out is the state of agents who are not in. moved may be nil.
func New(out int, now func() time.Time, moved func(Move)) *Keeper {
	return &Keeper{out: out, now: now, moved: moved, seats: map[string]Seat{}}
}

// Enter notes that an agent is in a state from now on; in is when he signed in, zero for who is
// out.
func (k *Keeper) Enter(agent string, state, cause int, in time.Time) {
	k.mu.Lock()
	defer k.mu.Unlock()
	now, last := k.now(), k.of(agent)
	s := Seat{State: state, Before: last.State, Since: now, Cause: cause, SignedIn: in}
	if !last.Since.IsZero() {
		s.BeforeFor = now.Sub(last.Since)
	}
	k.seats[agent] = s
	if k.moved != nil {
		k.moved(Move{now, agent, state})
	}
}

// Of is where an agent stands; out for an unknown one.
func (k *Keeper) Of(agent string) Seat {
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.of(agent)
}

func (k *Keeper) of(agent string) Seat {
	if s, ok := k.seats[agent]; ok {
		return s
	}
	return Seat{State: k.out, Before: k.out}
}
