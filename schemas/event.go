package schemas

import (
	"cmp"
	"encoding/json"
	"strconv"
	"time"

	"aiccbridge/schemas/internal/envelope"
)

// Message types (ce-type). TypeRow is followed by the kind.
const (
	TypeEvent          = "aicc.v1.event"
	TypeGap            = "aicc.v1.gap"
	TypeHeartbeat      = "aicc.v1.heartbeat"
	TypeFileReady      = "aicc.v1.file_ready"
	TypeRecording      = "aicc.v1.recording"
	TypeRow            = "aicc.v1.row."
	TypeWindowComplete = "aicc.v1.window_complete"
	TypeCall           = "aicc.v1.call"
	TypeCallsComplete  = "aicc.v1.calls_complete" // the marker of a window's calls
	TypeCoverage       = "aicc.v1.coverage"
	TypeDrift          = "aicc.v1.drift"
	TypeReconcile      = "aicc.v1.reconcile"     // live events against the files of a window
	TypeReconcileDay   = "aicc.v1.reconcile_day" // the score of a day
	TypeReconstructed  = "aicc.v1.reconstructed" // a state that a file proves
	TypeAudit          = "aicc.v1.audit"         // what somebody did by hand
	TypeDeadLetter     = "aicc.v1.dead_letter"
	TypeResolved       = "aicc.v1.resolved" // of a dead letter
)

// Group is the family an event belongs to; a subject token.
type Group string

// The groups.
const (
	GroupState       Group = "state"
	GroupCall        Group = "call"
	GroupMedia       Group = "media"
	GroupConference  Group = "conference"
	GroupChat        Group = "chat"
	GroupSupervision Group = "supervision"
	GroupPhone       Group = "phone"
	GroupSession     Group = "session"
	GroupGap         Group = "gap" // of gaps only, never of an Event
	GroupOther       Group = "other"
)

// State is what an agent is doing.
type State string

// The states. The empty State means "not changed by this event".
const (
	StateReady     State = "ready"
	StateNotReady  State = "not_ready"
	StateRest      State = "rest"
	StateWrapup    State = "wrapup"
	StateOnCall    State = "on_call"
	StateSignedOut State = "signed_out"
	StateUnknown   State = "unknown"
)

// Types of the events that the bridge makes itself (group session). The
// platform's own types never start with "bridge.".
const (
	EventSignedIn  = "bridge.session.signed_in"  // the bridge signed the agent in
	EventResumed   = "bridge.session.resumed"    // the bridge went on with a session it knew
	EventSignedOut = "bridge.session.signed_out" // the session ended; content.cause says why
	EventLeft      = "bridge.session.left"       // the bridge stopped polling and left the session alive
	EventStatus    = "bridge.session.status"     // where the agent stands, as the gateway said when asked: after a gap, and after resuming
)

// EventSeen is the type of an event that says in which state an agent was seen: of the group
// state, named as the state.
func EventSeen(s State) string { return "bridge.state." + string(s) }

// Position numbers the messages of one agent: order is by epoch, then seq. The
// epoch grows with every owner of the agent, seq counts from 1 within it and has
// no holes, gaps and session events included.
type Position struct {
	Epoch uint64 `json:"epoch"`
	Seq   uint64 `json:"seq"`
}

func (p Position) id(agent string) string {
	return strconv.FormatUint(p.Epoch, 10) + "." + EncodeToken(agent) + "." + strconv.FormatUint(p.Seq, 10)
}

func (p Position) validate(tenant, agent string) error {
	return cmp.Or(
		want(tenant != "", "tenant is empty"),
		want(agent != "", "agent is empty"),
		want(p.Epoch != 0 && p.Seq != 0, "epoch and seq count from 1"),
	)
}

