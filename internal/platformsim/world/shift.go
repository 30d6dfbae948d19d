package world

import (
	"context"
	"strconv"
	"time"
)

// hurry is the longest wait inside an activity after Quiesce.
const hurry = 100 * time.Millisecond

// shift plays one session of one agent. Its methods run in the agent's
// goroutine.
type shift struct {
	*agent
	s   *session
	ctx context.Context
}

// step is one thing that happens, some time after the step before.
type step struct {
	after time.Duration
	do    func()
}

// activity is something an agent may do next, weight times as often as one of
// weight 1.
type activity struct {
	name   string
	weight int
	play   func(*shift)
}

// activities is the mix of a working day.
var activities = []activity{
	{"inbound", 46, (*shift).inbound},
	{"no_answer", 6, (*shift).inboundNotAnswered},
	{"outbound", 20, (*shift).outbound},
	{"callee_silent", 5, (*shift).outboundNotAnswered},
	{"agent_silent", 3, (*shift).outboundNotLifted},
	{"chat", 6, (*shift).chat},
	{"rest", 5, (*shift).rest},
	{"not_ready", 5, (*shift).notReady},
	{"work", 4, (*shift).wrapUpByHand},
}

// work lives through the session: idle time, then an activity, and again.
func (t *shift) work() {
	for t.idle(about(t.rng, t.w.o.Pace.Idle)) {
		play := t.choose()
		if !t.w.begin() {
			continue
		}
		play(t)
		t.w.end()
	}
}

// choose draws the next activity. It draws once, whatever the outcome.
func (t *shift) choose() func(*shift) {
	total := 0
	for _, a := range activities {
		total += a.weight
	}
	n := t.rng.IntN(total)
	for _, a := range activities {
		if t.w.o.only == a.name {
			return a.play
		}
	}
	for _, a := range activities {
		if n -= a.weight; n < 0 {
			return a.play
		}
	}
	return (*shift).inbound
}

// idle waits until it is time for an activity; false when the session or the
// world has ended. Time only counts while the agent is idle and signed in to
// his skills; wishes are granted here, so never during a call.
func (t *shift) idle(d time.Duration) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	due := false
	for {
		ready := t.grant()
		if ready && due {
			return true
		}
		select {
		case <-t.ctx.Done():
			return false
		case <-t.s.done:
			return false
		case <-t.wake:
		case <-timer.C:
			due = true
		}
	}
}

// play performs the steps in order; false when the session or the world ended
// before the last.
func (t *shift) play(steps []step) bool {
	for _, s := range steps {
		if !t.pause(s.after) {
			return false
		}
		s.do()
	}
	return true
}

// pause waits inside an activity.
func (t *shift) pause(d time.Duration) bool {
	done := t.s.done
	if d > 0 {
		timer := time.NewTimer(d)
		defer timer.Stop()
		hush := t.w.hush
		for waiting := true; waiting; {
			select {
			case <-timer.C:
				waiting = false
			case <-hush:
				hush = nil
				timer.Reset(min(d, hurry))
			case <-done:
				return false
			case <-t.ctx.Done():
				return false
			}
		}
	}
	select {
	case <-done:
		return false
	default:
		return t.ctx.Err() == nil
	}
}

func (t *shift) send(typ string, content any) { t.emit(t.s, typ, content) }

// sending is send as a step's action.
func (t *shift) sending(typ string, content any) func() {
	return func() { t.send(typ, content) }
}

// grant fulfils what was asked for and reports whether the agent may take a
// call.
func (t *shift) grant() bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.session != t.s {
		return false
	}
	for _, wish := range t.wishes {
		t.fulfil(wish)
	}
	t.wishes = nil
	return t.state == Idle && (t.s.skills || t.w.o.CallsWithoutSkills)
}

// leaving names the event with which a state ends.
var leaving = map[int]string{
	Busy:    "AgentState_CancelNotReady_Success",
	Resting: "AgentState_CancelRest_Success",
	WrapUp:  "AgentState_CancelWork_Success",
}

// fulfil moves the agent to the state wished for. The caller holds mu.
func (t *shift) fulfil(wish Wish) {
	if wish.State == t.state {
		return
	}
	op, e := opIdle, t.event(leaving[t.state], nil)
	switch wish.State {
	case Busy:
		op, e = opBusy, t.event("AgentState_SetNotReady_Success", reason{strconv.Itoa(wish.Cause)})
	case Resting:
		op, e = opRest, t.event("AgentState_SetRest_Success", reason{strconv.Itoa(wish.Cause)})
	case WrapUp:
		op, e = opWrapUp, t.event("AgentState_SetWork_Success", nil)
	}
	t.state = wish.State
	t.closeSpell()
	t.spell = spell{op: op, cause: wish.Cause, begin: t.w.o.Now(), skills: "1"}
	t.s.in.Deliver(e)
}
