package scenario

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"time"

	"aiccbridge/internal/retry"
	"aiccbridge/schemas"
	"aiccbridge/schemas/events"
)

// Hub is where messages go.
type Hub interface {
	Publish(ctx context.Context, m schemas.Message) error
	// PutState writes where an agent stands.
	PutState(ctx context.Context, key string, value []byte) error
	// ReadRows calls f for the headers of a window's rows, and returns the last sequence.
	ReadRows(ctx context.Context, subject string, f func(schemas.RowHeader, uint64)) (last uint64, err error)
	// AppendRows stores rows behind the last sequence of their window, all or none.
	AppendRows(ctx context.Context, rows []schemas.Message, last uint64) (uint64, error)
}

// Options say how a scenario is played.
type Options struct {
	Hub   Hub
	Names schemas.Names
	// Speed is how many times as fast as the scenario says; 0: as fast as it goes.
	Speed float64
}

// player plays one scenario.
type player struct {
	Options
	Scenario
	zone   *time.Location
	agents map[string]*schemas.AgentState
	sent   int
}

// moment is one message, or a window.
type moment struct {
	at time.Duration
	do func(ctx context.Context, at time.Time) error
}

// Play publishes a scenario, and returns how many messages it is.
func Play(ctx context.Context, s Scenario, o Options) (messages int, err error) {
	p := &player{Options: o, Scenario: s, agents: map[string]*schemas.AgentState{}}
	if p.zone, err = time.LoadLocation(s.Zone); err != nil {
		return 0, err
	}
	if p.Begin.IsZero() {
		p.Begin = time.Now().UTC().Truncate(time.Second)
	}
	var all []moment
	for _, step := range s.Steps {
		all = append(all, p.moments(step)...)
	}
	slices.SortStableFunc(all, func(a, b moment) int { return cmp.Compare(a.at, b.at) })
	begun := time.Now()
	for _, m := range all {
		if o.Speed > 0 {
			if err := retry.Wait(ctx, time.Until(begun.Add(time.Duration(float64(m.at)/o.Speed)))); err != nil {
				return p.sent, err
			}
		}
		if err := m.do(ctx, p.Begin.Add(m.at).UTC()); err != nil {
			return p.sent, fmt.Errorf("at %s of the scenario: %w", m.at, err)
		}
	}
	return p.sent, nil
}

// moments are what a step is made of.
func (p *player) moments(s Step) []moment {
	switch {
	case s.Window != nil:
		return []moment{{s.At, func(ctx context.Context, at time.Time) error { return p.window(ctx, s, at) }}}
	case s.Gap != "":
		return []moment{{s.At, func(ctx context.Context, at time.Time) error { return p.gap(ctx, s, at) }}}
	case s.Heartbeat:
		return []moment{{s.At, func(ctx context.Context, at time.Time) error { return p.heartbeat(ctx, s.Agent, at) }}}
	case s.Call != "":
		return p.call(s)
	}
	return []moment{p.event(s.At, s.Agent, s.Event, s.Content)}
}

// call is the events of a call that an agent takes.
func (p *player) call(s Step) []moment {
	content := map[string]any{"callid": s.Call, "caller": s.Caller, "called": s.Agent}
	talks, ends := s.At+s.Ring, s.At+s.Ring+s.Talk
	return []moment{
		p.event(s.At, s.Agent, "AgentEvent_Ringing", content),
		p.event(talks, s.Agent, "AgentState_Busy", nil),
		p.event(talks, s.Agent, "AgentEvent_Talking", content),
		p.event(ends, s.Agent, "AgentEvent_Call_Release", s.Call),
		p.event(ends, s.Agent, "AgentState_Work", nil),
		p.event(ends+s.Wrapup, s.Agent, "AgentState_Ready", nil),
	}
}

func (p *player) event(at time.Duration, agent, typ string, content any) moment {
	return moment{at, func(ctx context.Context, at time.Time) error {
		raw, err := json.Marshal(content)
		if err != nil {
			return fmt.Errorf("encode the content: %w", err)
		}
		k := p.agent(agent)
		e := schemas.Event{Tenant: p.Tenant, Agent: agent, Type: typ, OccurredAt: at, ReceivedAt: at, Via: schemas.WayPoll, Position: schemas.Position{Epoch: p.Epoch, Seq: k.Seq + 1}}
		info, _ := events.Lookup(typ)
		info.Fill(&e, raw)
		if err := p.publish(ctx, func() (schemas.Message, error) { return p.Names.EventMessage(e) }); err != nil {
			return err
		}
		*k = events.After(*k, e)
		value, err := json.Marshal(k)
		if err != nil {
			return fmt.Errorf("encode a state: %w", err)
		}
		return p.Hub.PutState(ctx, schemas.AgentKey(p.Tenant, agent), value)
	}}
}

// agent is where an agent stands, unknown at first.
func (p *player) agent(id string) *schemas.AgentState {
	k := p.agents[id]
	if k == nil {
		k = &schemas.AgentState{Tenant: p.Tenant, Agent: id, State: schemas.StateUnknown, Position: schemas.Position{Epoch: p.Epoch}}
		p.agents[id] = k
	}
	return k
}

func (p *player) gap(ctx context.Context, s Step, at time.Time) error {
	k := p.agent(s.Agent)
	g := schemas.Gap{
		Tenant: p.Tenant, Agent: s.Agent, From: at.Add(-s.Lasting), To: at, Cause: s.Gap, LastSeq: k.Seq, LastEp: p.Epoch, MaxLost: 1,
		Position: schemas.Position{Epoch: p.Epoch, Seq: k.Seq + 1},
	}
	err := p.publish(ctx, func() (schemas.Message, error) { return p.Names.GapMessage(g) })
	if err == nil {
		k.Seq++
	}
	return err
}

func (p *player) heartbeat(ctx context.Context, agent string, at time.Time) error {
	k := p.agent(agent)
	h := schemas.Heartbeat{Tenant: p.Tenant, Agent: agent, State: k.State, Since: k.Since, CallID: k.CallID, At: at, Position: k.Position}
	h.Seq = max(h.Seq, 1)
	return p.publish(ctx, func() (schemas.Message, error) { return p.Names.HeartbeatMessage(h) })
}

func (p *player) publish(ctx context.Context, message func() (schemas.Message, error)) error {
	m, err := message()
	if err == nil {
		err = p.Hub.Publish(ctx, m)
	}
	if err == nil {
		p.sent++
	}
	return err
}