// Event is one agent event as the platform told it, one session event of the bridge's own
// (type bridge.session.…), or one state that the platform showed when it was asked.
type Event struct {
	Tenant string `json:"tenant"`
	Agent  string `json:"agent"`
	Type   string `json:"type"` // the platform's own eventType
	Group  Group  `json:"group"`
	Name   string `json:"name"`
	State  State  `json:"state,omitempty"` // the state the event leads to, if it changes it

	CallID       string `json:"call_id,omitempty"`
	Caller       string `json:"caller,omitempty"`
	Called       string `json:"called,omitempty"`
	OtherParty   string `json:"other_party,omitempty"`
	CallRole     string `json:"call_role,omitempty"` // main or assistant, the content's "type"
	CallFeature  string `json:"call_feature,omitempty"`
	MediaType    string `json:"media_type,omitempty"`
	MediaAbility string `json:"media_ability,omitempty"`
	SkillID      string `json:"skill_id,omitempty"`
	Reason       string `json:"reason,omitempty"`
	Result       string `json:"result,omitempty"`
	TaskID       string `json:"task_id,omitempty"`
	RecordingID  string `json:"recording_id,omitempty"`
	ConferenceID string `json:"conference_id,omitempty"`
	NamedAgent   string `json:"named_agent,omitempty"` // the agent that the event names, if it is not the polled one
	// Repeated: the platform handed out this type with this content and this
	// occurred_at a short while before, as it may around a site switchover. Two
	// messages all the same. Never set where the platform sends no times.
	Repeated bool `json:"repeated,omitempty"`

	// RepeatedKeys are keys that an object of the content has with different values: which
	// was meant cannot be known, no field above is filled from them, and a reader of the
	// content may see one of the values only.
	RepeatedKeys []string `json:"repeated_keys,omitempty"`

	OccurredAt time.Time `json:"occurred_at,omitzero"` // platform's eventGenTime; absent on older gateways
	// OccurredAfter and OccurredBefore bound when it happened, where the platform was asked how
	// things stand: the last look that showed it otherwise, and the first that showed this.
	OccurredAfter  time.Time `json:"occurred_after,omitzero"`
	OccurredBefore time.Time `json:"occurred_before,omitzero"`
	ReceivedAt     time.Time `json:"received_at"`
	Via            Way       `json:"via,omitempty"` // always set; events of versions before have none
	// Reconstructed is what proves an event that did not come live: nil for all that did.
	Reconstructed *Proof `json:"reconstructed,omitempty"`
	Position
	Content json.RawMessage `json:"content,omitempty"` // the platform's content, untouched but for credentials
}

// Validate reports an event that must not be published.
func (e Event) Validate() error {
	return wrapInvalid("event", cmp.Or(
		e.validate(e.Tenant, e.Agent),
		want(e.Type != "" && e.Group != "" && e.Name != "", "type, group and name must be set"),
		want(e.Group != GroupGap, "the group gap is that of gaps"),
		want(!e.ReceivedAt.IsZero(), "received_at must be set"),
		want(e.Via != "", "via must be set"),
		want(len(e.Content) == 0 || json.Valid(e.Content), "content is not JSON"),
	))
}

// Gap says that events of an agent may have been lost between From and To: one
// per poll whose outcome is unknown, per owner that did not stop cleanly, and per
// event that can't have happened without another one that never came.
type Gap struct {
	Tenant  string    `json:"tenant"`
	Agent   string    `json:"agent"`
	From    time.Time `json:"from"`
	To      time.Time `json:"to"`
	Cause   GapCause  `json:"cause"`
	Detail  string    `json:"detail,omitempty"`  // e.g. "connection reset after the request was sent"; inferred: the missing types
	LastSeq uint64    `json:"last_seq"`          // seq of the agent's last message before the gap, 0 for none
	LastEp  uint64    `json:"last_epoch"`        // epoch of that message
	MaxLost int       `json:"max_lost,omitzero"` // how many events at most, 0 when unbounded
	Position
}

// GapCause says what made the gap; a subject token.
type GapCause string

// The causes.
const (
	GapPollUnknown GapCause = "poll_unknown" // a poll was sent and its answer lost: at most one event
	GapUndecodable GapCause = "undecodable"  // an answer came that could not be read: its bytes are a dead letter
	GapUnclean     GapCause = "unclean_stop" // the last owner ended without releasing the agent
	GapSession     GapCause = "session_lost" // the session ended unseen, and with it what the platform had queued
	GapInferred    GapCause = "inferred"     // an event came that can't follow on the ones before: others must be missing
	GapRefused     GapCause = "refused"      // the stream refuses an event for good: its bytes are in quarantine, see the dead letter
	// The store was damaged, or put back from an older copy: what was stored behind
	// last_seq is not there any more.
	GapStoreDamaged GapCause = "store_damaged"
)

// Validate reports a gap that must not be published.
func (g Gap) Validate() error {
	return wrapInvalid("gap", cmp.Or(
		g.validate(g.Tenant, g.Agent),
		want(g.Cause != "", "cause must be set"),
		want(!g.From.IsZero() && !g.To.Before(g.From), "from must be set and not after to"),
	))
}

