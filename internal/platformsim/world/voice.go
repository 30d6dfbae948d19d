package world

import (
	"time"

	"aiccbridge/internal/platformsim/world/content"
)

// The order of events in each flow is the one of the developer guide
// (cec_05_1423, cec_05_1426, cec_05_4035).

// signal is a short, drawn time between two events of one switching step.
func (t *shift) signal() time.Duration { return about(t.rng, t.w.o.Pace.Signal) }

// busy takes the agent for a call.
func (t *shift) busy() {
	t.change(t.s, InCall, opNone, 0, t.event("AgentState_Busy", nil))
}

// free ends a call's hold on the agent: idle again, or wrap-up.
func (t *shift) free() {
	if t.wrapsUp() {
		t.change(t.s, WrapUp, opWrapUp, 0, t.event("AgentState_Work", nil))
		return
	}
	t.change(t.s, Idle, opIdle, 0, t.event("AgentState_Ready", nil))
}

// complete plays a call's steps and books it, finished or not. After it there may
// be a wrap-up.
func (t *shift) complete(c *call, parts ...[]step) {
	play := t.play
	if len(c.legs) > 0 { // it waits for the agent
		play = t.queued
	}
	for _, steps := range parts {
		if !play(steps) {
			c.book()
			return
		}
		play = t.play
	}
	c.book()
	if t.is(WrapUp) {
		t.stay(WrapUp, about(t.rng, t.w.o.Pace.WrapUp), leaving[WrapUp])
	}
}

func (t *shift) inbound() {
	c := t.newCall(typeInbound)
	c.enterQueue()
	t.complete(c, c.offer(t.answersItself(t.rng.IntN(2) == 0)), c.talk(), c.hangUp())
}

// offer brings a queued call to the agent.
func (c *call) offer(automatic bool) []step {
	t := c.t
	steps := []step{
		{about(t.rng, t.w.o.Pace.Queue), func() { c.enterAgent(); t.busy() }},
		{t.signal(), t.sending("AgentOther_PhoneAlerting", nil)},
		{t.signal(), t.sending("AgentOther_PhoneOffhook", content.PhoneType{Type: "main"})},
	}
	if t.w.o.CallInfo {
		steps = append(steps, step{t.signal(), t.sending("AgentEvent_Incoming_CallInfo", content.CallInfo{
			CallID: c.id, SkillName: skillName, SkillID: t.w.o.Skill, Caller: c.customer, Called: hotline,
			LastAgent: 65535, MediaType: 5,
		})})
	}
	if automatic {
		return append(steps, step{t.signal(), t.sending("AgentEvent_Auto_Answer", content.AutoAnswer{
			Offered: c.offered(), MediaAbility: "1", Feature: c.feature(), MediaType: 5,
		})}, step{t.signal(), c.answer})
	}
	return append(steps, c.ring(), step{t.signal(), c.alertCustomer}, step{about(t.rng, t.w.o.Pace.Ring), c.answer})
}

func (c *call) offered() content.Offered {
	return content.Offered{Caller: c.customer, Transfer: "no", CallID: c.id, Called: c.t.ID, Type: "main"}
}

func (c *call) ring() step {
	return step{c.t.signal(), c.t.sending("AgentEvent_Ringing", content.Ringing{
		Offered: c.offered(), MediaType: "5", MediaAbility: "1", Feature: c.feature(),
	})}
}

func (c *call) alertCustomer() {
	c.t.send("AgentEvent_Customer_Alerting", content.CustomerAlerting{CallID: c.id, OtherPhone: c.customer, Type: "main"})
}

func (c *call) answer() {
	c.answered()
	c.sayTalking()
}

// sayTalking also follows un-hold and the end of a consultation.
func (c *call) sayTalking() {
	caller, called := c.parties()
	c.t.send("AgentEvent_Talking", content.Talking{
		Caller: caller, CallID: c.id, Called: called, Feature: c.feature(), Type: "main", MediaAbility: "1",
	})
}

// talk is the conversation with what may happen in it.
func (c *call) talk() []step {
	t := c.t
	var steps []step
	if t.rng.IntN(100) < t.w.o.Recorded {
		steps = append(steps, step{t.signal(), c.record})
	}
	length := about(t.rng, t.w.o.Pace.Talk)
	held, three, message := t.rng.IntN(100) < 25, t.rng.IntN(100) < 8, t.rng.IntN(100) < 12
	part := length / 4
	if message {
		steps = append(steps, step{part / 2, c.message})
	}
	if held {
		steps = append(steps, step{part, c.hold}, step{part / 2, func() { c.unhold(); c.sayTalking() }})
	}
	if three {
		steps = append(steps, c.threeParty(part)...)
	}
	return append(steps, step{part * 2, func() {}})
}

func (c *call) message() {
	caller, called := c.parties()
	c.t.send("AgentEvent_MessageData", content.MessageData{
		CallID: c.id, Caller: caller, Called: called, Type: "main", Message: "order 4711", MediaAbility: "5",
	})
}

