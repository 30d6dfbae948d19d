package world

import (
	"cmp"
	"strconv"
	"time"

	"aiccbridge/internal/platformsim/world/content"
)

// Wish is a state change asked for from outside.
type Wish struct {
	State int // Busy, Idle, WrapUp, Resting
	// Of is, with Idle, the state that shall end: Busy, WrapUp or Resting. 0 ends
	// busy and wrap-up.
	Of    int
	Cause int // reason given by the client
	// For is how long a rest lasts; then the agent is reminded, and stays in rest.
	// 0: he is not reminded.
	For time.Duration
	// Prolong asks for Busy or Resting anew where the agent is that already.
	Prolong bool
}

// Ask requests a state change. It takes effect, and sends its event, at once, or
// when the agent's running call and its wrap-up have ended; only one thing waits,
// the last one asked for. To ask for Idle withdraws what waits, and ends a wrap-up.
// Errors: ErrUnknownAgent, ErrSignedOut, ErrWrongState.
func (w *World) Ask(id string, wish Wish) error {
	var refused error
	err := w.with(id, func(a *agent) {
		refused = a.ask(wish)
		a.nudge()
	})
	return cmp.Or(err, refused)
}

// ask fulfils a wish, keeps it or refuses it. The caller holds mu.
func (a *agent) ask(wish Wish) error {
	switch {
	case wish.State == Idle:
		return a.release(wish)
	case a.taken:
		a.pending = &wish
	case wish.State == Resting && a.state == Resting && !wish.Prolong:
		return ErrWrongState
	case wish.State != a.state || wish.Prolong && wish.State != WrapUp:
		a.fulfil(wish)
	}
	return nil
}

// release withdraws what waits, or ends the state the agent is in. The caller
// holds mu.
func (a *agent) release(wish Wish) error {
	if p := a.pending; p != nil && (wish.Of == 0 || wish.Of == p.State) {
		a.pending = nil
	}
	switch {
	case a.state == Idle || a.state == InCall:
		return nil // there is nothing to end
	case wish.Of != 0 && wish.Of != a.state, wish.Of == 0 && a.state == Resting:
		return ErrWrongState
	}
	a.fulfil(wish)
	if p := a.pending; p != nil && a.state == Idle { // it waited for the end of the wrap-up
		a.pending = nil
		a.fulfil(*p)
	}
	return nil
}

// leaving names the event with which a state ends.
var leaving = map[int]string{
	Busy:    "AgentState_CancelNotReady_Success",
	Resting: "AgentState_CancelRest_Success",
	WrapUp:  "AgentState_CancelWork_Success",
}

// fulfil moves the agent to the state wished for. The caller holds mu.
func (a *agent) fulfil(wish Wish) {
	why := content.Reason{Reason: strconv.Itoa(wish.Cause)}
	switch wish.State {
	case Busy:
		a.move(Busy, opBusy, wish.Cause, a.event("AgentState_SetNotReady_Success", why))
	case Resting:
		a.move(Resting, opRest, wish.Cause, a.event("AgentState_SetRest_Success", why))
		a.rest(wish.Cause, wish.For)
	case WrapUp:
		a.move(WrapUp, opWrapUp, wish.Cause, a.event("AgentState_SetWork_Success", nil))
	case Idle:
		ends := "AgentState_Ready"
		if wish.Of != 0 {
			ends = leaving[a.state]
		}
		a.move(Idle, opIdle, wish.Cause, a.event(ends, nil))
	}
}

// rest completes the running spell. The caller holds mu.
func (a *agent) rest(cause int, length time.Duration) {
	a.spell.cause = cause
	if length > 0 {
		a.spell.until = a.spell.begin.Add(length)
	}
}

// remind tells an agent whose rest is over so, and otherwise when to look again;
// nil: never.
func (t *shift) remind() <-chan time.Time {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.session != t.s || t.spell.until.IsZero() {
		return nil
	}
	if left := t.spell.until.Sub(t.w.o.Now()); left > 0 {
		return time.After(left)
	}
	t.spell.until = time.Time{}
	t.s.in.Deliver(t.event("AgentState_Rest_Timeout", nil))
	return nil
}

// take keeps an idle agent for an activity; false if he may not have one.
func (t *shift) take() bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.session != t.s || t.taken || t.state != Idle || !t.s.skills && !t.w.o.CallsWithoutSkills {
		return false
	}
	t.taken = true
	return true
}

// letGo ends that, and fulfils what was asked for meanwhile.
func (t *shift) letGo() {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.session != t.s {
		return
	}
	t.taken = false
	if p := t.pending; p != nil {
		t.pending = nil
		_ = t.ask(*p) // a rest in a rest: he has what he asked for
	}
}

// is reports whether the session still runs and the agent is in a state.
func (t *shift) is(state int) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.session == t.s && t.state == state
}

// stay keeps the agent in a state for a while; then it ends with an event, unless
// it was ended from outside.
func (t *shift) stay(state int, length time.Duration, end string) {
	if !t.wait(length, state) {
		return
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.session == t.s && t.state == state {
		t.move(Idle, opIdle, 0, t.event(end, nil))
	}
}

// AutoAnswer says how inbound calls are answered from the next one on.
func (w *World) AutoAnswer(id string, automatic bool) error {
	return w.with(id, func(a *agent) { a.session.in.AutoAnswer = &automatic })
}

// AutoEnterIdle says whether calls end in idle or in wrap-up, that of now included.
func (w *World) AutoEnterIdle(id string, idle bool) error {
	return w.with(id, func(a *agent) { a.session.in.WrapUpAfterCall = !idle })
}

// answersItself reports whether the next inbound call is answered automatically;
// otherwise is what the agent does whom nobody told.
func (t *shift) answersItself(otherwise bool) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	if a := t.s.in.AutoAnswer; a != nil {
		return *a
	}
	return otherwise
}

// wrapsUp reports whether a call that ends now ends in wrap-up.
func (t *shift) wrapsUp() bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.s.in.WrapUpAfterCall
}
