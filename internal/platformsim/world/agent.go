package world

import (
	"context"
	"math/rand/v2"
	"strconv"
	"strings"
	"sync"
	"time"

	"aiccbridge/internal/platformsim/world/phone"
)

// Agent states of the gateway (page cec_07_1431).
const (
	SignedOut = 2
	Busy      = 3 // not ready
	Idle      = 4
	WrapUp    = 5
	InCall    = 7
	Resting   = 8
)

// Operation types of the agent-operation rows (page cec_07_0838).
const (
	opSignOut = 0
	opSignIn  = 1
	opIdle    = 2
	opBusy    = 3
	opChat    = 4
	opThree   = 10
	opRest    = 26
	opWrapUp  = 27
	opHold    = 38
	opNone    = -1
)

// agent is one of the agents. rng and tasks belong to the goroutine of run; the
// fields below mu to whoever holds it.
type agent struct {
	Agent
	w     *World
	index int
	rng   *rand.Rand
	tasks int // recordings so far
	wake  chan struct{}

	mu      sync.Mutex
	session *session // nil: signed out
	logons  int
	calls   int // handles given so far
	ops     int // operation rows so far
	state   int
	spell   spell
	taken   bool  // by an activity: what is asked for waits
	pending *Wish // what waits
}

// session is one sign-in.
type session struct {
	in      SignIn // AutoAnswer and WrapUpAfterCall guarded by agent.mu
	serial  string // logon_sn
	done    chan struct{}
	skills  bool // resetskill came; guarded by agent.mu
	started time.Time
	phone   *phone.Phone
	shift   *shift // belongs to the goroutine of run
	driven  bool   // its client does what an agent does with calls; guarded by agent.mu
}

// spell is a state which becomes an operation row when it ends.
type spell struct {
	op, cause int
	begin     time.Time
	until     time.Time // of a rest that was asked for: when he is reminded
	skills    string    // skillInfo_sn
	phone     string
	call      string
}

// run plays session after session until ctx ends.
func (a *agent) run(ctx context.Context) {
	for ctx.Err() == nil {
		a.mu.Lock()
		s := a.session
		a.mu.Unlock()
		if s != nil {
			s.shift.ctx = ctx
			s.shift.work()
			continue
		}
		select {
		case <-ctx.Done():
		case <-a.wake:
		}
	}
}

// nudge makes the goroutine of run look at the agent again.
func (a *agent) nudge() {
	select {
	case a.wake <- struct{}{}:
	default: // one is waiting already
	}
}

// change moves a signed-in agent to another state: it ends the running spell,
// begins the next (op opNone: none) and sends the events. It does nothing once
// the session is over.
func (a *agent) change(s *session, state, op, cause int, events ...Event) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.session == s {
		a.move(state, op, cause, events...)
	}
}

// move is change for one who holds mu and knows the session.
func (a *agent) move(state, op, cause int, events ...Event) {
	a.state = state
	a.w.seats.Enter(a.ID, state, cause, a.session.started)
	a.closeSpell()
	if op != opNone {
		a.spell = spell{op: op, cause: cause, begin: a.w.o.Now(), skills: "1"}
	}
	for _, e := range events {
		a.session.in.Deliver(e)
	}
}

// emit sends one event, if the session still runs.
func (a *agent) emit(s *session, typ string, content any) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if s.in.OffHook && strings.HasPrefix(typ, "AgentOther_Phone") {
		return
	}
	if a.session == s {
		s.in.Deliver(a.event(typ, content))
	}
}

func (a *agent) event(typ string, content any) Event {
	return Event{At: a.w.o.Now(), Type: typ, Content: encode(content)}
}

// closeSpell writes the running spell's row. The caller holds mu.
func (a *agent) closeSpell() {
	if a.spell.begin.IsZero() {
		return
	}
	a.writeOperation(a.session, a.spell, -1, a.w.o.Now())
	a.spell = spell{}
}

// writeOperation adds an agentOprInfo row. The caller holds mu.
func (a *agent) writeOperation(s *session, p spell, object int, end time.Time) {
	w := a.w
	a.ops++
	skill := ""
	if p.call != "" {
		skill = strconv.Itoa(w.o.Skill)
	}
	media := "5"
	if p.op == opChat {
		media = "1"
	}
	w.write(Row{
		Kind: Operation, At: p.begin, AgentID: a.ID, CallID: p.call,
		Cells: []string{
			strconv.Itoa((a.index+1)*10_000_000 + a.ops), w.o.Developer, w.o.AccountID, a.ID, "", skill, p.call,
			w.text(p.begin), w.text(end), strconv.Itoa(p.op), strconv.Itoa(object), strconv.Itoa(p.cause),
			media, strconv.Itoa(w.o.VDN), strconv.Itoa(w.o.CC), "4", p.phone, "0", "0", s.serial, p.skills,
		},
	}, end)
}

// operation adds the row of something which is not a state, such as a hold.
func (a *agent) operation(s *session, op, object int, begin, end time.Time, call string) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.writeOperation(s, spell{op: op, begin: begin, skills: "1", call: call}, object, end)
}
