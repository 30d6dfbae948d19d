package ask

import (
	"context"
	"errors"
	"time"

	"aiccbridge/schemas"
	"aiccbridge/schemas/events"
)

// late is how long after it occurred an event may be received: the platform keeps events for
// two minutes.
const late = 3 * time.Minute

// lookbacks are how far before an instant its messages are looked for: heartbeats, every five
// minutes unless set otherwise, bound how far one has to. Zero: from the beginning.
var lookbacks = [...]time.Duration{6 * time.Minute, time.Hour, 24 * time.Hour, 0}

// errEnough ends a read that has all it needs.
var errEnough = errors.New("enough")

// AgentsAt is where agents stood at an instant in the past, by their events and heartbeats: a
// state begins when its event occurred. Agents of which nothing older is kept are unknown.
// EventAt and HeardAt are the messages' own times.
func (q Questions) AgentsAt(ctx context.Context, s Scope, at time.Time) ([]Agent, error) {
	ends := map[who]uint64{} // of all that was ever said of each
	err := q.Hub.ReadNewest(ctx, schemas.StreamEvents, s.events(q.Names), func(m schemas.Stored) error {
		if w, _, ok := about(m.Subject); ok {
			ends[w] = m.Sequence
		}
		return nil
	})
	floor := floor{}
	for i := 0; err == nil && i < len(lookbacks) && len(ends) > 0; i++ {
		p := past{at: at, ends: ends, agents: map[who]*standing{}}
		since := time.Time{}
		if lookbacks[i] > 0 {
			since = at.Add(-lookbacks[i])
		}
		err = q.Hub.ReadSince(ctx, schemas.StreamEvents, s.events(q.Names), since, p.take)
		if errors.Is(err, errEnough) {
			err = nil
		}
		p.settle(floor)
		if err == nil && i == 0 {
			err = q.unchanged(ctx, s, at, ends, floor)
		}
	}
	for w := range ends { // nothing that old is kept
		floor.of(w)
	}
	return floor.sorted(), err
}

// unchanged takes the agents whose state of now began before the instant.
func (q Questions) unchanged(ctx context.Context, s Scope, at time.Time, ends map[who]uint64, floor floor) error {
	return q.states(ctx, s, func(w who, k schemas.AgentState) {
		_, sought := ends[w]
		if sought && k.State != schemas.StateOnCall && !k.Since.IsZero() && !k.Since.After(at) {
			a := floor.of(w)
			a.State, a.Since, a.Position = k.State, k.Since, k.Position
			delete(ends, w)
		}
	})
}

// past is one read of what was said around an instant.
type past struct {
	at     time.Time
	ends   map[who]uint64 // the agents that are sought, and the sequence of what was said of each last
	began  bool
	open   int // agents of which more is to come
	agents map[who]*standing
}

// begin counts the agents of which something comes.
func (p *past) begin(first uint64) {
	p.began = true
	for _, end := range p.ends {
		if end >= first {
			p.open++
		}
	}
}

// standing is an agent as of the instant, while it is read.
type standing struct {
	schemas.AgentState
	based   bool // its state is known
	over    bool // no more is to come of it
	event   string
	eventAt time.Time
	heardAt time.Time
}

// take takes one message.
func (p *past) take(m schemas.Stored) error {
	if !p.began {
		p.begin(m.Sequence)
	}
	w, event, ok := about(m.Subject)
	end, sought := p.ends[w]
	if !ok || !sought {
		return nil
	}
	k := p.agents[w]
	if k == nil {
		k = &standing{AgentState: schemas.AgentState{State: schemas.StateUnknown}}
		p.agents[w] = k
	}
	if k.over {
		return nil
	}
	said, err := k.learn(m, event, p.at)
	if err != nil {
		return err
	}
	if said.After(p.at.Add(late)) || m.Sequence >= end {
		k.over = true
		p.open--
	}
	if p.open <= 0 {
		return errEnough
	}
	return nil
}

// learn takes what a message says of the agent, if it was so by then, and returns when the
// bridge made it.
func (k *standing) learn(m schemas.Stored, event string, at time.Time) (said time.Time, err error) {
	switch m.Get("ce-type") {
	case schemas.TypeHeartbeat:
		h, err := read[schemas.Heartbeat](m)
		if err == nil && !h.At.After(at) {
			k.State, k.Since, k.CallID, k.Position = h.State, h.Since, h.CallID, h.Position
			k.based, k.heardAt = true, h.At
		}
		return h.At, err
	case schemas.TypeEvent:
		e, err := read[schemas.Event](m)
		occurred := e.OccurredAt
		if occurred.IsZero() {
			occurred = e.ReceivedAt
		}
		if err == nil && !occurred.After(at) {
			k.AgentState = events.After(k.AgentState, e)
			k.based = k.based || e.State != ""
			k.event, k.eventAt, k.heardAt = event, occurred, occurred
		}
		return e.ReceivedAt, err
	}
	said, _ = time.Parse(time.RFC3339Nano, m.Get("ce-time")) // none: it decides nothing
	return said, nil
}

// settle takes the agents whose state is known now off those that are sought.
func (p *past) settle(floor floor) {
	for w, k := range p.agents {
		if !k.based {
			continue
		}
		a := floor.of(w)
		a.State, a.Since, a.CallID, a.Position = k.State, k.Since, k.CallID, k.Position
		a.Event, a.EventAt, a.HeardAt = k.event, k.eventAt, k.heardAt
		delete(p.ends, w)
	}
}
