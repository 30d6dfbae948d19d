package main

import (
	"context"
	"errors"
	"sync"

	"aiccbridge/bus/kv"
	"aiccbridge/bus/service"
	"aiccbridge/config"
	"aiccbridge/poller/handover"
	"aiccbridge/poller/partition"
	"aiccbridge/poller/session"
	"aiccbridge/schemas"
	"aiccbridge/schemas/requests"
)

// wanted is whom a tenant's gateway polls: those who are configured, and those whose session
// another system has handed over.
type wanted struct {
	share *partition.Share

	mu         sync.Mutex
	configured config.Tenant
	entries    map[string]uint64 // of the sessions handed over
}

// newWanted tells the share whom to poll whenever that changes.
func newWanted(b base, c config.Tenant, share *partition.Share) *wanted {
	w := &wanted{share: share, configured: c}
	b.handovers.Tenant(c.Name)
	b.changes.add(func(_, new *config.Config) (func(), error) {
		return func() { w.configure(tenantIn(new, c.Name)) }, nil
	})
	return w
}

// ownAgents are those whom the bridge signs in: to be polled, or to be pushed.
func ownAgents(c config.Tenant) []session.Agent {
	var own []config.Agent
	for _, a := range c.Gateway.Agents {
		if way := wayOf(c, a); way == schemas.WayPoll || way == schemas.WayPush {
			own = append(own, a)
		}
	}
	return agents(own)
}

// wayOf is how the events of an agent come.
func wayOf(c config.Tenant, a config.Agent) schemas.Way {
	if a.Events != "" {
		return schemas.Way(a.Events)
	}
	return schemas.Way(c.Events)
}

// handsOver reports a tenant some of whose agents are signed in by another system.
func handsOver(c config.Tenant) bool {
	if c.Gateway == nil {
		return false
	}
	if schemas.Way(c.Events) == schemas.WayHandover {
		return true
	}
	for _, a := range c.Gateway.Agents {
		if wayOf(c, a) == schemas.WayHandover {
			return true
		}
	}
	return false
}

// agents are all of them. An entry of somebody who comes another way is that way's.
func (w *wanted) agents() []session.Agent {
	ways := map[string]schemas.Way{}
	for _, a := range w.configured.Gateway.Agents {
		ways[a.ID] = wayOf(w.configured, a)
	}
	all := ownAgents(w.configured)
	for id, revision := range w.entries {
		way, listed := ways[id]
		if !listed {
			way = schemas.Way(w.configured.Events)
		}
		if way == schemas.WayHandover {
			all = append(all, session.Agent{ID: id, Entry: revision, Via: way})
		}
	}
	return all
}

// configure takes another configuration.
func (w *wanted) configure(c config.Tenant) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.configured = c
	w.share.Set(w.agents())
}

// handed takes other entries.
func (w *wanted) handed(entries map[string]uint64) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.entries = entries
	w.share.Set(w.agents())
}

// follow follows the sessions that are handed over; nil: none are.
func (w *wanted) follow(b base, h *hub) func(intake, work context.Context) error {
	if !handsOver(w.configured) {
		return nil
	}
	return func(intake, _ context.Context) error {
		return handover.Follow(intake, handover.Following{
			Tenant: w.configured.Name, Entries: h.Bucket(schemas.BucketSessions), Tell: w.handed, Metrics: b.handovers, Logger: b.log,
		})
	}
}

// newDesk is where sessions are handed over by requests.
func newDesk(b base, h *hub) *handover.Desk {
	d := &handover.Desk{
		Entries: kv.Open(h.bus.Conn(), schemas.BucketSessions), Seal: b.seal, Metrics: b.handovers, Tenants: map[string]handover.Terms{},
	}
	for _, t := range b.cfg.Tenants {
		if handsOver(t) {
			d.Tenants[t.Name] = handover.Terms{Plain: !t.Gateway.Handover.Sealed, Nodes: t.Gateway.Handover.Nodes}
		}
	}
	return d
}

// deskEndpoints are the requests that hand sessions over and give them back.
func deskEndpoints(d *handover.Desk) []service.Endpoint {
	return []service.Endpoint{
		{Name: requests.Handover, What: "poll an agent's session from now on: {tenant, agent, guid, cookies, url, by}", Answer: answer(func(ctx context.Context, g handover.Gift) (any, error) {
			return coded(d.Give(ctx, g))
		})},
		{Name: requests.Handback, Waits: true, What: "stop to poll, and give the session back: {tenant, agent}", Answer: answer(func(ctx context.Context, w handover.Wish) (any, error) {
			return coded(d.Return(ctx, w))
		})},
	}
}

// coded is an answer whose error has its code.
func coded[A any](a A, err error) (any, error) {
	switch {
	case errors.Is(err, handover.ErrBad):
		err = &service.Error{Code: service.CodeBad, Err: err}
	case errors.Is(err, handover.ErrNone):
		err = &service.Error{Code: service.CodeNotFound, Err: err}
	case errors.Is(err, handover.ErrNotYet):
		err = &service.Error{Code: service.CodeLater, Err: err}
	}
	return a, err
}
