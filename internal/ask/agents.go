package ask

import (
	"cmp"
	"context"
	"slices"
	"time"

	"aiccbridge/schemas"
)

// heartbeat is the event of a heartbeat, which says nothing new of its agent.
const heartbeat = string(schemas.GroupSession) + ".heartbeat"

// Agent is where an agent stands, or stood. Zero and absent: it is not known.
type Agent struct {
	Tenant string        `json:"tenant"`
	Agent  string        `json:"agent"`
	State  schemas.State `json:"state"`
	Since  time.Time     `json:"since,omitzero"`
	CallID string        `json:"call_id,omitempty"`
	schemas.Position
	Event   string    `json:"event,omitempty"`   // the last one, as <group>.<name>; heartbeats do not count
	EventAt time.Time `json:"event_at,omitzero"` // when it was stored
	HeardAt time.Time `json:"heard_at,omitzero"` // when the last message of any kind was: of a polled agent minutes ago, at most
	Polled  bool      `json:"polled"`            // by its session; a bridge that died says so for a while
	By      string    `json:"by,omitempty"`      // the instance that has the lease of its partition
}

// Agents is where agents stand now, by tenant and id.
func (q Questions) Agents(ctx context.Context, s Scope) ([]Agent, error) {
	floor := floor{}
	err := q.states(ctx, s, func(w who, k schemas.AgentState) {
		a := floor.of(w)
		a.State, a.Since, a.CallID, a.Position = k.State, k.Since, k.CallID, k.Position
	})
	if err == nil {
		err = q.sessions(ctx, s, floor)
	}
	if err == nil {
		err = q.Hub.ReadNewest(ctx, schemas.StreamEvents, s.events(q.Names), func(m schemas.Stored) error {
			floor.heard(m)
			return nil
		})
	}
	if err == nil {
		err = q.owners(ctx, s, floor)
	}
	return floor.sorted(), err
}

// states calls f for what is known of agents.
func (q Questions) states(ctx context.Context, s Scope, f func(who, schemas.AgentState)) error {
	return q.Hub.Entries(ctx, schemas.BucketState, s.keys(), func(key string, e schemas.Stored) error {
		if k, err := read[schemas.AgentState](e); err == nil && k.Agent != "" { // else somebody else's entry
			f(who(key), k)
		}
		return nil
	})
}

func (q Questions) sessions(ctx context.Context, s Scope, floor floor) error {
	return q.Hub.Entries(ctx, schemas.BucketSessions, s.keys(), func(key string, e schemas.Stored) error {
		session, err := read[schemas.Session](e)
		if err != nil || session.Agent == "" {
			return nil
		}
		a := floor.of(who(key))
		a.Polled = session.Polling
		if session.Epoch > a.Epoch {
			a.Position = schemas.Position{Epoch: session.Epoch, Seq: session.LastSeq}
		}
		return nil
	})
}

// owners says who has the leases.
func (q Questions) owners(ctx context.Context, s Scope, floor floor) error {
	owners, err := q.Owners(ctx, s.Tenant)
	for _, a := range floor {
		a.By = owners.Of(a.Tenant, a.Agent)
	}
	return err
}

// Owners are the bridges that poll agents.
type Owners struct {
	held  map[string]string // instances by the key of the lease
	lease func(agent string) string
}

// Owners finds out who has the leases of a tenant's agents; "": of every tenant's.
func (q Questions) Owners(ctx context.Context, tenant string) (Owners, error) {
	o := Owners{held: map[string]string{}, lease: q.Lease}
	err := q.Hub.Entries(ctx, schemas.BucketLeases, Scope{Tenant: tenant}.keys(), func(key string, e schemas.Stored) error {
		if l, partition, ok := leaseOf(key, e); ok && partition {
			o.held[key] = l.By
		}
		return nil
	})
	return o, err
}

// Of is the instance that has an agent's lease; "": none has it.
func (o Owners) Of(tenant, agent string) string {
	if o.lease == nil {
		return ""
	}
	return cmp.Or(o.held[schemas.LeaseKey(tenant, o.lease(agent))], o.held[schemas.LeaseKey(tenant, schemas.WholePartition)])
}

// floor is all agents.
type floor map[who]*Agent

// of is an agent, a new one if need be.
func (f floor) of(w who) *Agent {
	a := f[w]
	if a == nil {
		a = &Agent{State: schemas.StateUnknown}
		a.Tenant, a.Agent = w.ids()
		f[w] = a
	}
	return a
}

// heard takes the last message of a subject.
func (f floor) heard(m schemas.Stored) {
	w, event, ok := about(m.Subject)
	if !ok {
		return
	}
	a := f.of(w)
	if m.StoredAt.After(a.HeardAt) {
		a.HeardAt = m.StoredAt
	}
	if event != heartbeat && m.StoredAt.After(a.EventAt) {
		a.Event, a.EventAt = event, m.StoredAt
	}
}

func (f floor) sorted() []Agent {
	all := make([]Agent, 0, len(f))
	for _, a := range f {
		all = append(all, *a)
	}
	slices.SortFunc(all, func(a, b Agent) int {
		return cmp.Or(cmp.Compare(a.Tenant, b.Tenant), cmp.Compare(len(a.Agent), len(b.Agent)), cmp.Compare(a.Agent, b.Agent))
	})
	return all
}
