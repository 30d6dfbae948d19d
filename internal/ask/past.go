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

// beat is within which time each polled agent says something: heartbeats come every five
// minutes unless set otherwise.
const beat = 6 * time.Minute

// lookbacks are how far before an instant the messages of one agent are looked for that said
// nothing within a beat. Zero: from the beginning.
var lookbacks = [...]time.Duration{time.Hour, 24 * time.Hour, 0}

// errEnough ends a read that has all it needs.
var errEnough = errors.New("enough")

// AgentsAt is where agents stood at an instant in the past, by their events and heartbeats: a
// state begins when its event occurred. Agents of which nothing older is kept are unknown.
// EventAt and HeardAt are the messages' own times.
func (q Questions) AgentsAt(ctx context.Context, s Scope, at time.Time) ([]Agent, error) {
	floor, ends := floor{}, map[who]uint64{} // of all that was ever said of each
	if err := q.Hub.ReadNewest(ctx, schemas.StreamEvents, s.events(q.Names), func(m schemas.Stored) error {
		if w, _, ok := about(m.Subject); ok {
			ends[w] = m.Sequence
		}
		return nil
	}); err != nil {
		return nil, err
	}
	p := &past{at: at, ends: ends, agents: map[who]*standing{}}
	err := q.around(ctx, s.events(q.Names), at.Add(-beat), p.take)
	if err == nil {
		err = q.later(ctx, p)
	}
	p.settle(floor)
	if err == nil {
		err = q.unchanged(ctx, s, at, ends, floor)
	}
	for i := 0; err == nil && i < len(lookbacks); i++ {
		err = q.further(ctx, p, lookbacks[i])
		p.settle(floor)
	}
	for w := range ends { // nothing that old is kept
		floor.of(w)
	}
	return floor.sorted(), err
}

// around reads until f has enough.
func (q Questions) around(ctx context.Context, filter string, since time.Time, f func(schemas.Stored) error) error {
	err := q.Hub.ReadSince(ctx, schemas.StreamEvents, filter, since, f)
	if errors.Is(err, errEnough) {
		return nil
	}
	return err
}

// later reads on of the agents of which more is to come that may have been so by then: a hub
// that was away has it later.
func (q Questions) later(ctx context.Context, p *past) error {
	for w, k := range p.agents {
		if k.over || !k.based {
			continue
		}
		tenant, agent := w.ids()
		err := q.Hub.Read(ctx, schemas.StreamEvents, q.Names.Agent(tenant, agent), p.last+1, p.only(w))
		if err != nil && !errors.Is(err, errEnough) {
			return err
		}
	}
	return nil
}

// further looks further back for the agents that are not found, one after the other.
func (q Questions) further(ctx context.Context, p *past, lookback time.Duration) error {
	for w := range p.ends {
		since := time.Time{}
		if lookback > 0 {
			since = p.at.Add(-lookback)
		}
		delete(p.agents, w)
		tenant, agent := w.ids()
		if err := q.around(ctx, q.Names.Agent(tenant, agent), since, p.only(w)); err != nil {
			return err
		}
	}
	return nil
}

// unchanged takes the agents whose state of now began before the instant.
func (q Questions) unchanged(ctx context.Context, s Scope, at time.Time, ends map[who]uint64, floor floor) error {
	return q.states(ctx, s, func(w who, k schemas.AgentState) {
		_, sought := ends[w]
		if sought && k.State != schemas.StateOnCall && !k.Since.IsZero() && !k.Since.After(at) {
			a := floor.of(w)
			a.State, a.Since = k.State, k.Since
			delete(ends, w)
		}
	})
}

// past is what was said around an instant.
type past struct {
	at     time.Time
	ends   map[who]uint64 // the agents that are sought, and the sequence of what was said of each last
	last   uint64         // that was read of all agents
	agents map[who]*standing
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

// take takes one message of whatever agent, until each polled one has said something since.
func (p *past) take(m schemas.Stored) error {
	if m.StoredAt.After(p.at.Add(late + beat)) {
		return errEnough
	}
	p.last = m.Sequence
	w, event, ok := about(m.Subject)
	if _, sought := p.ends[w]; !ok || !sought {
		return nil
	}
	return p.learn(w, m, event)
}

// only takes the messages of one agent, until it has what it needs.
func (p *past) only(w who) func(schemas.Stored) error {
	return func(m schemas.Stored) error {
		_, event, ok := about(m.Subject)
		if !ok {
			return nil
		}
		err := p.learn(w, m, event)
		if k := p.agents[w]; err == nil && k != nil && k.over {
			return errEnough
		}
		return err
	}
}

func (p *past) learn(w who, m schemas.Stored, event string) error {
	k := p.agents[w]
	if k == nil {
		k = &standing{AgentState: schemas.AgentState{State: schemas.StateUnknown}}
		p.agents[w] = k
	}
	if k.over {
		return nil
	}
	said, err := k.learn(m, event, p.at)
	k.over = said.After(p.at.Add(late)) || m.Sequence >= p.ends[w]
	return err
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
		when := occurred(e)
		if err == nil && !when.After(at) {
			k.AgentState = events.After(k.AgentState, e)
			k.based = k.based || e.State != ""
			k.event, k.eventAt, k.heardAt = event, when, when
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
