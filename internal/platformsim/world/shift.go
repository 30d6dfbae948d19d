package world

import (
	"context"
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

	seized bool // by his phone, or for it; counted as running; guarded by agent.mu
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
		next := t.choose()
		switch {
		case !t.w.begin():
		case t.isDriven():
			t.offer(next.name == "chat")
			continue
		default:
			next.play(t)
			t.w.end()
		}
		t.letGo()
	}
}

// choose draws the next activity. It draws once, whatever the outcome.
func (t *shift) choose() activity {
	total := 0
	for _, a := range activities {
		total += a.weight
	}
	n := t.rng.IntN(total)
	for _, a := range activities {
		if t.w.o.only == a.name {
			return a
		}
	}
	for _, a := range activities {
		if n -= a.weight; n < 0 {
			return a
		}
	}
	return activities[0]
}

// idle waits until it is time for an activity, and takes the agent for it; false
// when the session or the world has ended. It does so only while he is idle and
// signed in to his skills.
func (t *shift) idle(d time.Duration) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	due := false
	for {
		if !t.drive() {
			return false
		}
		if due && t.take() {
			return true
		}
		select {
		case <-t.remind():
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

// queued plays steps of which the first is that a call comes out of its queue. Until
// then the agent is free, and the call goes elsewhere if he leaves idle.
func (t *shift) queued(steps []step) bool {
	t.letGo()
	if !t.wait(steps[0].after, Idle) || !t.take() {
		return false
	}
	steps[0].do()
	return t.play(steps[1:])
}

// pause waits inside an activity.
func (t *shift) pause(d time.Duration) bool { return t.wait(d, 0) }

// wait waits inside an activity, while the agent is in a state; 0: whatever it is.
// It is false when that has changed, or the session or the world has ended.
func (t *shift) wait(d time.Duration, state int) bool {
	done := t.s.done
	var wake <-chan struct{}
	if state != 0 {
		wake = t.wake
	}
	if d > 0 {
		timer := time.NewTimer(d)
		defer timer.Stop()
		hush := t.w.hush
		for waiting := true; waiting; {
			if state != 0 && (!t.is(state) || !t.s.phone.Quiet()) {
				return false
			}
			select {
			case <-wake:
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
		return t.ctx.Err() == nil && (state == 0 || t.is(state))
	}
}

func (t *shift) send(typ string, content any) { t.emit(t.s, typ, content) }

// sending is send as a step's action.
func (t *shift) sending(typ string, content any) func() {
	return func() { t.send(typ, content) }
}
