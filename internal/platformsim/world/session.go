package world

import (
	"cmp"
	"fmt"
	"strconv"
	"time"

	"aiccbridge/internal/platformsim/world/content"
	"aiccbridge/internal/platformsim/world/phone"

	"aiccbridge/internal/platformsim/world/seat"
)

// SignIn is what an agent brings along.
type SignIn struct {
	// Status is the state after sign-in: Busy, Idle (default), WrapUp or Resting.
	// RestFor and RestCause are those of the rest, as in a Wish.
	Status    int
	RestFor   time.Duration
	RestCause int
	// AutoAnswer fixes how inbound calls are answered; nil leaves it to the
	// agent, who changes his mind from call to call.
	AutoAnswer *bool
	// WrapUpAfterCall is autoenteridle=false: every call ends in wrap-up.
	WrapUpAfterCall bool
	// OffHook is releasephone=false: the phone stays lifted between calls, so
	// nothing is ever heard of it.
	OffHook bool
	// Address is the agent's IP for the sign-in row.
	Address string
	// Deliver takes the session's events, one at a time, in order. It must
	// not block and must not call the world. Required.
	Deliver func(Event)
}

// Status is an agent's state as agentstatus reports it.
type Status struct {
	State  int  // SignedOut, Busy, Idle, WrapUp, InCall, Resting
	InCall bool // answering or talking: a plain sign-out is refused
	// Pending is Busy or Resting when that was asked for and waits for the end of
	// a call; otherwise 0.
	Pending int
}

// SignIn signs an agent in, sends the events of a sign-in and returns its
// time. Errors: ErrUnknownAgent, ErrSignedIn.
func (w *World) SignIn(id string, in SignIn) (time.Time, error) {
	a, ok := w.byID[id]
	if !ok {
		return time.Time{}, ErrUnknownAgent
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.session != nil {
		return time.Time{}, ErrSignedIn
	}
	now := w.o.Now()
	a.logons++
	s := &session{in: in, done: make(chan struct{}), started: now, serial: fmt.Sprintf("%d-%d", now.Unix(), a.logons)}
	s.shift = &shift{agent: a, s: s}
	s.phone = phone.New(line{s.shift}, w.o.Pace.ofPhones())
	s.driven = w.o.Softphone
	a.session, a.taken, a.pending = s, false, nil
	a.writeOperation(s, spell{op: opSignIn, begin: now, phone: cmp.Or(in.Address, "127.0.0.1")}, -1, now)
	a.writeSkills(s)
	a.greet(cmp.Or(in.Status, Idle))
	a.nudge()
	return now, nil
}

// greet sends what follows every sign-in (page cec_07_1202) and begins the
// first spell. The caller holds mu.
func (a *agent) greet(status int) {
	s := a.session
	s.in.Deliver(a.event("AgentOther_InService", nil))
	s.in.Deliver(a.event("AgentState_Ready", nil))
	op := opIdle
	switch status {
	case Busy:
		op = opBusy
		s.in.Deliver(a.event("AgentState_SetNotReady_Success", content.Reason{Reason: "1"}))
	case WrapUp:
		op = opWrapUp
		s.in.Deliver(a.event("AgentState_Work", nil))
	case Resting:
		op = opRest
		s.in.Deliver(a.event("AgentState_SetRest_Success", content.Reason{Reason: strconv.Itoa(s.in.RestCause)}))
	}
	a.state = status
	a.w.seats.Enter(a.ID, status, s.in.RestCause, s.started)
	a.spell = spell{op: op, begin: s.started, skills: "1"}
	switch op {
	case opBusy:
		a.spell.cause = 1
	case opRest:
		a.rest(s.in.RestCause, s.in.RestFor)
	}
}

// writeSkills adds the skill row of a sign-in. The caller holds mu.
func (a *agent) writeSkills(s *session) {
	w, at := a.w, s.started
	w.write(Row{
		Kind: SkillGrant, At: at, AgentID: a.ID,
		Cells: []string{
			strconv.Itoa((a.index+1)*100_000 + a.logons), w.o.Developer, w.o.AccountID,
			strconv.Itoa(w.o.CC), strconv.Itoa(w.o.VDN), a.ID, w.text(at), "1", "1",
			strconv.Itoa(w.o.Skill), s.serial, "1", "", "0",
			at.UTC().Format(TimeLayout), // the only column in UTC
			strconv.Itoa(int(at.In(w.o.Location).Month())),
		},
	}, at)
}

// SignOut ends an agent's session at once, whatever he is doing, and sends no
// event. cause is the reason of the sign-out row: 1–255 given by the client,
// 256–264 as in page cec_07_0838. Errors: ErrUnknownAgent, ErrSignedOut.
func (w *World) SignOut(id string, cause int) error {
	return w.with(id, func(a *agent) {
		now := w.o.Now()
		a.closeSpell()
		a.writeOperation(a.session, spell{op: opSignOut, cause: cause, begin: now, skills: "1"}, -1, now)
		close(a.session.done)
		a.session, a.state = nil, SignedOut
		w.seats.Enter(id, SignedOut, cause, time.Time{})
	})
}

// ResetSkills signs the agent in to his skill queues: from now on calls come.
func (w *World) ResetSkills(id string) error {
	return w.with(id, func(a *agent) {
		a.session.skills = true
		a.nudge()
	})
}

// with does something to a signed-in agent, holding his mu.
func (w *World) with(id string, f func(*agent)) error {
	a, ok := w.byID[id]
	if !ok {
		return ErrUnknownAgent
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.session == nil {
		return ErrSignedOut
	}
	f(a)
	return nil
}

// Status reports an agent's state; SignedOut for an unknown one.
func (w *World) Status(id string) Status {
	a, ok := w.byID[id]
	if !ok {
		return Status{State: SignedOut}
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	st := Status{State: a.state, InCall: a.state == InCall}
	if a.pending != nil && a.pending.State != WrapUp {
		st.Pending = a.pending.State
	}
	return st
}

// Seat says where an agent stands, as a supervisor sees it; SignedOut for an unknown one.
func (w *World) Seat(id string) seat.Seat { return w.seats.Of(id) }
