package phone

import (
	"strconv"
	"strings"
	"time"

	"aiccbridge/internal/platformsim/world/content"
)

// ends is how numbers end that never answer.
const ends = "99"

// guest is a call that the far phone books.
type guest struct {
	id          string
	begun       time.Time
	kind        int
	caller, own string
}

func (g guest) ID() string                { return g.id }
func (g guest) Begun() time.Time          { return g.begun }
func (g guest) Kind() int                 { return g.kind }
func (g guest) Parties() (string, string) { return g.caller, g.own }
func (g guest) Other() string             { return g.caller }
func (guest) At(int, string)              {}
func (guest) Answered()                   {}
func (guest) Hold(bool)                   {}
func (guest) RecordDue() bool             { return false }
func (guest) Record()                     {}
func (guest) StopRecord()                 {}
func (guest) Joined()                     {}
func (guest) Parted()                     {}
func (guest) Chatted()                    {}
func (guest) End(int)                     {}
func (guest) Book()                       {}
func (guest) Move(Line)                   {}

func feature(l *leg) string { return strconv.Itoa(l.Kind()) }

// Offer brings a call out of its queue to an agent who is kept for it.
func (p *Phone) Offer(c Call, chat bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.ring(&leg{Call: c, own: true, chat: chat}, "")
}

// visit brings the call of another agent; false: this one cannot take it.
func (p *Phone) visit(l *leg, from string) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.phase != idle || !p.line.Seize() {
		return false
	}
	p.ring(l, from)
	return true
}

// ring has the phone ring with a call, transferred from somebody or not. The caller
// holds mu.
func (p *Phone) ring(l *leg, from string) {
	p.main, p.phase, p.muted, p.tape = l, ringing, false, unrecorded
	arrive := step{do: func() {
		l.At(Agent, p.line.Agent())
		p.line.Busy()
	}}
	if l.chat {
		p.post(arrive, p.sending("AgentChat_Ring", content.ChatParties{CallID: l.ID(), Caller: l.Other(), Called: p.line.Agent()}))
	} else {
		p.post(arrive, p.sending("AgentOther_PhoneAlerting", nil), p.sending("AgentOther_PhoneOffhook", content.PhoneType{Type: "main"}),
			p.soon(func() { p.announce(l, from) }))
	}
	p.fateAfter(3*p.pace.Ring, p.notAnswered)
}

// announce says that a call is there, and answers it where that goes by itself.
func (p *Phone) announce(l *leg, from string) {
	offered := content.Offered{Caller: l.Other(), Transfer: "no", CallID: l.ID(), Called: p.line.Agent(), Type: "main"}
	if from != "" {
		offered.Transfer, offered.TransFrom = "yes", from
	}
	if !p.line.AutoAnswer() {
		p.line.Send("AgentEvent_Ringing", content.Ringing{Offered: offered, MediaType: "5", MediaAbility: "1", Feature: feature(l)})
		p.alert(l, "main")
		return
	}
	p.line.Send("AgentEvent_Auto_Answer", content.AutoAnswer{Offered: offered, MediaAbility: "1", Feature: feature(l), MediaType: 5})
	p.change(func() {
		if p.phase == ringing {
			p.pickUp()
		}
	})
}

// pickUp answers the ringing call. The caller holds mu.
func (p *Phone) pickUp() {
	l := p.main
	p.phase, p.fate = talking, nil
	p.post(p.soon(func() {
		l.Answered()
		if l.chat {
			inner := l.far != nil
			p.line.Send("AgentChat_Connected", content.ChatParties{CallID: l.ID(), Caller: l.Other(), Called: p.line.Agent(), InnerCall: &inner})
		} else {
			p.sayTalking(l, "main")
			p.recordIfDue(l)
		}
		if l.far != nil {
			l.far.farAnswered(l.ID())
		}
	}))
	p.talkOn()
}

