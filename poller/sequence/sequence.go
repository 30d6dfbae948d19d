// Package sequence follows one agent's events and notices when one can't have happened
// without another that never came. It never makes up the missing one; what it
// finds becomes a gap of the cause inferred.
//
//	        state without a call              first event of a call
//	unsure ──────────────────────► between calls ─────────────────► in a call
//	   ▲                               ▲  │ the end of a state           │ released, or a
//	   │                               │  │ that never began: lack       │ state without a call
//	   │                               │  ▼                              ▼
//	   │                               └──────── next event of state ── over
//	   │                                         or of another call:
//	   └── any gap, bad poll, new session        callRules, lacks
//
// It goes by what the platform's pages say of the order of events (cec_05_1423,
// cec_05_1426, cec_05_4035), and doubts in favour of the platform:
//
//   - Phone events and the other side's are in no rule: they may be missing.
//   - A state may end without an event of its own, and in any order with others.
//   - A call is judged when the next thing begins, so that its last events may come
//     in any order, and behind the state that follows it.
//   - One that meets another call, a chat, a conference or a transfer is not judged.
//   - An agent who takes chats, too, may stay busy between calls.
//   - A rule counts only while this gateway keeps to it (see Habits).
//   - Signing in twice, and events after a sign-out, prove nothing: around a site
//     switchover the platform tells both anew.
//
// It is shown each event as the platform sent it, before any policy takes away what
// tells calls apart; an event that came before, or that is another agent's, says
// nothing and is not shown. It keeps no content but the ids of two calls, does no
// I/O and imports schemas only.
package sequence

import (
	"strings"
	"time"

	"aiccbridge/schemas"
)

// Checker follows one agent. It is not safe for concurrent use.
type Checker struct {
	habits  *Habits
	state   schemas.State          // of the last event that told one; "": unsure
	changed moment                 // when it did
	begun   map[schemas.State]bool // states whose beginning was seen, and not yet their end
	calm    bool                   // no call went on at some time since unsure: calls from here on are seen whole
	chats   bool                   // the agent takes chats, too; known for good
	call    call
	last    string // id of the call before
}

// New returns the checker of an agent of whom nothing is known yet. Checkers of one
// gateway's agents share its habits.
func New(h *Habits) *Checker { return &Checker{habits: h} }

// moment is one event of the agent's.
type moment struct {
	at  time.Time
	seq uint64
}

// Finding is what can't have happened as it was told: events of the missing types
// came after Since, if at all, and before the event that revealed it. The zero value
// finds nothing.
type Finding struct {
	Since   time.Time // when the last event before was received
	Seq     uint64    // and its number
	missing []string
}

// Any reports whether something is missing.
func (f Finding) Any() bool { return len(f.missing) > 0 }

// String names the missing types, for the detail of a gap.
func (f Finding) String() string { return "missing " + strings.Join(f.missing, ", and ") }

func (f *Finding) add(since moment, types string) {
	if !f.Any() || since.at.Before(f.Since) {
		f.Since, f.Seq = since.at, since.seq
	}
	f.missing = append(f.missing, types)
}

// mark is what was seen of a call.
type mark uint16

const (
	offered    mark = 1 << iota // it rang, or was answered automatically
	unanswered                  // the offer was withdrawn
	talking
	inbound // talking, in an ordinary inbound call of the agent's own
	held
	recorded
	stopped // the recording ended
	released
	busy     // the agent was taken by a call meanwhile
	freed    // and was not any more
	finished // nothing follows but stragglers
)

// call is the agent's call as far as it was seen. The zero value is none.
type call struct {
	id      string
	seen    mark
	crossed bool   // another call, a chat, a conference or a transfer came in
	begun   moment // the last event of state before it
	alive   moment // its last event before the release
}

// callMarks is what an event with a call id says of the call.
var callMarks = map[string]mark{
	"AgentEvent_Ringing":             offered,
	"AgentEvent_Auto_Answer":         offered,
	"AgentEvent_Talking":             talking,
	"AgentEvent_Hold":                held,
	"AgentMediaEvent_Record":         recorded,
	"AgentEvent_Call_Release":        released | finished,
	"AgentEvent_No_Answer":           unanswered | finished,
	"AgentEvent_Call_Out_Fail":       finished,
	"AgentEvent_Inside_Call_Fail":    finished,
	"AgentEvent_Connect_Fail":        released | finished, // also the end of a talk transfer (cec_05_4035)
	"AgentEvent_Customer_Alerting":   0,
	"AgentEvent_Customer_Release":    0,
	"AgentEvent_Incoming_CallInfo":   0,
	"AgentMediaEvent_Record_Fail":    0,
	"AgentMediaEvent_StopRecordDone": stopped, // has no call id: of the call that goes on
	"AgentEvent_No_Answer_From_Cti":  finished,
	"AgentEvent_AbandonCall":         finished,
}

// rule says: a call of which any of given was seen has one of need too.
type rule struct {
	given, need mark
	missing     string // the types that give need
	late        bool   // they come after the call's last sign of life
}

