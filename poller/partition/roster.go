package partition

import (
	"slices"
	"sync"
	"time"

	"aiccbridge/poller/session"
)

// wanted is whom a partition is to poll.
type wanted struct {
	agents []session.Agent
	spread time.Duration // of the first sign-ins of those who came with the last change
	next   chan struct{} // closed when others are wanted
}

// roster is whom a partition is to poll, which may change at any time.
type roster struct {
	mu     sync.Mutex
	wanted wanted
	told   bool // the pool knows
}

func newRoster() *roster { return &roster{wanted: wanted{next: make(chan struct{})}} }

// now is whom the partition is to poll by now.
func (r *roster) now() wanted {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.wanted
}

// set makes the agents the wanted ones.
func (r *roster) set(agents []session.Agent, spread time.Duration) {
	r.mu.Lock()
	defer r.mu.Unlock()
	close(r.wanted.next)
	if !r.told { // who came with the change before has not begun
		spread = max(spread, r.wanted.spread)
	}
	r.wanted, r.told = wanted{agents, spread, make(chan struct{})}, false
}

// tell notes that the pool knows whom w wants.
func (r *roster) tell(w wanted) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.told = r.told || r.wanted.next == w.next
}

// newcomers are those who are not known yet.
func newcomers(agents []session.Agent, known map[string]bool) []session.Agent {
	return slices.DeleteFunc(slices.Clone(agents), func(a session.Agent) bool { return known[a.ID] })
}

// meet makes the agents known.
func meet(agents []session.Agent, known map[string]bool) {
	for _, a := range agents {
		known[a.ID] = true
	}
}
