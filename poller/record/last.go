package record

import (
	"context"
	"encoding/json"
	"time"

	"aiccbridge/schemas"
)

// lastLimit is for looking up the last message of an agent.
const lastLimit = 5 * time.Second

// Last is what the agent's last message in the stream says.
type Last struct {
	schemas.Position
	Type  string           `json:"type"`  // of an event; "" for anything else
	Cause schemas.GapCause `json:"cause"` // of a gap; "" for anything else

	// At is when its owner had last heard of the agent, by its own clock: when the event
	// came, or a gap ended. A spool may bring a message to the stream much later.
	At time.Time `json:"-"`
}

// Final reports that no session was polled after the message: one that ends a
// session, or a gap that an owner wrote as it began, without getting one.
func (l Last) Final() bool {
	return l.Left() || l.Type == schemas.EventSignedOut ||
		l.Cause == schemas.GapUnclean || l.Cause == schemas.GapSession
}

// Left reports that its owner stopped and left the session alive.
func (l Last) Left() bool { return l.Type == schemas.EventLeft }

// Last returns the agent's last message in the stream, of whatever owner, if it can be
// had within a few seconds.
func (r *Recorder) Last(ctx context.Context) (last Last, ok bool) {
	o := r.tenant.options
	if o.LastStored == nil {
		return Last{}, false
	}
	side, cancel := context.WithTimeout(ctx, lastLimit)
	defer cancel()
	m, ok, err := o.LastStored(side, o.Names.Agent(o.Tenant, r.agent))
	var said struct {
		Last
		Received time.Time `json:"received_at"` // of an event
		At       time.Time `json:"at"`          // of a heartbeat
		To       time.Time `json:"to"`          // of a gap
	}
	if err != nil || !ok || json.Unmarshal(m.Body, &said) != nil || said.Epoch == 0 {
		return Last{}, false
	}
	said.Last.At = m.StoredAt
	for _, at := range []time.Time{said.Received, said.At, said.To} {
		if !at.IsZero() && at.Before(said.Last.At) {
			said.Last.At = at
		}
	}
	return said.Last, true
}
