package phone

import (
	"errors"
	"sync"
	"time"

	"aiccbridge/internal/platformsim/world/content"
)

// What a client is refused for. ErrState is the agent's, the others are the phone's.
var (
	ErrCallOut  = errors.New("the agent cannot call this number now")
	ErrAnswer   = errors.New("there is no call to answer")
	ErrMute     = errors.New("there is no talk to mute")
	ErrHold     = errors.New("there is no talk to hold")
	ErrUnhold   = errors.New("there is no held call")
	ErrThree    = errors.New("there are no two calls to join")
	ErrTransfer = errors.New("there is no call to transfer, or nowhere to")
	ErrRelease  = errors.New("there is no such call to release")
	ErrHelp     = errors.New("there is no call to ask for help with, or nobody to ask")
	ErrChat     = errors.New("there is no such chat")
)

// Kinds of calls (call_type, page cec_07_0840; the feature of events).
const (
	Inbound, Internal, Outbound, Preview, Help, ThreeParty = 0, 6, 7, 44, 51, 52
)

// Release causes of calls (page cec_07_0837).
const (
	Normal, NoAnswer = 0, 8
)

// Devices to which a call may go; the last is an outside number.
const (
	Queue, Agent, IVR, Outside = 1, 2, 3, 5
)

// Line is an agent's place in the contact centre. Seize, Call, Find and Wake may be
// called at any time, the others by steps only.
type Line interface {
	Agent() string
	// Seize keeps a signed-in agent for a call, unless he has one; Free lets him go, in
	// idle or wrap-up.
	Seize() bool
	Free()
	// Call begins a call to or from a number.
	Call(kind int, number string) Call
	// Find is the phone of another signed-in agent; nil: there is none.
	Find(agent string) *Phone
	// Wake has Next asked again.
	Wake()

	Busy() // he is in a call
	Send(typ string, content any)
	// Vary draws a duration around a mean.
	Vary(mean time.Duration) time.Duration
	// AutoAnswer reports whether calls are answered by themselves.
	AutoAnswer() bool
	// Missed makes him not ready once he is free: he did not answer.
	Missed()
}

// Call is one call as the contact centre books it.
type Call interface {
	ID() string
	Begun() time.Time
	Kind() int
	// Parties are the numbers as the agent's events name them, Other is the other side's.
	Parties() (caller, called string)
	Other() string
	// At moves the call on to a device; Answered begins the talk there.
	At(device int, number string)
	Answered()
	Hold(on bool)    // keeps the time of it
	RecordDue() bool // whether this talk is recorded without being asked to
	Record()
	StopRecord() // if it is recorded
	// Joined and Parted keep the time of a talk of three.
	Joined()
	Parted()
	// Chatted notes a text chat that ends now.
	Chatted()
	End(cause int)
	// Book writes the rows of a call that has ended.
	Book()
	// Move hands the call to the line of another agent.
	Move(to Line)
}

// Pace is how long the other side takes.
type Pace struct {
	Signal, Ring, Talk, Queue time.Duration
}

// phase is what the phone is doing.
type phase int

const (
	idle phase = iota
	ringing
	dialing
	talking
	held
	consulting // the main call is held, somebody else is called
	consulted  // and talks
	conference
	away      // suspended to an IVR flow
	listening // to a recording
	ending
)

// leg is a call as this phone has it.
type leg struct {
	Call
	own  bool   // this phone books it; else the far one does
	chat bool   // a text chat
	far  *Phone // the agent at the other end, if it is one
	data string // what agents note with it (page cec_07_1263)
}

// step is something that happens, some time after what was before.
type step struct {
	mean time.Duration
	do   func()
	due  time.Time // zero: not drawn yet
}

// Phone is one agent's telephone for the length of a sign-in.
type Phone struct {
	line Line
	pace Pace

	mu      sync.Mutex
	phase   phase
	main    *leg
	consult *leg
	then    int // what becomes of the consultation: a mode of transfer, or advice
	muted   bool
	tape    tape
	playing playback
	steps   []step
	fate    *step // what the other side does when there is no step left
}

// New returns a phone on which nothing happens.
func New(line Line, pace Pace) *Phone { return &Phone{line: line, pace: pace} }

// Next returns what is to be done now, or else how long there is nothing to do
// (negative: until Wake). idle says that there is no call. limit, when positive, is the
// longest wait, and ends calls that would go on.
func (p *Phone) Next(now time.Time, limit time.Duration) (do func(), wait time.Duration, quiet bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	next := p.fate
	if len(p.steps) > 0 {
		next = &p.steps[0]
	}
	switch {
	case next == nil && p.phase == idle:
		return nil, 0, true
	case next == nil && limit > 0:
		p.fate = &step{do: p.otherLeaves}
		next = p.fate
	case next == nil:
		return nil, -1, false
	}
	if next.due.IsZero() {
		next.due = now
		if next.mean > 0 {
			next.due = now.Add(p.line.Vary(next.mean))
		}
	}
	if limit > 0 && next.due.Sub(now) > limit {
		next.due = now.Add(limit)
	}
	if left := next.due.Sub(now); left > 0 {
		return nil, left, false
	}
	if len(p.steps) > 0 {
		p.steps = p.steps[1:]
	} else {
		p.fate = nil
	}
	return next.do, 0, false
}

// Quiet reports whether there is no call.
func (p *Phone) Quiet() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.phase == idle && len(p.steps) == 0
}

// Close ends what the sign-out cuts short. Only whoever runs the steps may call it.
func (p *Phone) Close() {
	p.mu.Lock()
	main, consult := p.main, p.consult
	p.main, p.consult, p.steps, p.fate, p.phase = nil, nil, nil, nil, ending
	p.mu.Unlock()
	for _, l := range []*leg{consult, main} {
		if l == nil {
			continue
		}
		if l.far != nil {
			l.far.farLeft(l.ID())
		}
		if l.own {
			l.Book()
		}
	}
}

// post adds steps. The caller holds mu.
func (p *Phone) post(steps ...step) {
	p.steps = append(p.steps, steps...)
	p.line.Wake()
}

// change does something to the phone from a step.
func (p *Phone) change(f func()) {
	p.mu.Lock()
	defer p.mu.Unlock()
	f()
}

// soon is a step of switching.
func (p *Phone) soon(do func()) step { return step{mean: p.pace.Signal, do: do} }

// sending is a step that only sends an event.
func (p *Phone) sending(typ string, what any) step {
	return p.soon(func() { p.line.Send(typ, what) })
}

// fateAfter sets what the other side does when nothing else happens. The caller holds mu.
func (p *Phone) fateAfter(mean time.Duration, do func()) {
	p.fate = &step{mean: mean, do: do}
	p.line.Wake()
}

// sayTalking also follows un-hold and the end of a consultation.
func (p *Phone) sayTalking(l *leg, typ string) {
	caller, called := l.Parties()
	p.line.Send("AgentEvent_Talking", content.Talking{
		Caller: caller, CallID: l.ID(), Called: called, Feature: feature(l), Type: typ, MediaAbility: "1",
	})
}

func (p *Phone) alert(l *leg, typ string) {
	p.line.Send("AgentEvent_Customer_Alerting", content.CustomerAlerting{
		CallID: l.ID(), OtherPhone: l.Other(), Type: typ,
	})
}
