package world

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"strconv"
	"strings"
	"sync"
	"time"

	"aiccbridge/internal/platformsim/fault"
	"aiccbridge/internal/platformsim/world/ledger"
	"aiccbridge/internal/platformsim/world/seat"
)

// skillName is what the one skill is called.
const skillName = "sales"

// Errors of the session calls.
var (
	ErrUnknownAgent = errors.New("agent is not known")
	ErrSignedIn     = errors.New("agent is signed in already")
	ErrSignedOut    = errors.New("agent is not signed in")
	ErrInCall       = errors.New("agent is in a call")
	ErrWrongState   = errors.New("agent's state does not allow this")
)

// Agent is one configured agent.
type Agent struct {
	ID, Phone, Password string
}

// World is the contact centre. Create it with New, drive it with Run. All
// methods are safe for concurrent use.
type World struct {
	o      Options
	agents []*agent
	byID   map[string]*agent
	seats  *seat.Keeper
	hush   chan struct{} // closed by Quiesce
	book   ledger.Book

	mu       sync.Mutex
	running  int // activities which still send events
	quiesced bool
}

// New builds a contact centre in which nobody is signed in.
func New(o Options) (*World, error) {
	o, err := o.withDefaults()
	if err != nil {
		return nil, err
	}
	w := &World{o: o, byID: make(map[string]*agent, o.Agents), hush: make(chan struct{}), seats: seat.New(SignedOut, o.Now, o.Moved)}
	for i := range o.Agents {
		r := rand.New(rand.NewPCG(o.Seed, uint64(i)+1))
		a := &agent{
			w: w, index: i, rng: r, wake: make(chan struct{}, 1), state: SignedOut,
			Agent: Agent{
				ID:       strconv.Itoa(o.FirstAgent + i),
				Phone:    strconv.Itoa(70001 + i),
				Password: fmt.Sprintf("Pw-%08x", r.Uint32()),
			},
		}
		w.agents = append(w.agents, a)
		w.byID[a.ID] = a
	}
	return w, nil
}

// Agents returns the configured agents in ascending order.
func (w *World) Agents() []Agent {
	out := make([]Agent, len(w.agents))
	for i, a := range w.agents {
		out[i] = a.Agent
	}
	return out
}

// Agent returns one configured agent.
func (w *World) Agent(id string) (Agent, bool) {
	a, ok := w.byID[id]
	if !ok {
		return Agent{}, false
	}
	return a.Agent, true
}

// Skill is a queue of calls.
type Skill struct {
	Name  string
	ID    int
	Media int // media type (page cec_07_1202); 5: voice
}

// Skills are those that an agent is configured for; none for an unknown one.
func (w *World) Skills(id string) []Skill {
	if _, ok := w.byID[id]; !ok {
		return nil
	}
	return []Skill{{skillName, w.o.Skill, 5}}
}

// AccountID is the tenant space all rows belong to.
func (w *World) AccountID() string { return w.o.AccountID }

// Run lets the agents work until ctx ends, and returns when all have stopped.
// Calls still running then are booked as they stand.
func (w *World) Run(ctx context.Context) error {
	var all sync.WaitGroup
	for _, a := range w.agents {
		all.Go(func() { a.run(ctx) })
	}
	all.Wait()
	return nil
}

// Quiesce stops new activities; those running end within a few steps of a
// tenth of a second. It cannot be undone.
func (w *World) Quiesce() {
	w.mu.Lock()
	defer w.mu.Unlock()
	if !w.quiesced {
		w.quiesced = true
		close(w.hush)
	}
}

// Running is the number of activities (calls, chats, rests) which still will
// send events. After Quiesce it falls to 0 and stays there.
func (w *World) Running() int {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.running
}

// begin reserves an activity; false after Quiesce.
func (w *World) begin() bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.quiesced {
		return false
	}
	w.running++
	return true
}

func (w *World) end() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.running--
}

// Rows returns the rows of kind with from <= At <= to which the file store
// can see at now, in ascending order of At.
func (w *World) Rows(kind Kind, from, to, now time.Time) []Row {
	return w.book.Read(kind, from, to, now)
}

// write stores a finished row. end is when its call or operation ended.
func (w *World) write(r Row, end time.Time) {
	r.At = r.At.Truncate(time.Second)
	r.Known = end.Round(0).Add(w.o.SyncDelay)
	// The row itself decides, not a generator: rows are also written by the
	// goroutine which signs an agent out.
	o := fault.Occasion{Agent: r.AgentID, Kinds: []string{r.Kind.Word()}, Key: strings.Join(r.Cells, "")}
	if f := w.o.Faults.First(o, syncLate); f != nil {
		r.Known = r.Known.Add(time.Duration(f.Delay))
	}
	if w.o.Faults.First(o, syncNever) != nil {
		w.book.Withhold(r)
		return
	}
	w.book.Write(r)
}

// Withheld are the rows that the file store will never see, in the order in which they were
// written.
func (w *World) Withheld() []Row { return w.book.Withheld() }

// text prints a time for a cell; the zero time is an empty cell.
func (w *World) text(t time.Time) string {
	if t.IsZero() {
		return ""
	}
	return t.In(w.o.Written).Format(TimeLayout)
}
