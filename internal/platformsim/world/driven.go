package world

import (
	"strconv"
	"time"

	"aiccbridge/internal/platformsim/world/phone"
)

// Phone is the telephone of a signed-in agent, for his client; nil: he is not. From now
// on the client does what an agent does with calls.
func (w *World) Phone(id string) (p *phone.Phone) {
	_ = w.with(id, func(a *agent) { // without a session there is no phone
		a.session.driven = true
		p = a.session.phone
	})
	return p
}

func (t *shift) isDriven() bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.s.driven
}

// offer brings a queued call or chat to the agent's client, and goes on until the agent
// has none.
func (t *shift) offer(chat bool) {
	c := t.newCall(typeInbound)
	c.enterQueue()
	if !t.queued([]step{{about(t.rng, t.w.o.Pace.Queue), func() {}}}) {
		t.w.end()
		c.ended(causeQueueCancelled)
		c.book()
		return
	}
	t.mu.Lock()
	t.seized = true // counted by who chose the activity
	t.mu.Unlock()
	t.s.phone.Offer(&driven{call: c}, chat)
	t.drive()
}

// drive does what the phone has to do until there is no call; false when the session or
// the world has ended.
func (t *shift) drive() bool {
	hush, limit := t.w.hush, time.Duration(0)
	for {
		select {
		case <-t.s.done:
			return t.hangUp()
		case <-t.ctx.Done():
			return t.hangUp()
		case <-hush:
			hush, limit = nil, hurry
		default:
		}
		do, wait, quiet := t.s.phone.Next(t.now(), limit)
		switch {
		case quiet:
			return true
		case do != nil:
			do()
		default:
			t.sleep(wait, hush)
		}
	}
}

// sleep waits for a time, negative: as long as it takes, or until something happens.
func (t *shift) sleep(d time.Duration, hush <-chan struct{}) {
	var due <-chan time.Time
	if d >= 0 {
		timer := time.NewTimer(d)
		defer timer.Stop()
		due = timer.C
	}
	select {
	case <-due:
	case <-t.wake:
	case <-hush:
	case <-t.s.done:
	case <-t.ctx.Done():
	}
}

// hangUp ends what the end of the session cuts short.
func (t *shift) hangUp() bool {
	t.s.phone.Close()
	t.unseize()
	return false
}

func (t *shift) unseize() {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.freed()
}

// freed notes that no call keeps the agent running. The caller holds mu.
func (t *shift) freed() {
	if t.seized {
		t.seized = false
		t.w.end()
	}
}

// line is an agent's place in the contact centre, as his phone sees it.
type line struct{ t *shift }

func (l line) Agent() string                         { return l.t.ID }
func (l line) Wake()                                 { l.t.nudge() }
func (l line) Busy()                                 { l.t.busy() }
func (l line) Send(typ string, content any)          { l.t.send(typ, content) }
func (l line) Vary(mean time.Duration) time.Duration { return about(l.t.rng, mean) }
func (l line) AutoAnswer() bool                      { return l.t.answersItself(true) }
func (l line) Call(kind int, number string) phone.Call {
	return &driven{call: l.t.callWith(kind, number)}
}

// Find is the phone of another signed-in agent whom his client drives.
func (l line) Find(id string) (p *phone.Phone) {
	if id == l.t.ID {
		return nil
	}
	_ = l.t.w.with(id, func(a *agent) {
		if a.session.driven {
			p = a.session.phone
		}
	})
	return p
}

// Seize keeps the agent for a call.
func (l line) Seize() bool {
	t := l.t
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.session != t.s || t.taken || t.state == InCall || t.state == Resting || !t.w.begin() {
		return false
	}
	t.taken, t.seized = true, true
	return true
}

// Free ends that, in idle or wrap-up. What was asked for meanwhile is fulfilled, after
// the wrap-up if there is one.
func (l line) Free() {
	t := l.t
	t.mu.Lock()
	defer t.mu.Unlock()
	t.freed()
	if t.session != t.s {
		return
	}
	t.taken = false
	switch {
	case t.state != InCall:
	case t.s.in.WrapUpAfterCall:
		t.move(WrapUp, opWrapUp, 0, t.event("AgentState_Work", nil))
		return
	default:
		t.move(Idle, opIdle, 0, t.event("AgentState_Ready", nil))
	}
	if p := t.pending; p != nil {
		t.pending = nil
		_ = t.ask(*p) // a rest in a rest: he has what he asked for
	}
}

// Missed makes the agent not ready once he is free: he did not answer for long.
func (l line) Missed() {
	l.t.mu.Lock()
	defer l.t.mu.Unlock()
	if l.t.session == l.t.s && l.t.pending == nil {
		l.t.pending = &Wish{State: Busy, Cause: 2}
	}
}

// driven is a call as a phone uses it.
type driven struct{ *call }

func (d *driven) ID() string                       { return d.id }
func (d *driven) Begun() time.Time                 { return d.begun }
func (d *driven) Kind() int                        { return d.kind }
func (d *driven) Parties() (caller, called string) { return d.parties() }
func (d *driven) Other() string                    { return d.customer }
func (d *driven) Answered()                        { d.answered() }
func (d *driven) Book()                            { d.book() }
func (d *driven) RecordDue() bool                  { return d.t.rng.IntN(100) < d.t.w.o.Recorded }
func (d *driven) Record()                          { d.record() }
func (d *driven) Joined()                          { d.joined = d.t.now() }
func (d *driven) Move(to phone.Line)               { d.t = to.(line).t }

// At moves the call on to a device.
func (d *driven) At(device int, number string) {
	if device == phone.Agent && number == d.t.ID {
		d.enterAgent()
		return
	}
	n, _ := strconv.Atoi(number) // a long number is none of the column
	l := d.enter(device, n, "")
	if device == phone.Queue {
		l.WaitBegin = d.t.now()
	} else {
		l.CallBegin = d.t.now()
	}
}

// Hold begins or ends the music.
func (d *driven) Hold(on bool) {
	if on {
		d.holdBegin = d.t.now()
	} else {
		d.unhold()
	}
}

func (d *driven) StopRecord() {
	if n := len(d.recordings); n > 0 && d.recordings[n-1].end.IsZero() {
		d.stopRecord()
	}
}

func (d *driven) Parted() {
	if !d.joined.IsZero() {
		d.t.operation(d.t.s, opThree, -1, d.joined, d.t.now(), d.id)
		d.joined = time.Time{}
	}
}

func (d *driven) Chatted() {
	if begin := d.leg().CallBegin; !begin.IsZero() {
		d.t.operation(d.t.s, opChat, -1, begin, d.t.now(), d.id)
	}
}

func (d *driven) End(cause int) {
	if len(d.legs) > 0 {
		d.ended(cause)
	}
}
