package proxy

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"aiccbridge/internal/ccgateway"
	"aiccbridge/poller/proxy/kept"
	"aiccbridge/poller/proxy/queue"
	"aiccbridge/poller/record"
	"aiccbridge/schemas"
)

const (
	keepWithin = 2 * time.Second  // for a write that clients may wait for
	readLimit  = 30 * time.Second // for what is stored of one agent
	// clockSlack is how much earlier than a client's last event the stream is read: clocks differ.
	clockSlack = time.Minute
)

// sealContext keeps what is sealed here from being opened as anything else.
func (p *Proxy) sealContext(agent string) string { return "clients of " + p.key(agent) }

func (p *Proxy) ticketContext(agent string) string { return "ticket of " + p.key(agent) }

// describe writes down what is to be kept of a desk. The caller has the mutex.
func (d *desk) describe() (kept.Entry, error) {
	p := d.term.p
	e := kept.Entry{Tenant: p.o.Record.Tenant, Agent: d.agent, LoginTime: d.loginTime, UpdatedAt: time.Now().UTC()}
	if d.ticket != "" {
		sealed, err := p.o.Session.Seal.Seal([]byte(d.ticket), p.ticketContext(d.agent))
		if err != nil {
			return e, fmt.Errorf("seal a session: %w", err)
		}
		e.Ticket = sealed
	}
	for _, b := range d.badges {
		plain, err := json.Marshal(kept.Secret{GUID: b.guid, Way: b.way})
		if err != nil {
			return e, err
		}
		sealed, err := p.o.Session.Seal.Seal(plain, p.sealContext(d.agent))
		if err != nil {
			return e, fmt.Errorf("seal what clients have: %w", err)
		}
		k := kept.Badge{Sealed: sealed}
		for _, c := range b.clients {
			k.Clients = append(k.Clients, kept.Client{Who: c.who, Position: c.confirmed, Came: c.came.UTC()})
		}
		e.Badges = append(e.Badges, k)
	}
	return e, nil
}

// keep writes what has changed.
func (t *term) keep(ctx context.Context) {
	t.mu.Lock()
	var changed []*desk
	for _, d := range t.desks {
		if d.changed {
			changed = append(changed, d)
		}
	}
	t.mu.Unlock()
	for _, d := range changed {
		if !t.keepDesk(ctx, d) {
			return
		}
	}
}

// keepDesk writes what is kept of one agent's clients. What fails is tried again later: until then
// a restart costs a client some events that come a second time, or another sign-in. Where a later
// owner has written, this term is over.
func (t *term) keepDesk(ctx context.Context, d *desk) bool {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), keepWithin)
	defer cancel()
	d.writing.Lock()
	defer d.writing.Unlock()
	t.mu.Lock()
	e, err := d.describe()
	none := len(d.badges) == 0
	d.changed = false
	t.mu.Unlock()
	switch {
	case err != nil:
	case none:
		err = d.kept.Remove(ctx)
	default:
		err = d.kept.Write(ctx, e)
	}
	if outgrown := (*record.Outgrown)(nil); errors.As(err, &outgrown) {
		t.depose(outgrown)
		return false
	}
	if err != nil {
		t.p.keeping.On("clients", err, "what clients have confirmed is not kept; trying again")
		t.mu.Lock()
		d.changed = true
		t.mu.Unlock()
		return false
	}
	t.p.keeping.Over("what clients have confirmed is kept again")
	return true
}

