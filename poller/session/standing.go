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
	Why    error // of the last that halted
	// Nobody is since when none has been polled, although some are tried; zero: somebody
	// is, or nobody is to be.
	Nobody time.Time
	Trying error // the first failure since then; nil: none has ended yet
}

// board is where a tenant's agents stand.
type board struct {
	mu  sync.Mutex
	now Standing
	in  map[phase]int
}

// Standing is how a tenant's agents stand now.
func (m *Metrics) Standing(tenant string) Standing {
	b := m.board(tenant)
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.now
}

func (m *Metrics) board(tenant string) *board {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.boards[tenant] == nil {
		m.boards[tenant] = &board{in: map[phase]int{}}
	}
	return m.boards[tenant]
}

// moved notes that an agent went on, and why, if it was halted.
func (b *board) moved(from, to phase, why error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if from != "" {
		b.in[from]--
	}
	if to != phaseStopped {
		b.in[to]++
	}
	b.now.Halted = b.in[phaseHalted] + b.in[phaseFenced]
	if to == phaseHalted || to == phaseFenced {
		b.now.Why = why
	}
	tried := b.in[phaseStarting] + b.in[phaseSigningIn] + b.in[phaseRetrying] + b.in[phaseEnded]
	switch {
	case b.in[phasePolling] > 0 || tried == 0:
		b.now.Nobody, b.now.Trying = time.Time{}, nil
	case b.now.Nobody.IsZero():
		b.now.Nobody = time.Now()
	}
}

// failed notes a failure of an agent that is tried again.
func (b *board) failed(err error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.now.Trying == nil {
		b.now.Trying = err
	}
}
