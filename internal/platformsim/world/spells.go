package world

import (
	"strconv"
	"time"

	"aiccbridge/internal/platformsim/world/content"
)

// spellOf leaves idle for a while.
func (t *shift) spellOf(state, op, cause int, begin, end string, mean time.Duration) {
	length := about(t.rng, mean)
	var what any
	if state != WrapUp {
		what = content.Reason{Reason: strconv.Itoa(cause)}
	}
	t.change(t.s, state, op, cause, t.event(begin, what))
	t.letGo() // he may end it when he likes
	t.stay(state, length, end)
}

func (t *shift) rest() {
	t.spellOf(Resting, opRest, 200, "AgentState_SetRest_Success", leaving[Resting], t.w.o.Pace.Rest)
}

func (t *shift) notReady() {
	t.spellOf(Busy, opBusy, 200+t.rng.IntN(3), "AgentState_SetNotReady_Success", leaving[Busy], t.w.o.Pace.Rest)
}

func (t *shift) wrapUpByHand() {
	t.spellOf(WrapUp, opWrapUp, 1, "AgentState_SetWork_Success", leaving[WrapUp], t.w.o.Pace.WrapUp)
}

// chat is a text chat. It leaves the final row of operation 4 and a call row
// chain, and no recording.
func (t *shift) chat() {
	c := t.newCall(typeInbound)
	c.enterQueue()
	part := about(t.rng, t.w.o.Pace.Talk) / 4
	inner := false
	var begin time.Time
	steps := []step{
		{about(t.rng, t.w.o.Pace.Queue), func() {
			c.enterAgent()
			t.busy()
		}},
		{t.signal(), t.sending("AgentChat_Ring", content.ChatParties{CallID: c.id, Caller: c.customer, Called: t.ID})},
		{t.signal(), func() {
			c.answered()
			begin = t.now()
			t.send("AgentChat_Connected", content.ChatParties{CallID: c.id, Caller: c.customer, Called: t.ID, InnerCall: &inner})
		}},
	}
	for _, line := range []string{"good morning", "where is my parcel?", "thanks, bye"}[:1+t.rng.IntN(3)] {
		steps = append(steps, step{part, t.sending("AgentChat_DataRecved", content.ChatData{Sender: c.customer, CallID: c.id, Content: line})})
	}
	steps = append(steps, step{part, func() {
		t.send("AgentChat_Disconnected", content.ChatParties{CallID: c.id})
		c.ended(causeNormal)
		t.operation(t.s, opChat, -1, begin, t.now(), c.id)
	}}, step{t.signal(), t.free})
	t.complete(c, steps)
}
