package phone

import (
	"slices"
	"time"

	"aiccbridge/internal/platformsim/world/content"
)

// in reports whether there is a voice call, or a chat, in one of some phases. The caller
// holds mu.
func (p *Phone) in(chat bool, phases ...phase) bool {
	return p.main != nil && p.main.chat == chat && slices.Contains(phases, p.phase)
}

// command runs f if the phone is in one of some phases of a voice call.
func (p *Phone) command(refusal error, f func(), phases ...phase) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if !p.in(false, phases...) {
		return refusal
	}
	f()
	return nil
}

// Answer takes the ringing call.
func (p *Phone) Answer() error { return p.command(ErrAnswer, p.pickUp, ringing) }

// Reject refuses it.
func (p *Phone) Reject() error {
	return p.command(ErrAnswer, func() { p.refuse("AgentEvent_Call_Release", false) }, ringing)
}

// Mute and its end are heard by nobody but the other side.
func (p *Phone) Mute(on bool) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if !p.in(false, talking, consulted, conference) || p.muted == on {
		return ErrMute
	}
	p.muted = on
	return nil
}

// SecondDial sends digits to the other side, who does nothing with them.
func (p *Phone) SecondDial() error { return p.command(ErrCallOut, func() {}, talking, consulted) }

// Hold keeps the other side waiting.
func (p *Phone) Hold() error {
	return p.command(ErrHold, func() {
		l := p.main
		p.phase, p.fate = held, nil
		p.post(p.soon(func() { p.holdMain(l) }))
	}, talking)
}

func (p *Phone) holdMain(l *leg) {
	l.Hold(true)
	p.line.Send("AgentEvent_Hold", l.ID())
}

// Unhold goes back to a held call; its id may be left out.
func (p *Phone) Unhold(id string) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if !p.in(false, held) || id != "" && id != p.main.ID() {
		return ErrUnhold
	}
	l := p.main
	p.phase = talking
	p.post(p.soon(func() {
		l.Hold(false)
		p.sayTalking(l, "main")
	}))
	p.talkOn()
	return nil
}

// Release ends the call of now: the consultation with an adviser, or the call itself;
// the consultation of a talk transfer ends with the transfer.
func (p *Phone) Release() error {
	return p.command(ErrRelease, func() {
		switch {
		case p.consult != nil && p.phase == consulted && p.then == ModeTalk:
			p.handOver()
		case p.consult != nil && p.phase != conference && p.then == advice:
			p.giveUpConsult()
		case p.phase == ringing:
			p.refuse("AgentEvent_Call_Release", false)
		default:
			p.finish()
		}
	}, ringing, dialing, talking, held, consulting, consulted, conference, away)
}

// Drop ends the call of an id: the consultation, or all.
func (p *Phone) Drop(id string) error {
	return p.remove(func(l *leg) bool { return l.ID() == id })
}

// Disconnect removes the party of a number.
func (p *Phone) Disconnect(number string) error {
	return p.remove(func(l *leg) bool { return l.Other() == number })
}

// remove ends the consultation if it is meant, or all if the main call is.
func (p *Phone) remove(meant func(*leg) bool) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	switch {
	case p.phase == ending:
		return ErrRelease
	case p.consult != nil && meant(p.consult):
		p.giveUpConsult()
	case p.main != nil && !p.main.chat && meant(p.main):
		p.finish()
	default:
		return ErrRelease
	}
	return nil
}

// Snatch takes the call that rings at another agent's phone.
func (p *Phone) Snatch(agent string) error {
	other := p.line.Find(agent)
	if other == nil || other == p || !other.Rings() {
		return ErrAnswer
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.phase != idle || !p.line.Seize() {
		return ErrCallOut
	}
	p.phase = ending // until the other phone has given its call away
	p.post(p.soon(func() {
		l := other.giveAway(p.line)
		if l == nil {
			p.over()
			return
		}
		p.change(func() {
			p.ring(l, agent)
			p.post(p.soon(func() { _ = p.Answer() })) // it may be gone
		})
	}))
	return nil
}

// Rings reports whether a call that can be taken over rings here.
func (p *Phone) Rings() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.in(false, ringing) && p.main.own
}

// giveAway hands the ringing call to another line; nil: it has gone.
func (p *Phone) giveAway(to Line) *leg {
	p.mu.Lock()
	defer p.mu.Unlock()
	if !p.in(false, ringing) || !p.main.own || len(p.steps) > 0 {
		return nil
	}
	l := p.main
	l.Move(to)
	p.main, p.phase, p.fate = nil, ending, nil
	p.post(p.sending("AgentEvent_No_Answer", l.ID()), p.sending("AgentOther_PhoneRelease", content.PhoneState{State: 3}), p.soon(p.over))
	return l
}

// State is what the phone is doing, for who asks.
type State struct {
	CallID, Caller, Called, Other string
	Feature                       int
	Begun                         time.Time
	Held, Chat                    bool
	Data                          string // what was noted with it
}

// States are the calls of now, the main one first.
func (p *Phone) States() (all []State) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, l := range []*leg{p.main, p.consult} {
		if l != nil && p.phase != ending {
			caller, called := l.Parties()
			onHold := l == p.main && slices.Contains([]phase{held, consulting, consulted}, p.phase)
			all = append(all, State{l.ID(), caller, called, l.Other(), l.Kind(), l.Begun(), onHold, l.chat, l.data})
		}
	}
	return all
}

// Note keeps data with a call, with the main one if id is empty; false: there is no such call.
func (p *Phone) Note(id, data string) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, l := range []*leg{p.main, p.consult} {
		if l != nil && p.phase != ending && (id == "" || l.ID() == id) {
			l.data = data
			return true
		}
	}
	return false
}

// chatting runs f if there is a chat of this id in a phase.
func (p *Phone) chatting(id string, f func(), phases ...phase) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if !p.in(true, phases...) || p.main.ID() != id {
		return ErrChat
	}
	f()
	return nil
}

// AnswerChat and RejectChat are for one that rings, DropChat ends one.
func (p *Phone) AnswerChat(id string) error { return p.chatting(id, p.pickUp, ringing) }
func (p *Phone) RejectChat(id string) error {
	return p.chatting(id, func() { p.refuse("", false) }, ringing)
}
func (p *Phone) DropChat(id string) error {
	return p.chatting(id, p.finish, ringing, dialing, talking)
}

// Say sends a message in a chat. A customer answers each, an agent may.
func (p *Phone) Say(id, text string) error {
	return p.chatting(id, func() {
		l := p.main
		p.post(p.soon(func() {
			switch {
			case l.far != nil:
				l.far.hear(id, p.line.Agent(), text)
			default:
				p.hear(id, l.Other(), "I see: "+text)
			}
		}))
	}, talking)
}

// hear is a message that has come.
func (p *Phone) hear(id, from, text string) {
	p.change(func() {
		if p.in(true, talking) && p.main.ID() == id {
			p.post(p.sending("AgentChat_DataRecved", content.ChatData{Sender: from, CallID: id, Content: text}))
		}
	})
}

// TransferChat sends the chat on: it ends here.
func (p *Phone) TransferChat(id string, device int, address string) error {
	return p.chatting(id, func() {
		l := p.main
		p.post(p.sending("AgentChat_TransferStart", content.ChatParties{CallID: id}), p.soon(func() { l.At(device, address) }))
		p.finish()
	}, talking)
}