// threeParty holds the customer, calls a third one under a call id of its own,
// joins all and lets the third one go.
func (c *call) threeParty(part time.Duration) []step {
	t := c.t
	return []step{
		{part, c.hold},
		{t.signal(), func() {
			c.consult = t.newCall(typeThreeParty)
			c.consult.enterAgent()
			t.send("AgentEvent_Customer_Alerting", content.CustomerAlerting{
				CallID: c.consult.id, OtherPhone: c.consult.customer, Type: "assistant",
			})
		}},
		{about(t.rng, t.w.o.Pace.Ring), func() {
			c.consult.answered()
			t.send("AgentEvent_Talking", content.Talking{
				Caller: t.ID, CallID: c.consult.id, Called: c.consult.customer,
				Feature: c.consult.feature(), Type: "assistant", MediaAbility: "1",
			})
		}},
		{part / 2, func() {
			c.joined = t.now()
			c.unhold()
			t.send("AgentEvent_Conference", content.Conference{CallID: c.id, Partner: c.customer + "," + c.consult.customer})
		}},
		{part, func() {
			t.send("AgentEvent_Customer_Release", content.CustomerRelease{CallID: c.consult.id, Number: c.consult.customer})
			c.consult.ended(causeNormal)
			c.unjoin()
		}},
	}
}

// hangUp ends an answered call.
func (c *call) hangUp() []step {
	t := c.t
	steps := []step{{t.signal(), func() {
		t.send("AgentEvent_Call_Release", c.id)
		c.ended(causeNormal)
	}}}
	stop := step{t.signal(), func() {
		if len(c.recordings) > 0 {
			c.stopRecord()
		}
	}}
	rest := []step{
		{t.signal(), t.sending("AgentEvent_Customer_Release", content.CustomerRelease{CallID: c.id, Number: c.customer})},
		{t.signal(), t.sending("AgentOther_PhoneRelease", content.PhoneState{State: 3})},
	}
	if t.rng.IntN(2) == 0 {
		steps = append(append(steps, stop), rest...)
	} else {
		steps = append(append(steps, rest...), stop)
	}
	return append(steps, step{t.signal(), t.free})
}

// inboundNotAnswered goes back to the queue, where the caller gives up.
func (t *shift) inboundNotAnswered() {
	c := t.newCall(typeInbound)
	c.enterQueue()
	punished := t.rng.IntN(2) == 0
	back := about(t.rng, t.w.o.Pace.Rest)
	steps := []step{
		{about(t.rng, t.w.o.Pace.Queue), func() { c.enterAgent(); t.busy() }},
		{t.signal(), t.sending("AgentOther_PhoneAlerting", nil)},
		{t.signal(), t.sending("AgentOther_PhoneOffhook", content.PhoneType{Type: "main"})},
		c.ring(),
		{3 * about(t.rng, t.w.o.Pace.Ring), func() {
			t.send("AgentEvent_No_Answer", c.id)
			c.enterQueue()
		}},
		{t.signal(), t.sending("AgentOther_PhoneRelease", content.PhoneState{State: 3})},
		{t.signal(), func() {
			if punished { // reason 2: did not answer for long
				t.change(t.s, Busy, opBusy, 2, t.event("AgentState_SetNotReady_Success", content.Reason{Reason: "2"}))
			} else {
				t.change(t.s, Idle, opIdle, 0, t.event("AgentState_Ready", nil))
			}
			t.letGo()
		}},
		{about(t.rng, t.w.o.Pace.Queue), func() { c.ended(causeQueueCancelled) }},
	}
	done := t.queued(steps)
	c.book()
	if done && punished {
		t.stay(Busy, back, leaving[Busy])
	}
}

// backFrom ends a spell.
func (t *shift) backFrom(event string) func() {
	return func() { t.change(t.s, Idle, opIdle, 0, t.event(event, nil)) }
}

func (t *shift) outbound() {
	c := t.newCall(typeOutbound)
	t.complete(c, c.dial(), []step{{about(t.rng, t.w.o.Pace.Ring), c.answer}}, c.talk(), c.hangUp())
}

// dial lifts the phone and calls the customer.
func (c *call) dial() []step {
	t := c.t
	return []step{
		{0, func() { c.enterAgent(); t.send("AgentOther_PhoneAlerting", nil) }},
		{t.signal(), t.sending("AgentOther_PhoneOffhook", content.PhoneType{Type: "main"})},
		{t.signal(), t.busy},
		{t.signal(), c.alertCustomer},
	}
}

// outboundNotAnswered: the customer does not lift.
func (t *shift) outboundNotAnswered() {
	c := t.newCall(typeOutbound)
	t.complete(c, c.dial(), []step{
		{5 * about(t.rng, t.w.o.Pace.Ring), func() {
			t.send("AgentOther_PhoneRelease", content.PhoneState{State: 3})
			c.ended(causeNoAnswer)
		}},
		{t.signal(), t.sending("AgentEvent_Call_Out_Fail", c.id)},
		{t.signal(), t.sending("AgentEvent_Connect_Fail", c.id)},
		{t.signal(), t.backFrom("AgentState_Ready")},
	})
}

// outboundNotLifted: the agent does not lift his own phone.
func (t *shift) outboundNotLifted() {
	c := t.newCall(typeOutbound)
	t.complete(c, []step{
		{0, func() { c.enterAgent(); t.send("AgentOther_PhoneAlerting", nil) }},
		{3 * about(t.rng, t.w.o.Pace.Ring), func() {
			t.send("AgentEvent_Call_Out_Fail", c.id)
			c.ended(causeNoAnswer)
		}},
		{t.signal(), t.sending("AgentEvent_Connect_Fail", c.id)},
		{t.signal(), t.sending("AgentOther_PhoneRelease", content.PhoneState{State: 3})},
	})
}
