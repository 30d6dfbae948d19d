package session

import (
	"sync"
	"time"
)

// Standing is how the agents of a tenant stand, in all its pools.
type Standing struct {
	// Halted is how many agents are not polled and not tried again before they are
	// changed or started anew.
	Halted int
	Why    error // of the first that failed of these
	// Tried is how many are to be polled: signing in, or in a session.
	Tried int
	// Failing is how many of those have had a failure, and no good poll since, for so long
	// as was asked about, whatever sign-ins succeeded meanwhile.
	Failing int
	Cause   error // the last failure of the one that fails for longest
	// Polled are those of Tried that are not Failing.
	Polled []string
}

// board is where a tenant's agents stand.
type board struct {
	mu    sync.Mutex
	seats map[*seat]struct{}
}

// seat is where one loop stands.
type seat struct {
	board *board
	agent string
	phase phase
	since time.Time // of the first failure after the last good poll; zero: there was none
	why   error     // the last failure
}

// Standing is how a tenant's agents stand now. A failure counts as lasting after so long.
func (m *Metrics) Standing(tenant string, lasting time.Duration) (s Standing) {
	b := m.board(tenant)
	b.mu.Lock()
	defer b.mu.Unlock()
	var halted, failing time.Time
	for a := range b.seats {
		switch a.phase {
		case phaseHalted, phaseFenced:
			s.Halted++
			if halted.IsZero() || a.since.Before(halted) {
				halted, s.Why = a.since, a.why
			}
		case phaseSigningIn, phasePolling, phaseRetrying, phasePushed, phaseEnded:
			s.Tried++
			if a.since.IsZero() || time.Since(a.since) < lasting {
				s.Polled = append(s.Polled, a.agent)
				continue
			}
			s.Failing++
			if failing.IsZero() || a.since.Before(failing) {
				failing, s.Cause = a.since, a.why
			}
		}
	}
	return s
}

func (m *Metrics) board(tenant string) *board {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.boards[tenant] == nil {
		m.boards[tenant] = &board{seats: map[*seat]struct{}{}}
	}
	return m.boards[tenant]
}

// moved notes that the loop went on.
func (a *seat) moved(to phase) {
	a.board.mu.Lock()
	defer a.board.mu.Unlock()
	a.phase = to
	if a.board.seats[a] = struct{}{}; to == phaseStopped {
		delete(a.board.seats, a)
	}
}

// failed notes why the agent is not signed in, or not polled.
func (a *seat) failed(err error) {
	a.board.mu.Lock()
	defer a.board.mu.Unlock()
	if a.why = err; a.since.IsZero() {
		a.since = time.Now()
	}
}

// polled notes a good poll.
func (a *seat) polled() {
	a.board.mu.Lock()
	defer a.board.mu.Unlock()
	a.since, a.why = time.Time{}, nil
}

// Seat shows, as a [Loop] does, where an agent stands who is kept signed in without being
// polled. It is for one goroutine.
type Seat struct {
	seat   *seat
	counts counts
	phase  phase
}

// Seat is that of an agent who has not begun.
func (m *Metrics) Seat(tenant, agent string) *Seat {
	c := m.of(tenant)
	return &Seat{seat: &seat{board: c.board, agent: agent}, counts: c}
}

func (s *Seat) enter(next phase) {
	if s.phase != next {
		s.counts.moved(s.phase, next)
		s.seat.moved(next)
		s.phase = next
	}
}

// Tries shows that the agent is being signed in.
func (s *Seat) Tries() { s.enter(phaseSigningIn) }

// Live shows that the agent is signed in.
func (s *Seat) Live() { s.enter(phasePushed) }

// Good ends the failures before: the gateway has answered the session well.
func (s *Seat) Good() { s.seat.polled() }

// Failed notes why the agent is not signed in, or not cared for.
func (s *Seat) Failed(err error) { s.seat.failed(err) }

// Halted shows that the agent is not tried again.
func (s *Seat) Halted() { s.enter(phaseHalted) }

// Left shows that the agent is not wanted any more, or another bridge's.
func (s *Seat) Left() {
	if s.phase != "" {
		s.enter(phaseStopped)
	}
}