// talkOn lets the other side hang up some time. Agents do so themselves. The caller
// holds mu.
func (p *Phone) talkOn() {
	if p.main.far == nil {
		p.fateAfter(p.pace.Talk, p.otherLeaves)
	}
}

// notAnswered is the fate of a call that rings for too long.
func (p *Phone) notAnswered() {
	p.change(func() {
		if p.phase == ringing {
			p.refuse("AgentEvent_No_Answer", true)
		}
	})
}

// refuse ends a ringing call with an event. The caller holds mu.
func (p *Phone) refuse(event string, missed bool) {
	l := p.main
	p.phase, p.fate = ending, nil
	first := p.sending(event, l.ID())
	if l.chat {
		first = p.sending("AgentChat_Disconnected", content.ChatParties{CallID: l.ID()})
	}
	p.post(first, p.soon(func() {
		if l.far != nil {
			l.far.farLeft(l.ID())
		}
		if missed {
			p.line.Missed()
		}
		l.End(NoAnswer)
		if !l.chat {
			p.line.Send("AgentOther_PhoneRelease", content.PhoneState{State: 3})
		}
	}), p.soon(p.over))
}

// over books the call that has ended and lets the agent go. It is the last step.
func (p *Phone) over() {
	var l *leg
	p.change(func() { l, p.main, p.consult, p.phase, p.muted = p.main, nil, nil, idle, false })
	if l != nil && l.own {
		l.Book()
	}
	p.line.Free()
}

// otherLeaves is the fate of a talk: the other side hangs up.
func (p *Phone) otherLeaves() {
	p.change(func() {
		if p.main != nil && p.phase != ending {
			p.finish()
		}
	})
}

// finish ends the call, whoever hung up. The caller holds mu.
func (p *Phone) finish() {
	l := p.main
	p.phase, p.fate = ending, nil
	p.post(p.soon(p.hangUpOthers))
	if l.chat {
		p.post(p.soon(func() {
			p.line.Send("AgentChat_Disconnected", content.ChatParties{CallID: l.ID()})
			l.End(Normal)
			l.Chatted()
		}), p.soon(p.over))
		return
	}
	p.post(step{do: func() {
		l.Hold(false)
		p.line.Send("AgentEvent_Call_Release", l.ID())
		l.End(Normal)
	}}, p.soon(l.StopRecord),
		p.sending("AgentEvent_Customer_Release", content.CustomerRelease{CallID: l.ID(), Number: l.Other()}),
		p.sending("AgentOther_PhoneRelease", content.PhoneState{State: 3}), p.soon(p.over))
}

// hangUpOthers ends the consultation, and tells the agent at the other end.
func (p *Phone) hangUpOthers() {
	p.endConsult(true)
	p.mu.Lock()
	l := p.main
	p.mu.Unlock()
	if l != nil && l.far != nil {
		l.far.farLeft(l.ID())
	}
}

// CallOut calls a number; kind is Outbound or Preview. It returns the call's id.
func (p *Phone) CallOut(kind int, number string) (string, error) { return p.dial(kind, number, false) }

// CallAgent calls another agent, or asks for a text chat with him.
func (p *Phone) CallAgent(agent string, chat bool) (string, error) {
	if agent == p.line.Agent() {
		return "", ErrCallOut
	}
	return p.dial(Internal, agent, chat)
}

