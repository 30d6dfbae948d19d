package phone

import (
	"strings"

	"aiccbridge/internal/platformsim/world/content"
)

// Modes of a transfer, as the platform numbers them; advice is a consultation that
// ends without one.
const (
	ModeRelease, ModeSuspend, ModeSuccess, ModeTalk, ModeThree = 0, 1, 2, 3, 4

	advice = 10
)

// Transfer sends the call to a queue, an agent, an IVR flow (devices 1 to 3) or an
// outside number (5). A suspended call comes back from an IVR flow; from an outside
// number it does not, as clients mean a transfer by it.
func (p *Phone) Transfer(device int, address string, mode int) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if !p.in(false, talking, held) || mode < ModeRelease || mode > ModeThree || p.main.far != nil {
		return ErrTransfer
	}
	switch {
	case mode == ModeSuspend && device == IVR:
		p.suspend(address)
	case mode <= ModeSuspend:
		p.sendOn(device, address)
	case device == Queue || device == IVR:
		return ErrTransfer // nobody there to talk to first
	default:
		p.ask(Help, device, address, mode)
	}
	return nil
}

// CancelTransfer goes back to the customer.
func (p *Phone) CancelTransfer() error {
	return p.command(ErrTransfer, func() {
		p.giveUpConsult()
		p.backToMain()
	}, consulting, consulted)
}

// Help calls an adviser, with three for a talk of three.
func (p *Phone) Help(device int, address string, three bool) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if !p.in(false, talking, held) || device != Agent && device != Queue {
		return ErrHelp
	}
	kind, then := Help, advice
	if three {
		kind, then = ThreeParty, ModeThree
	}
	p.ask(kind, device, address, then)
	return nil
}

// Join makes one talk of the held call and the consultation.
func (p *Phone) Join(id string) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if !p.in(false, consulted) || p.consult == nil || id != "" && id != p.main.ID() && id != p.consult.ID() {
		return ErrThree
	}
	p.join()
	return nil
}

// suspend lends the call to an IVR flow. The caller holds mu.
func (p *Phone) suspend(flow string) {
	l := p.main
	p.phase, p.fate = away, nil
	p.post(p.soon(func() {
		l.Hold(false)
		l.At(IVR, flow)
	}))
	p.fateAfter(p.pace.Queue, func() {
		p.change(func() {
			if p.phase != away {
				return
			}
			p.phase = talking
			p.post(step{do: func() {
				l.At(Agent, p.line.Agent())
				l.Answered()
				p.line.Send("AgentEvent_ReturnFromIvr", l.ID())
			}}, p.soon(func() { p.sayTalking(l, "main") }))
			p.talkOn()
		})
	})
}

// sendOn releases the call to another device. The caller holds mu.
func (p *Phone) sendOn(device int, address string) {
	l := p.main
	p.phase, p.fate = ending, nil
	p.post(p.soon(func() { p.leave(l, device, address) }), p.sending("AgentOther_PhoneRelease", content.PhoneState{State: 3}), p.soon(p.over))
}

// leave takes the agent out of his call, which goes on at another device; a step.
func (p *Phone) leave(l *leg, device int, address string) {
	l.Hold(false)
	l.StopRecord()
	p.line.Send("AgentEvent_Call_Release", l.ID())
	var to *Phone
	if device == Agent {
		to = p.line.Find(address)
	}
	if to == nil || !to.inherit(l, p.line.Agent()) {
		l.At(device, address)
		l.End(Normal)
		return
	}
	p.change(func() { p.main = nil }) // it is no longer ours
}

// elsewhere is a call at the phone to which it goes, with what was noted.
func (l *leg) elsewhere() *leg { return &leg{Call: l.Call, own: l.own, far: l.far, data: l.data} }

// inherit takes over a call; false: the agent is not free.
func (p *Phone) inherit(l *leg, from string) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.phase != idle || !p.line.Seize() {
		return false
	}
	l.Move(p.line)
	p.ring(l.elsewhere(), from)
	return true
}

// ask holds the call and calls somebody else. The caller holds mu.
func (p *Phone) ask(kind, device int, address string, then int) {
	main, waits := p.main, p.phase == held
	second := &leg{Call: p.line.Call(kind, address), own: true}
	p.consult, p.then, p.phase, p.fate = second, then, consulting, nil
	if !waits {
		p.post(p.soon(func() { p.holdMain(main) }))
	}
	p.post(p.soon(func() {
		second.At(Agent, p.line.Agent())
		if device == Agent {
			p.ringFar(second, p.consultFails)
			return
		}
		p.alert(second, "assistant")
	}))
	switch {
	case device == Agent: // he answers himself
		p.fateAfter(4*p.pace.Ring, p.consultFails)
	case strings.HasSuffix(address, ends):
		p.fateAfter(5*p.pace.Ring, p.consultFails)
	default:
		p.fateAfter(p.pace.Ring, func() {
			p.change(func() {
				if p.phase == consulting {
					p.consultAnswers()
				}
			})
		})
	}
}

