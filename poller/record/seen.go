package record

import (
	"cmp"
	"context"
	"encoding/json"
	"time"

	"aiccbridge/poller/internal/insist"
	"aiccbridge/schemas"
	"aiccbridge/schemas/events"
)

// Seen is a state that nobody told: the platform was asked where the agent stands.
type Seen struct {
	State schemas.State
	// After and Before bound when it began: zero where nothing is known.
	After, Before time.Time
	At            time.Time // when it was seen
	Content       SeenContent
	// Proof is for an agent whose events come live: it says why this one did not. nil: they
	// never do.
	Proof *schemas.Proof
}

// SeenContent is the content of an event of that kind.
type SeenContent struct {
	CTIState *int          `json:"ctiState,omitempty"` // the platform's number (cec_07_0697); nil: it said none
	Reason   string        `json:"reason,omitempty"`   // of a rest or a sign-out, the platform's number
	Was      schemas.State `json:"was,omitempty"`      // the state before
	Cause    UnknownCause  `json:"cause,omitempty"`    // why the state is unknown
}

// UnknownCause says why a state that was looked for is unknown.
type UnknownCause string

// The causes.
const (
	UnknownUnseen        UnknownCause = "looks_failed"   // the platform gave no answer for two intervals
	UnknownNotConfigured UnknownCause = "not_configured" // it lists all agents, and not this one
	UnknownNoLiveState   UnknownCause = "no_live_state"  // it says what no live event says: studying, or adjusting
)

// Saw stores a state that was seen, with via monitor. One that can't be stored for good is in
// the log; the error is the context's.
func (r *Recorder) Saw(ctx context.Context, s Seen) error {
	var event schemas.Event
	err := r.publish(ctx, func(o origin) (schemas.Message, error) {
		info, _ := events.Lookup(schemas.EventSeen(s.State))
		content, err := json.Marshal(s.Content)
		if err != nil {
			return schemas.Message{}, err
		}
		event = r.tenant.conceal().sessionEvent(schemas.Event{
			Tenant: o.tenant, Agent: o.agent, Type: info.Type, Group: info.Group, Name: info.Name, State: s.State, Reason: cmp.Or(s.Content.Reason, string(s.Content.Cause)),
			OccurredAfter: s.After.UTC(), OccurredBefore: s.Before.UTC(), ReceivedAt: s.At.UTC(),
			Via: schemas.WayMonitor, Reconstructed: s.Proof, Position: o.position, Content: content,
		})
		return r.tenant.options.Names.EventMessage(event)
	})
	if err == nil {
		r.tenant.counts.event(string(event.Group))
		if heard := r.tenant.options.Heard; heard != nil {
			heard(r.agent, s.At)
		}
		r.Standing.learn(ctx, event)
	}
	return insist.Forgive(ctx, r.log, err, "state that was seen can't be stored")
}

// Known is where the agent stands.
func (s *Standing) Known() schemas.AgentState { return s.known }

// GoOn takes what the last owner of the agent knew, as it is in the bucket.
func (s *Standing) GoOn(k schemas.AgentState) {
	if k.State != "" && k.Agent == s.known.Agent {
		s.known = k
	}
}
