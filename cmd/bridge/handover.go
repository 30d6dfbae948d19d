package main

import (
	"cmp"
	"context"
	"errors"
	"maps"
	"slices"
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
	tenant string
	share  *partition.Share
	some   chan struct{} // closed once there are some whose session is handed over

	mu         sync.Mutex
	configured config.Tenant
	entries    map[string]uint64 // of the sessions handed over
}

// newWanted tells the share whom to poll whenever that changes.
func newWanted(b base, c config.Tenant, share *partition.Share) *wanted {
	w := &wanted{tenant: c.Name, share: share, some: make(chan struct{}), configured: c}
	w.begin()
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

// waysOf is how the events of each agent come that is listed; those of others come as the
// tenant's.
func waysOf(c config.Tenant) map[string]schemas.Way {
	ways := map[string]schemas.Way{}
	for _, a := range c.Gateway.Agents {
		ways[a.ID] = wayOf(c, a)
	}
	return ways
}

// handsOver reports a tenant some of whose agents are signed in by another system.
func handsOver(c config.Tenant) bool {
	if c.Gateway == nil {
		return false
	}
	return schemas.Way(c.Events) == schemas.WayHandover || slices.ContainsFunc(c.Gateway.Agents, func(a config.Agent) bool {
		return wayOf(c, a) == schemas.WayHandover
	})
}

// agents are all of them, those handed over in the order of their numbers. An entry of somebody
// who comes another way is that way's.
func (w *wanted) agents() []session.Agent {
	ways := waysOf(w.configured)
	all := ownAgents(w.configured)
	for _, id := range slices.Sorted(maps.Keys(w.entries)) {
		way := cmp.Or(ways[id], schemas.Way(w.configured.Events))
		if way == schemas.WayHandover {
			all = append(all, session.Agent{ID: id, Entry: w.entries[id], Via: way})
		}
	}
	return all
}

// configure takes another configuration.
func (w *wanted) configure(c config.Tenant) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.configured = c
	w.begin()
	w.share.Set(w.agents())
}

// handed takes other entries.
func (w *wanted) handed(entries map[string]uint64) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.entries = entries
	w.share.Set(w.agents())
}

// begin has the sessions followed from now on, if there may be some. The caller holds mu.
func (w *wanted) begin() {
	if !handsOver(w.configured) {
		return
	}
	select {
	case <-w.some: // already
	default:
		close(w.some)
	}
}

// follow follows the sessions that are handed over, from when there may be some.
func (w *wanted) follow(b base, h *hub) func(intake, work context.Context) error {
	return func(intake, _ context.Context) error {
		select {
		case <-w.some:
		case <-intake.Done():
			return nil
		}
		return handover.Follow(intake, handover.Following{
			Tenant: w.tenant, Entries: h.Bucket(schemas.BucketSessions), Tell: w.handed, Metrics: b.handovers, Logger: b.log,
		})
	}
}

// newDesk is where sessions are handed over by requests.
func newDesk(b base, h *hub) *handover.Desk {
	return &handover.Desk{
		Entries: kv.Open(h.bus.Conn(), schemas.BucketSessions), Seal: b.seal, Metrics: b.handovers,
		Terms: func(tenant string) (handover.Terms, bool) { return termsOf(tenantIn(b.changes.config(), tenant)) },
	}
}

// termsOf are those on which sessions of a tenant are handed over; false: none are.
func termsOf(c config.Tenant) (handover.Terms, bool) {
	if !handsOver(c) {
		return handover.Terms{}, false
	}
	ways := waysOf(c)
	return handover.Terms{
		Plain: !c.Gateway.Handover.Sealed, Nodes: c.Gateway.Handover.Nodes,
		Handed: func(agent string) bool { return cmp.Or(ways[agent], schemas.Way(c.Events)) == schemas.WayHandover },
	}, true
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