// Heartbeat says that an agent is being polled and what is known of it. It lets
// a consumer tell an idle agent from a dead bridge, and check that it has every
// message up to Seq.
type Heartbeat struct {
	Tenant string    `json:"tenant"`
	Agent  string    `json:"agent"`
	State  State     `json:"state"`
	Since  time.Time `json:"since,omitzero"`
	CallID string    `json:"call_id,omitempty"`
	At     time.Time `json:"at"`
	Position
}

// Validate reports a heartbeat that must not be published.
func (h Heartbeat) Validate() error {
	return wrapInvalid("heartbeat", cmp.Or(
		h.validate(h.Tenant, h.Agent),
		want(h.State != "", "state must be set"),
		want(!h.At.IsZero(), "at must be set"),
	))
}

// EventMessage makes the message of an event.
func (n Names) EventMessage(e Event) (Message, error) {
	subject := n.Event(e.Tenant, e.Agent, e.Group, e.Name)
	at := e.OccurredAt
	if at.IsZero() {
		at = e.ReceivedAt
	}
	return agentMessage(subject, TypeEvent, e.Tenant, e.Agent, e.Position, at, e)
}

// GapMessage makes the message of a gap, on …agent.<agent>.gap.<cause>.
func (n Names) GapMessage(g Gap) (Message, error) {
	subject := n.Event(g.Tenant, g.Agent, GroupGap, string(g.Cause))
	return agentMessage(subject, TypeGap, g.Tenant, g.Agent, g.Position, g.To, g)
}

// GapInstead makes the gap record that takes the number and the id of a message that no
// stream takes: an agent's event, or a gap. why says where its bytes are. ok is false for
// other messages, which have no number.
func (n Names) GapInstead(of Stored, why string) (m Message, ok bool) {
	var was struct { // an event or a gap
		Tenant, Agent, Type string
		ReceivedAt          time.Time `json:"received_at"`
		From, To            time.Time
		Position
	}
	kind := of.Get("ce-type")
	if kind != TypeEvent && kind != TypeGap || json.Unmarshal(of.Body, &was) != nil || was.Seq == 0 {
		return Message{}, false
	}
	g := Gap{
		Tenant: was.Tenant, Agent: was.Agent, Position: was.Position,
		Cause: GapRefused, Detail: cmp.Or(was.Type, "a gap record") + ": " + why,
		From: was.ReceivedAt, To: was.ReceivedAt, LastSeq: was.Seq - 1, LastEp: was.Epoch, MaxLost: 1,
	}
	if kind == TypeGap { // what was lost then
		g.From, g.To, g.MaxLost = was.From, was.To, 0
	}
	m, err := n.GapMessage(g)
	return m, err == nil
}

// HeartbeatMessage makes the message of a heartbeat, on
// …agent.<agent>.session.heartbeat. Its id holds the time too, because its
// position may be that of the agent's last event.
func (n Names) HeartbeatMessage(h Heartbeat) (Message, error) {
	subject := n.Event(h.Tenant, h.Agent, GroupSession, "heartbeat")
	id := h.id(h.Agent) + ".heartbeat." + strconv.FormatInt(h.At.UnixMilli(), 10)
	return newMessage(subject, TypeHeartbeat, agentSource(h.Tenant, h.Agent), id, h.At, h)
}

type validator = envelope.Document

func agentMessage(subject, typ, tenant, agent string, p Position, at time.Time, v validator) (Message, error) {
	return newMessage(subject, typ, agentSource(tenant, agent), p.id(agent), at, v)
}

func agentSource(tenant, agent string) string {
	return "/aicc/" + EncodeToken(tenant) + "/agent/" + EncodeToken(agent)
}

// newMessage is the envelope's: it validates v and encodes it as the body of a deduplicated
// message.
func newMessage(subject, typ, source, id string, at time.Time, v validator) (Message, error) {
	return envelope.New(subject, typ, source, id, at, v)
}

// want, wrapInvalid and hashOf are the envelope's, for the rules of every message.
func want(ok bool, text string) error          { return envelope.Want(ok, text) }
func wrapInvalid(what string, err error) error { return envelope.Invalid(what, err) }
func hashOf(doc any) string                    { return envelope.HashOf(doc) }
