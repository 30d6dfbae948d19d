package poller

import (
	"strings"
	"sync/atomic"
	"time"

	"aiccbridge/schemas"
)

// sequence follows one agent's events and notices when one can't have happened
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
//   - A rule counts only while this gateway keeps to it (see habits).
//   - Signing in twice, and events after a sign-out, prove nothing: around a site
//     switchover the platform tells both anew.
type sequence struct {
	state   schemas.State          // of the last event that told one; "": unsure
	changed moment                 // when it did
	begun   map[schemas.State]bool // states whose beginning was seen, and not yet their end
	calm    bool                   // no call went on at some time since unsure: calls from here on are seen whole
	chats   bool                   // the agent takes chats, too; known for good
	call    watchedCall
	last    string // id of the call before
}

// moment is one event of the agent's.
type moment struct {
	at  time.Time
	seq uint64
}

// lack is a finding: events of the types missing came after since, if at all.
type lack struct {
	since   moment
	missing []string
}

func (l *lack) add(since moment, types string) {
	if len(l.missing) == 0 || since.at.Before(l.since.at) {
		l.since = since
	}
	l.missing = append(l.missing, types)
}

// String is the gap's detail.
func (l lack) String() string { return "missing " + strings.Join(l.missing, ", and ") }

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

// watchedCall is the agent's call as far as it was seen. The zero value is none.
type watchedCall struct {
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

// habits is how well a gateway keeps to each rule, over all agents of a pool: the
// pages are not the gateway. Each time a rule is kept its score grows by one, each
// time it is not it falls by penalty, so one that does not hold in some 5 % of the
// cases never counts for long.
type habits [len(callRules) + 2]atomic.Int32

const (
	trusted   = 10 // score from which a rule counts
	penalty   = 20
	mostTrust = 100
)

// judge reports a rule that was broken although the gateway keeps to it.
func (h *habits) judge(rule int, kept bool) bool {
	score := h[rule].Load() // two agents at once may count as one
	if kept {
		h[rule].Store(min(score+1, mostTrust))
		return false
	}
	h[rule].Store(max(score-penalty, 0))
	return score >= trusted
}

// forget makes the machine unsure.
func (q *sequence) forget() { *q = sequence{chats: q.chats} }

// observe takes the agent's next event; a finding has something missing.
func (q *sequence) observe(h *habits, e schemas.Event) (l lack) {
	_, ofCall := callMarks[e.Type]
	switch {
	case e.Type == "AgentOther_InService" || e.State == schemas.StateSignedOut:
		q.forget()
	case e.State != "":
		q.observeState(h, e, &l)
	case e.Group == schemas.GroupCall || ofCall:
		q.observeCall(h, e, &l)
	case e.Group == schemas.GroupChat && e.Type != "AgentEvent_MessageData":
		q.chats, q.call.crossed = true, true
	case e.Group == schemas.GroupConference, e.Group == schemas.GroupSupervision:
		q.call.crossed = true
	}
	return l
}

func momentOf(e schemas.Event) moment { return moment{e.ReceivedAt, e.Seq} }

// observeState takes an event that tells a state.
func (q *sequence) observeState(h *habits, e schemas.Event, l *lack) {
	onCall := e.State == schemas.StateOnCall
	switch end, ends := stateEnds[e.Type]; {
	case ends && (q.begun[end.state] || q.state == schemas.StateReady):
		if h.judge(end.rule, q.begun[end.state]) {
			l.add(q.changed, end.begins)
		}
		delete(q.begun, end.state)
	case e.State != schemas.StateReady && !onCall:
		if q.begun == nil {
			q.begun = map[schemas.State]bool{}
		}
		q.begun[e.State] = true
	}
	if q.call.id != "" {
		q.changeInCall(h, e, l)
	} else if !onCall {
		q.call.crossed = false
	}
	q.state, q.changed, q.calm = e.State, momentOf(e), q.calm || !onCall
}

// changeInCall is what an event of state says of the call.
func (q *sequence) changeInCall(h *habits, e schemas.Event, l *lack) {
	c, onCall := &q.call, e.State == schemas.StateOnCall
	if !onCall && e.Type != "AgentState_CancelWork_Success" { // which follows on another
		c.seen |= freed
	}
	switch {
	case c.seen&finished != 0 && (onCall || q.state != schemas.StateOnCall):
		q.settle(h, l) // the next thing begins
	case onCall:
		c.seen |= busy
	case c.seen&busy != 0:
		c.seen |= finished
	}
}

// observeCall takes an event of a call.
func (q *sequence) observeCall(h *habits, e schemas.Event, l *lack) {
	m, known := callMarks[e.Type]
	id := e.CallID
	if m == stopped {
		id = q.call.id
	}
	switch {
	case !q.calm || m == stopped && id == "":
		return
	case !known || id == "" || e.CallRole == "assistant":
		q.call.crossed = true // a transfer, a preview, something new: who knows
		return
	case q.call.id != "" && q.call.id != id:
		if q.call.seen&finished == 0 || q.state == schemas.StateOnCall {
			q.call.crossed = true
			return
		}
		q.settle(h, l)
	}
	if q.call.id == "" {
		q.call.id, q.call.begun = id, q.changed
		q.call.crossed = q.call.crossed || id == q.last // it came back, from an IVR, say
	}
	q.see(m, e)
}

// see adds what an event says of the call.
func (q *sequence) see(m mark, e schemas.Event) {
	switch {
	case m == talking && e.CallFeature == "0":
		m |= inbound
	case m == recorded:
		q.call.seen &^= stopped // another recording
	}
	if m&(offered|talking|held|recorded) != 0 {
		q.call.alive = momentOf(e)
	}
	if q.state == schemas.StateOnCall {
		m |= busy
	}
	q.call.seen |= m
}

// settle judges the call that is over, and lets it go.
func (q *sequence) settle(h *habits, l *lack) {
	c := q.call
	q.call, q.last = watchedCall{}, c.id
	if c.crossed {
		return
	}
	if q.chats {
		c.seen |= freed
	}
	for i, r := range callRules {
		if c.seen&r.given == 0 || !h.judge(i, c.seen&r.need != 0) {
			continue
		}
		since := c.begun
		if r.late {
			since = c.alive
		}
		l.add(since, r.missing)
	}
}
