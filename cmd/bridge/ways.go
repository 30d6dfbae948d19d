package main

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"path"
	"strings"

	"aiccbridge/config"
	"aiccbridge/internal/ccgateway"
	"aiccbridge/poller"
	"aiccbridge/poller/allagents"
	"aiccbridge/poller/partition"
	"aiccbridge/poller/push"
	"aiccbridge/poller/session"
	"aiccbridge/schemas"
)

// eventsPath is below what public_url has, and above the tenant's name, in the address that a
// gateway pushes to.
const eventsPath = "events"

// way is how a tenant's events come in other than by polls of single agents.
type way struct {
	name  string // of its partition
	of    func(poller.Options) partition.Way
	inlet *push.Inlet // nil: nothing is pushed
}

// newWay returns nil where single agents are polled.
func newWay(b base, h *hub, c config.Tenant, t *tenant, open *closers) (*way, error) {
	switch schemas.Way(c.Events) {
	case schemas.WayPush:
		inlet, err := newInlet(b, h, c, t)
		if err != nil {
			return nil, err
		}
		return &way{name: c.Events, of: func(o poller.Options) partition.Way { return inlet.Desk(o) }, inlet: inlet}, nil
	case schemas.WayAllAgents:
		o, err := allAgents(b, h, c, t, open)
		if err != nil {
			return nil, err
		}
		return &way{name: c.Events, of: func(pool poller.Options) partition.Way { return allagents.New(o, pool) }}, nil
	}
	return nil, nil
}

func newInlet(b base, h *hub, c config.Tenant, t *tenant) (*push.Inlet, error) {
	o := push.Options{
		Tenant: c.Name, Names: b.names, Key: b.seal.Key("pushes"), Letters: h,
		PushURL: c.Push.Dialect == "pushUrl",
		Text:    func(text []byte) []byte { return t.privacy.active().Text(text) },
		Secrets: func() (all []string) {
			for _, s := range tenantIn(b.changes.config(), c.Name).Push.Tokens {
				all = append(all, s.Reveal())
			}
			return all
		},
		Logger: b.log, Metrics: b.pushes,
	}
	if u := b.cfg.Callbacks.PublicURL; u != nil {
		o.URL = u.JoinPath(eventsPath, c.Name)
	}
	return push.New(o)
}

// allAgents are the polls of all nodes of a tenant's gateway.
func allAgents(b base, h *hub, c config.Tenant, t *tenant, open *closers) (o allagents.Options, err error) {
	nodes := c.AllAgents.Nodes
	if len(nodes) == 0 {
		nodes = []*url.URL{c.Gateway.URL}
	}
	for _, u := range nodes {
		g := gatewayOptions(c.Name, c.Gateway, b.log)
		g.URL, g.MaxBodyBytes = u.String(), 64<<20 // thousands of events
		g.Peer, g.Heads = b.certificates.Peer(c.Name, "gateway"), b.heads.Of("gateway of "+c.Name)
		client, err := ccgateway.New(g)
		if err != nil {
			return o, err
		}
		open.add(client.Close)
		o.Nodes = append(o.Nodes, allagents.Node{Name: u.Host, Poll: client.AllAgents().Poll})
	}
	o.Text = func(text []byte) []byte { return t.privacy.active().Text(text) }
	o.Seat = func(node string) *session.Seat { return b.polling.Seat(c.Name, node) }
	if agent := c.AllAgents.SessionOf; agent != "" {
		o.Ticket = func(ctx context.Context) string { return handedSession(ctx, b, h, c.Name, agent) }
	}
	return o, nil
}

// handedSession is the session of an agent as it stands in the bucket; "" if there is none.
func handedSession(ctx context.Context, b base, h *hub, tenant, agent string) string {
	key := schemas.AgentKey(tenant, agent)
	value, _, err := h.Bucket(schemas.BucketSessions).Get(ctx, key)
	var entry schemas.Session
	if err != nil || json.Unmarshal(value, &entry) != nil || entry.GUID == "" {
		return ""
	}
	ticket, err := b.seal.Open(entry.GUID, key)
	if err != nil {
		return ""
	}
	return string(ticket)
}

// inlets are the tenants' whose events are pushed, before whatever else the listener serves.
type inlets struct {
	of   map[string]*push.Inlet
	rest http.Handler
}

// newInlets returns rest if nothing is pushed.
func newInlets(tenants []*tenant, rest http.Handler) http.Handler {
	i := inlets{map[string]*push.Inlet{}, rest}
	for _, t := range tenants {
		if t.way != nil && t.way.inlet != nil {
			i.of[t.cfg.Name] = t.way.inlet
		}
	}
	if len(i.of) == 0 {
		return rest
	}
	return i
}

// ServeHTTP finds the tenant at the end of the path: an ingress may strip what is before.
func (i inlets) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	before, tenant := path.Split(strings.TrimSuffix(r.URL.Path, "/"))
	inlet := i.of[tenant]
	switch {
	case inlet != nil && path.Base(before) == eventsPath:
		inlet.ServeHTTP(w, r)
	case i.rest != nil:
		i.rest.ServeHTTP(w, r)
	default:
		http.Error(w, fmt.Sprintf("nothing is served here but pushes at /%s/<tenant>", eventsPath), http.StatusNotFound)
	}
}