var callRules = [...]rule{
	{inbound | unanswered, offered, "AgentEvent_Ringing or AgentEvent_Auto_Answer", false},
	{held | recorded, talking, "AgentEvent_Talking", false},
	{offered | talking, busy, "AgentState_Busy", false},
	{stopped, recorded, "AgentMediaEvent_Record", false},
	{recorded, stopped, "AgentMediaEvent_StopRecordDone", false},
	{talking, released, "AgentEvent_Call_Release", true},
	{talking, freed, "AgentState_Ready or AgentState_Work", true},
}

// stateEnds lists the events that say which state they end, and what begins it.
// Wrap-up is not among them: it comes and goes by itself, with the call.
var stateEnds = map[string]struct {
	rule   int
	state  schemas.State
	begins string
}{
	"AgentState_CancelNotReady_Success": {len(callRules), schemas.StateNotReady, "AgentState_SetNotReady_Success"},
	"AgentState_CancelRest_Success":     {len(callRules) + 1, schemas.StateRest, "AgentState_SetRest_Success"},
}

// Forget makes the checker unsure: what came before proves nothing any more. It is
// for a known gap, a bad poll and another session.
func (c *Checker) Forget() { *c = Checker{habits: c.habits, chats: c.chats} }

// Observe takes the agent's next event, whose position and time of receipt must be
// set, and says what can't be missing before it and yet is.
func (c *Checker) Observe(e schemas.Event) (f Finding) {
	_, ofCall := callMarks[e.Type]
	switch {
	case e.Type == "AgentOther_InService" || e.State == schemas.StateSignedOut:
		c.Forget()
	case e.State != "":
		c.observeState(e, &f)
	case e.Group == schemas.GroupCall || ofCall:
		c.observeCall(e, &f)
	case e.Group == schemas.GroupChat && e.Type != "AgentEvent_MessageData":
		c.chats, c.call.crossed = true, true
	case e.Group == schemas.GroupConference, e.Group == schemas.GroupSupervision:
		c.call.crossed = true
	}
	return f
}

func momentOf(e schemas.Event) moment { return moment{e.ReceivedAt, e.Seq} }

// observeState takes an event that tells a state.
func (c *Checker) observeState(e schemas.Event, f *Finding) {
	onCall := e.State == schemas.StateOnCall
	switch end, ends := stateEnds[e.Type]; {
	case ends && (c.begun[end.state] || c.state == schemas.StateReady):
		if c.habits.judge(end.rule, c.begun[end.state]) {
			f.add(c.changed, end.begins)
		}
		delete(c.begun, end.state)
	case e.State != schemas.StateReady && !onCall:
		if c.begun == nil {
			c.begun = map[schemas.State]bool{}
		}
		c.begun[e.State] = true
	}
	if c.call.id != "" {
		c.changeInCall(e, f)
	} else if !onCall {
		c.call.crossed = false
	}
	c.state, c.changed, c.calm = e.State, momentOf(e), c.calm || !onCall
}

// changeInCall is what an event of state says of the call.
func (c *Checker) changeInCall(e schemas.Event, f *Finding) {
	seen, onCall := &c.call.seen, e.State == schemas.StateOnCall
	if !onCall && e.Type != "AgentState_CancelWork_Success" { // which follows on another
		*seen |= freed
	}
	switch {
	case *seen&finished != 0 && (onCall || c.state != schemas.StateOnCall):
		c.settle(f) // the next thing begins
	case onCall:
		*seen |= busy
	case *seen&busy != 0:
		*seen |= finished
	}
}

// observeCall takes an event of a call.
func (c *Checker) observeCall(e schemas.Event, f *Finding) {
	m, known := callMarks[e.Type]
	id := e.CallID
	if m == stopped {
		id = c.call.id
	}
	switch {
	case !c.calm || m == stopped && id == "":
		return
	case !known || id == "" || e.CallRole == "assistant":
		c.call.crossed = true // a transfer, a preview, something new: who knows
		return
	case c.call.id != "" && c.call.id != id:
		if c.call.seen&finished == 0 || c.state == schemas.StateOnCall {
			c.call.crossed = true
			return
		}
		c.settle(f)
	}
	if c.call.id == "" {
		c.call.id, c.call.begun = id, c.changed
		c.call.crossed = c.call.crossed || id == c.last // it came back, from an IVR, say
	}
	c.see(m, e)
}

// see adds what an event says of the call.
func (c *Checker) see(m mark, e schemas.Event) {
	switch {
	case m == talking && e.CallFeature == "0":
		m |= inbound
	case m == recorded:
		c.call.seen &^= stopped // another recording
	}
	if m&(offered|talking|held|recorded) != 0 {
		c.call.alive = momentOf(e)
	}
	if c.state == schemas.StateOnCall {
		m |= busy
	}
	c.call.seen |= m
}

// settle judges the call that is over, and lets it go.
func (c *Checker) settle(f *Finding) {
	over := c.call
	c.call, c.last = call{}, over.id
	if over.crossed {
		return
	}
	if c.chats {
		over.seen |= freed
	}
	for i, r := range callRules {
		if over.seen&r.given == 0 || !c.habits.judge(i, over.seen&r.need != 0) {
			continue
		}
		since := over.begun
		if r.late {
			since = over.alive
		}
		f.add(since, r.missing)
	}
}