func (p *Phone) isConsult(id string) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.consult != nil && p.consult.ID() == id
}

// consultAnswers goes on as was wished when the consultation began. The caller holds mu.
func (p *Phone) consultAnswers() {
	second := p.consult
	p.phase, p.fate = consulted, nil
	p.post(step{do: func() {
		second.Answered()
		if p.wanted() != ModeSuccess {
			p.sayTalking(second, "assistant")
		}
	}})
	switch p.then {
	case ModeSuccess:
		p.handOver()
	case ModeThree:
		p.join()
	}
}

func (p *Phone) wanted() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.then
}

// join begins the talk of three. The caller holds mu.
func (p *Phone) join() {
	main, second := p.main, p.consult
	p.phase, p.fate = conference, nil
	p.post(p.soon(func() {
		main.Hold(false)
		main.Joined()
		p.line.Send("AgentEvent_Conference", content.Conference{CallID: main.ID(), Partner: main.Other() + "," + second.Other()})
	}))
	if main.far == nil {
		p.fateAfter(p.pace.Talk, p.otherLeaves)
	}
}

// handOver brings the customer to whom the consultation was with. The caller holds mu.
func (p *Phone) handOver() {
	main, second, success := p.main, p.consult, p.then == ModeSuccess
	p.phase, p.fate = ending, nil
	p.post(p.soon(func() {
		main.Hold(false)
		main.StopRecord()
		if success {
			p.line.Send("AgentEvent_SuccTransResult", content.TransferResult{Result: 0, CallID: main.ID()})
		}
		p.endConsult(false)
		p.line.Send("AgentEvent_Call_Release", main.ID())
		if second.far != nil && second.far.succeed(second.ID(), main, p.line.Agent()) {
			p.change(func() { p.main = nil })
			return
		}
		main.At(Outside, second.Other())
		main.Answered()
		main.End(Normal)
	}), p.sending("AgentOther_PhoneRelease", content.PhoneState{State: 3}), p.soon(p.over))
}

// succeed puts the customer's call in the place of a consultation.
func (p *Phone) succeed(id string, l *leg, from string) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.main == nil || p.main.ID() != id || p.phase != talking {
		return false
	}
	l.Move(p.line)
	next := l.elsewhere()
	p.main = next
	p.post(p.soon(func() {
		next.At(Agent, p.line.Agent())
		next.Answered()
		p.sayTalking(next, "main")
	}))
	p.talkOn()
	return true
}

// consultFails is the fate of a consultation that nobody answers.
func (p *Phone) consultFails() {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.phase != consulting || p.consult == nil {
		return
	}
	second, main, then := p.consult, p.main, p.then
	event := "AgentEvent_Connect_Fail"
	if then == advice {
		event = "AgentEvent_Consult_Fail"
	}
	p.phase, p.fate = held, nil
	p.post(step{do: func() {
		second.End(NoAnswer)
		p.endConsult(true)
		p.line.Send(event, second.ID())
	}})
	if then == ModeSuccess {
		p.post(p.sending("AgentEvent_SuccTransResult", content.TransferResult{Result: 1, CallID: main.ID()}))
	}
	if then != advice {
		p.backToMain()
	}
}

// giveUpConsult ends the consultation; the first call stays held, or goes on where three
// talked. The caller holds mu.
func (p *Phone) giveUpConsult() {
	wasThree := p.phase == conference
	p.phase = held
	if wasThree {
		p.phase = talking
	} else {
		p.fate = nil
	}
	second := p.consult
	p.post(p.soon(func() {
		p.line.Send("AgentEvent_Customer_Release", content.CustomerRelease{CallID: second.ID(), Number: second.Other()})
		p.endConsult(true)
	}))
}

// consultLeft: the other one hangs up.
func (p *Phone) consultLeft() {
	p.change(func() {
		switch {
		case p.consult == nil || p.phase == ending:
		case p.phase == consulting:
			p.post(step{do: p.consultFails})
		default:
			p.giveUpConsult()
		}
	})
}

// backToMain goes on with the customer. The caller holds mu.
func (p *Phone) backToMain() {
	main := p.main
	p.phase = talking
	p.post(p.soon(func() {
		main.Hold(false)
		p.sayTalking(main, "main")
	}))
	p.talkOn()
}

// endConsult books the consultation; tell its agent, unless he gets the customer.
func (p *Phone) endConsult(tell bool) {
	p.mu.Lock()
	second, main := p.consult, p.main
	p.consult = nil
	p.mu.Unlock()
	if second == nil {
		return
	}
	second.End(Normal)
	second.Book()
	if main != nil {
		main.Parted()
	}
	if tell && second.far != nil {
		second.far.farLeft(second.ID())
	}
}
