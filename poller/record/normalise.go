package record

import (
	"encoding/json"
	"time"

	"aiccbridge/internal/ccgateway"
	"aiccbridge/schemas"
	"aiccbridge/schemas/events"
)

// origin says where an event was received.
type origin struct {
	tenant     string
	agent      string // the one whose queue it was in
	via        schemas.Way
	receivedAt time.Time
	position   schemas.Position
}

// normalise is the only place where an event of the platform becomes one of ours.
// The agent is the one whose queue the event was in and among whose
// messages it is numbered, whatever agent it names (events of supervision name
// none); one that names another changes no state. What the type means comes from
// the event table; an unknown type keeps everything but a meaning. ends reports
// that the platform says the session is over.
func normalise(e ccgateway.Event, from origin) (event schemas.Event, ends bool) {
	info, _ := events.Lookup(e.Type)
	event = schemas.Event{
		Tenant:     from.tenant,
		Agent:      from.agent,
		Type:       e.Type,
		OccurredAt: e.GeneratedAt.UTC(),
		ReceivedAt: from.receivedAt.UTC(),
		Via:        from.via,
		Position:   from.position,
	}
	info.Fill(&event, e.Content)
	if e.WorkNo != "" && e.WorkNo != from.agent {
		event.State, event.NamedAgent = "", e.WorkNo
	}
	return event, info.Ends
}

// sessionEvent makes one of the bridge's own events. content may be nil.
func sessionEvent(eventType string, content *SessionContent, from origin) (schemas.Event, error) {
	info, _ := events.Lookup(eventType)
	event := schemas.Event{
		Tenant: from.tenant, Agent: from.agent,
		Type: info.Type, Group: info.Group, Name: info.Name, State: info.State,
		ReceivedAt: from.receivedAt.UTC(), Via: from.via, Position: from.position,
	}
	if content == nil {
		return event, nil
	}
	event.Reason, event.Result = string(content.Cause), content.Code
	switch {
	case content.Cause == CauseLost:
		event.State = schemas.StateUnknown // the gateway was not there to say
	case content.AgentState != nil:
		event.State = stateOf(*content.AgentState)
	}
	var err error
	event.Content, err = json.Marshal(content)
	return event, err
}

// SessionContent is the content of the bridge's own session events.
type SessionContent struct {
	Cause     Cause  `json:"cause,omitempty"`      // signed_out: why
	Code      string `json:"retcode,omitempty"`    // signed_out: the gateway's return code, if it gave one
	Message   string `json:"message,omitempty"`    // signed_out: the gateway's text, or what failed
	Forced    bool   `json:"forced,omitempty"`     // signed_in: another session was thrown out
	MediaType string `json:"media_type,omitempty"` // signed_in: T or F each for call, web-chat and mail server
	Server    string `json:"server,omitempty"`     // signed_in: the gateway node or cluster

	AgentState *int  `json:"agentState,omitempty"` // status: the gateway's code (cec_07_1431)
	Working    *bool `json:"isWorking,omitempty"`  // status
}

// Cause says why a session ended: content.cause of [schemas.EventSignedOut].
type Cause string

// The causes.
const (
	CauseShutdownService Cause = "shutdown_service" // the platform said so: somebody else signed the agent out, or in elsewhere
	CauseNotSignedIn     Cause = "not_signed_in"    // 100-006 and the other codes of a session that is gone
	CauseAuth            Cause = "auth"             // 000-003, or HTTP 401 or 403 twice: the GUID is not accepted any more
	CauseWrongMode       Cause = "wrong_mode"       // 000-001: the gateway does not let this agent be polled; configuration
	CauseRecovery        Cause = "recovery"         // a site switchover lost the session, or took longer than 5 minutes
	CauseLost            Cause = "lost"             // no good poll for too long; the gateway never said that the session ended
	CauseStopped         Cause = "stopped"          // the bridge signed the agent out itself
)