func (p *Phone) dial(kind int, number string, chat bool) (string, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.phase != idle || !p.line.Seize() {
		return "", ErrCallOut
	}
	l := &leg{Call: p.line.Call(kind, number), own: true, chat: chat}
	p.main, p.phase, p.muted, p.tape = l, dialing, false, unrecorded
	if chat {
		p.post(step{do: func() { l.At(Agent, p.line.Agent()); p.line.Busy() }}, p.sending("AgentChat_CallOutCreated", content.ChatParties{CallID: l.ID()}))
	} else {
		p.post(step{do: func() {
			l.At(Agent, p.line.Agent())
			p.line.Send("AgentOther_PhoneAlerting", nil)
		}}, p.sending("AgentOther_PhoneOffhook", content.PhoneType{Type: "main"}), p.soon(p.line.Busy))
	}
	if kind == Internal {
		p.post(p.soon(func() { p.ringFar(l, p.notReached) }))
		return l.ID(), nil
	}
	p.post(p.soon(func() { p.alert(l, "main") }))
	if strings.HasSuffix(number, ends) {
		p.fateAfter(5*p.pace.Ring, p.notReached)
	} else {
		p.fateAfter(p.pace.Ring, p.otherAnswers)
	}
	return l.ID(), nil
}

// ringFar rings at the agent whom a leg is for; a step.
func (p *Phone) ringFar(l *leg, failed func()) {
	far := p.line.Find(l.Other())
	visitor := &leg{Call: guest{l.ID(), l.Begun(), l.Kind(), p.line.Agent(), l.Other()}, far: p, chat: l.chat}
	p.change(func() { l.far = far }) // before he can answer
	if far == nil || !far.visit(visitor, "") {
		p.change(func() { l.far = nil })
		failed()
		return
	}
	if !l.chat {
		typ := "main"
		if p.isConsult(l.ID()) {
			typ = "assistant"
		}
		p.alert(l, typ)
	}
}

// otherAnswers is the fate of a call that was dialled.
func (p *Phone) otherAnswers() {
	p.change(func() {
		if p.phase == dialing {
			p.connect()
		}
	})
}

// connect begins the talk of a call that was dialled. The caller holds mu.
func (p *Phone) connect() {
	l := p.main
	p.phase, p.fate = talking, nil
	p.post(step{do: func() {
		l.Answered()
		if l.chat {
			inner := true
			p.line.Send("AgentChat_Connected", content.ChatParties{CallID: l.ID(), Caller: p.line.Agent(), Called: l.Other(), InnerCall: &inner})
			return
		}
		p.sayTalking(l, "main")
		p.recordIfDue(l)
	}})
	p.talkOn()
}

// notReached ends a call whose other side did not answer.
func (p *Phone) notReached() {
	p.mu.Lock()
	defer p.mu.Unlock()
	l := p.main
	if p.phase != dialing {
		return
	}
	p.phase, p.fate = ending, nil
	if l.chat {
		p.post(p.soon(func() {
			p.line.Send("AgentChat_CalloutFailed", content.ChatParties{CallID: l.ID()})
			l.End(NoAnswer)
		}), p.soon(p.over))
		return
	}
	failed := "AgentEvent_Call_Out_Fail"
	if l.Kind() == Internal {
		failed = "AgentEvent_Inside_Call_Fail"
	}
	p.post(p.soon(func() {
		p.line.Send("AgentOther_PhoneRelease", content.PhoneState{State: 3})
		l.End(NoAnswer)
	}), p.sending(failed, l.ID()), p.sending("AgentEvent_Connect_Fail", l.ID()), p.soon(p.over))
}

// farAnswered and farLeft are what the agent at the other end does. Steps of his phone
// call them.
func (p *Phone) farAnswered(id string) {
	p.change(func() {
		switch {
		case p.main != nil && p.main.ID() == id && p.phase == dialing:
			p.connect()
		case p.consult != nil && p.consult.ID() == id && p.phase == consulting:
			p.consultAnswers()
		}
	})
}

func (p *Phone) farLeft(id string) {
	p.change(func() {
		switch {
		case p.main != nil && p.main.ID() == id:
			p.main.far = nil
			switch p.phase {
			case dialing:
				p.post(step{do: p.notReached})
			case idle, ending:
			default:
				p.finish()
			}
		case p.consult != nil && p.consult.ID() == id:
			p.consult.far = nil
			p.post(step{do: p.consultLeft})
		}
	})
}