// restoreDesk goes on with the clients of one agent. The error is the context's.
func (t *term) restoreDesk(ctx context.Context, e kept.Entry, revision uint64) error {
	d := t.desk(e.Agent)
	d.kept.Found(revision)
	since := time.Time{}
	for _, k := range e.Badges {
		for _, c := range k.Clients {
			if at := c.Came.Add(-clockSlack); since.IsZero() || at.Before(since) {
				since = at
			}
		}
	}
	items, err := t.stored(ctx, e.Agent, since)
	if ctx.Err() != nil {
		return ctx.Err()
	}
	if err != nil {
		t.p.log.Error().Err(err).Str("agent", e.Agent).Msg("events that came before the restart can't be read; the agent's clients may miss some, the stream does not")
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	d.loginTime, d.changed = e.LoginTime, true // an owner before is to see that it is one no more
	for _, k := range e.Badges {
		if err := t.restoreBadge(d, k); err != nil {
			t.p.log.Error().Err(err).Str("agent", e.Agent).Msg("client can't go on and has to sign in again")
		}
	}
	d.queue.Add(items...)
	for _, b := range d.badges {
		for _, c := range b.clients {
			c.reader.Skip(c.has)
		}
		t.startPushes(b)
	}
	if len(d.badges) > 0 {
		s := t.p.o.Gateway.Agent(e.Agent)
		s.Resume(t.ticketOf(e))
		d.begin(s, s.Ticket())
	}
	return nil
}

// ticketOf is that of a session which its last owner had no time to hand to the agent's loop; "":
// there is none.
func (t *term) ticketOf(e kept.Entry) string {
	if e.Ticket == "" {
		return ""
	}
	plain, err := t.p.o.Session.Seal.Open(e.Ticket, t.p.ticketContext(e.Agent))
	if err != nil {
		t.p.log.Error().Err(err).Str("agent", e.Agent).Msg("session just begun can't be opened; the agent has to sign in again")
	}
	return string(plain)
}

func (t *term) restoreBadge(d *desk, k kept.Badge) error {
	plain, err := t.p.o.Session.Seal.Open(k.Sealed, t.p.sealContext(d.agent))
	if err != nil {
		return fmt.Errorf("open what a client had: %w", err)
	}
	var s kept.Secret
	if json.Unmarshal(plain, &s) != nil || s.GUID == "" || t.badges[s.GUID] != nil {
		return errors.New("what a client had is not what was kept")
	}
	if s.Way != nil { // proxy.push_hosts may have changed
		if err := t.p.o.Poster.Check(*s.Way); err != nil {
			return err
		}
	}
	b := &badge{desk: d, guid: s.GUID, way: s.Way}
	for _, was := range k.Clients {
		c := newClient(d.queue.Read())
		c.who, c.confirmed, c.came = was.Who, was.Position, was.Came
		b.clients = append(b.clients, c)
	}
	t.pin(b)
	return nil
}

// stored are the platform's events of an agent since a time, in their order, as clients get them.
func (t *term) stored(ctx context.Context, agent string, since time.Time) (items []queue.Item, err error) {
	ctx, cancel := context.WithTimeout(ctx, readLimit)
	defer cancel()
	o := t.p.o.Record
	err = t.p.o.Stored(ctx, o.Names.Agent(o.Tenant, agent), since, func(m schemas.Stored) error {
		if item, ok := again(m); ok {
			items = append(items, item)
		}
		return nil
	})
	slices.SortStableFunc(items, func(a, b queue.Item) int { return compare(a.At, b.At) })
	return items, err
}

func compare(a, b schemas.Position) int {
	return cmp.Or(cmp.Compare(a.Epoch, b.Epoch), cmp.Compare(a.Seq, b.Seq))
}

// has reports whether the client is known to have an event, or began after it.
func (c *client) has(item queue.Item) bool {
	if c.confirmed == (schemas.Position{}) {
		return item.Came.Before(c.came)
	}
	return compare(item.At, c.confirmed) <= 0
}

// again makes the platform's event of a message, as far as the message has it: what a policy
// conceals is concealed, and members that are not in the contract are missing.
func again(m schemas.Stored) (item queue.Item, ok bool) {
	var e schemas.Event
	if m.Get("ce-type") != schemas.TypeEvent || json.Unmarshal(m.Body, &e) != nil || strings.HasPrefix(e.Type, "bridge.") {
		return item, false
	}
	raw := struct {
		Type    string          `json:"eventType"`
		At      int64           `json:"eventGenTime,omitempty"`
		WorkNo  string          `json:"workNo"`
		Content json.RawMessage `json:"content"`
	}{Type: e.Type, WorkNo: e.Agent, Content: e.Content}
	if e.NamedAgent != "" {
		raw.WorkNo = e.NamedAgent
	}
	if !e.OccurredAt.IsZero() {
		raw.At = e.OccurredAt.UnixMilli()
	}
	text, err := json.Marshal(raw)
	return queue.Item{Raw: text, At: e.Position, Came: e.ReceivedAt}, err == nil
}

// emptied tells of queues at the gateway that a client has emptied (syncagentinfo), beside what
// the store has lost.
type emptied struct {
	store record.Losses // nil: nothing is known

	mu sync.Mutex
	by map[string][]schemas.Gap // by the agent's subject filter
}

func newEmptied(store record.Losses) *emptied {
	return &emptied{store: store, by: map[string][]schemas.Gap{}}
}

// add notes that a queue is emptied now. What was in it came after the agent's last poll.
func (e *emptied) add(filter string, now time.Time) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.by[filter] = append(e.by[filter], schemas.Gap{
		From: now.Add(-ccgateway.DefaultHold).UTC(), To: now.UTC(), Cause: schemas.GapSession,
		Detail: "a client had the gateway empty the agent's queue (syncagentinfo)",
	})
}

// Unsaid is as [record.Losses] says.
func (e *emptied) Unsaid(filter string) []schemas.Gap {
	e.mu.Lock()
	gaps := slices.Clone(e.by[filter])
	e.mu.Unlock()
	if e.store != nil {
		gaps = append(gaps, e.store.Unsaid(filter)...)
	}
	return gaps
}

// Said is as [record.Losses] says.
func (e *emptied) Said(filter string) {
	e.mu.Lock()
	own := len(e.by[filter]) > 0
	if own {
		if e.by[filter] = e.by[filter][1:]; len(e.by[filter]) == 0 {
			delete(e.by, filter)
		}
	}
	e.mu.Unlock()
	if !own && e.store != nil {
		e.store.Said(filter)
	}
}
