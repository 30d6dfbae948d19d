package wallboard

import (
	"encoding/json"
	"slices"
	"sync"
	"time"

	"aiccbridge/internal/ask"
	"aiccbridge/internal/wallboard/calendar"
	"aiccbridge/schemas"
)

// floor is what is known. What is read changes it, and a paint shows it.
type floor struct {
	mu         sync.Mutex
	began      time.Time
	agents     map[string]schemas.AgentState // by key
	agentsMade time.Time                     // when the bucket was
	books      map[bookID]*calendar.Book
	booksMade  time.Time

	loadedAgents, loadedWindows bool

	// What was never read is unknown, and not zero.
	owners        ask.Owners
	ownersKnown   bool
	coverage      []schemas.Coverage
	coverageKnown bool
	letters       []ask.LetterCount
	lettersKnown  bool
	bridges       []ask.Bridge
	bridgesAt     time.Time            // when they answered; zero: not yet
	heard         map[string]time.Time // when each was, by its instance
	calls         map[callID]numbers
	pace          pace
	away          time.Time // since when there is no connection to the hub
}

// bookID is whose windows a book has.
type bookID struct {
	tenant string
	kind   schemas.Kind
}

// callID is a call of a tenant.
type callID struct{ tenant, id string }

// numbers are those of a call, masked.
type numbers struct{ caller, called string }

func newFloor() *floor {
	return &floor{began: time.Now(), agents: map[string]schemas.AgentState{}, books: map[bookID]*calendar.Book{}, calls: map[callID]numbers{}, heard: map[string]time.Time{}}
}

// agent takes an entry of the states. A bucket that was made anew has forgotten the others.
func (f *floor) agent(key string, e schemas.Stored, made time.Time) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if !made.Equal(f.agentsMade) {
		clear(f.agents)
		f.agentsMade = made
	}
	var a schemas.AgentState
	if json.Unmarshal(e.Body, &a) != nil || a.Agent == "" || schemas.AgentKey(a.Tenant, a.Agent) != key {
		delete(f.agents, key) // it was deleted, or is somebody else's
		return
	}
	f.agents[key] = a
}

// window takes an entry of the ledger.
func (f *floor) window(key string, e schemas.Stored, made, now time.Time) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if !made.Equal(f.booksMade) {
		clear(f.books)
		f.booksMade = made
	}
	w, ok := ask.WindowOf(key, e)
	if !ok {
		return // somebody else's; windows are never deleted
	}
	id := bookID{w.Tenant, w.Kind}
	if f.books[id] == nil {
		f.books[id] = calendar.New()
	}
	f.books[id].Take(w, now)
}

// known reports whether there is something to show: the agents and, unless it takes long, the
// rest; or that the hub says nothing.
func (f *floor) known(now time.Time) bool {
	rest := f.loadedWindows && f.ownersKnown && f.coverageKnown && f.lettersKnown && !f.bridgesAt.IsZero()
	return f.loadedAgents && (rest || now.Sub(f.began) > restPatience) || !f.away.IsZero()
}

// restPatience is how long what is shown besides the agents is waited for at first.
const restPatience = 2 * time.Second

// change changes what is known.
func (f *floor) change(how func(f *floor)) {
	f.mu.Lock()
	defer f.mu.Unlock()
	how(f)
}

// unheardFor is how long a bridge that cannot be asked is shown as it was.
const unheardFor = time.Minute

// hear takes what bridges say of themselves. If not all could be asked, those that are not
// among them stand for a while as they were heard last.
func (f *floor) hear(all []ask.Bridge, asked bool, now time.Time) {
	heard := map[string]time.Time{}
	for _, b := range all {
		heard[b.Instance] = now
	}
	all = slices.Clip(all)
	for _, b := range f.bridges {
		at := f.heard[b.Instance]
		if _, ok := heard[b.Instance]; !ok && !asked && now.Sub(at) < unheardFor {
			heard[b.Instance] = at
			all = append(all, b)
		}
	}
	f.bridges, f.heard, f.bridgesAt = all, heard, now
}

// unheard is when a bridge was heard that did not answer with the others; zero: it did.
func (f *floor) unheard(instance string) time.Time {
	if at := f.heard[instance]; at.Before(f.bridgesAt) {
		return at
	}
	return time.Time{}
}

// pace is how many messages of agents the hub stored, second by second.
type pace struct {
	last   uint64
	at     time.Time
	counts []float64 // a second each, the newest last; negative: not known
}

// paceSpan is how many seconds are shown.
const paceSpan = 180

// take takes the sequence of the last message; ok is false where the hub did not say it.
func (p *pace) take(end uint64, ok bool, now time.Time) {
	rate := -1.0
	if passed := now.Sub(p.at).Seconds(); ok && !p.at.IsZero() && end >= p.last && passed > 0 {
		rate = float64(end-p.last) / passed
	}
	if ok {
		p.last, p.at = end, now
	}
	p.counts = append(p.counts, rate)
	p.counts = p.counts[max(0, len(p.counts)-paceSpan):]
}

// now is the mean of the last five seconds that are known; negative: none is.
func (p *pace) now() float64 {
	sum, n := 0.0, 0
	for _, c := range p.counts[max(0, len(p.counts)-5):] {
		if c >= 0 {
			sum, n = sum+c, n+1
		}
	}
	if n == 0 {
		return -1
	}
	return sum / float64(n)
}
