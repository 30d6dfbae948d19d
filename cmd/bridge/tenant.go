package main

import (
	"context"
	"crypto/x509"
	"net/url"
	"time"

	"github.com/rs/zerolog"

	"aiccbridge/bus/lease"
	"aiccbridge/config"
	"aiccbridge/exporter/calls"
	"aiccbridge/exporter/filestore"
	"aiccbridge/exporter/planner"
	"aiccbridge/exporter/reconcile"
	"aiccbridge/internal/ccgateway"
	"aiccbridge/internal/freshness/pulse"
	"aiccbridge/internal/privacy"
	"aiccbridge/internal/viaproxy"
	"aiccbridge/poller"
	"aiccbridge/poller/monitor"
	"aiccbridge/poller/partition"
	"aiccbridge/poller/proxy"
	"aiccbridge/poller/record"
	"aiccbridge/poller/session"
	"aiccbridge/schemas"
	"aiccbridge/schemas/events"
)

// startEvery spreads the first sign-ins of a tenant's agents: fifty a second, so
// that a start is not a storm of them. Agents whose sessions go on are polled at once.
const startEvery = 20 * time.Millisecond

// tenant is one contact centre: what works with it.
type tenant struct {
	cfg     config.Tenant
	privacy *policy
	agents  *partition.Share                         // nil without a gateway, and where agents sign in through the bridge
	follow  func(intake, work context.Context) error // the sessions handed over; nil: none are
	proxy   *proxy.Proxy                             // nil where they don't
	sole    *partition.Sole                          // of what one bridge does for all agents: proxy, seen; nil: neither
	way     *way                                     // nil: single agents are polled, or sign in through the bridge
	seen    *monitoring                              // nil unless its events are what is seen of the agents
	sights  *session.Sights                          // of those who are polled; nil: nothing is confirmed
	confirm *monitor.Beside                          // what fills them
	looks   *portion                                 // what that may ask for
	pulse   *pulse.Pulse                             // of its events; nil without a gateway
	teams   *teams                                   // of its agents
	files   *filestore.Store                         // nil without a file store
	planner *planner.Planner                         // of the files
	calls   *calls.Builder                           // nil when none are made
	compare *reconcile.Reconciler                    // live events with files; nil: there are not both, or it is off
}

func newTenant(b base, h *hub, c config.Tenant, known accounts, open *closers) (*tenant, error) {
	t := &tenant{cfg: c}
	var err error
	if t.privacy, err = newPolicy(b, c); err != nil {
		return nil, err
	}
	if c.Gateway != nil {
		if t.pulse, t.teams, err = newPulse(b, h, c); err != nil {
			return nil, err
		}
		if t.way, err = newWay(b, h, c, t, open); err != nil {
			return nil, err
		}
		if throughBridge(c) {
			t.proxy, err = newProxy(b, h, c, t, open)
		} else {
			t.agents, err = newPolling(b, h, c, t, open)
		}
		if err != nil {
			return nil, err
		}
		if t.agents != nil {
			t.follow = newWanted(b, c, t.agents).follow(b, h)
		}
	}
	if c.Monitored() {
		if t.seen, err = newMonitoring(b, h, c, t, open); err != nil {
			return nil, err
		}
	}
	if c.Files != nil {
		if t.files, err = newFiles(b, c, known, open); err != nil {
			return nil, err
		}
		if t.planner, err = newPlanner(b, h, c, t.files); err != nil {
			return nil, err
		}
		if t.calls, err = newCalls(b, h, c); err != nil {
			return nil, err
		}
		if t.compare, err = newComparing(b, h, c); err != nil {
			return nil, err
		}
	}
	return t, nil
}

// confirms prepares what holds polls against the monitor, if there is one.
func (t *tenant) confirms(b base, open *closers) (err error) {
	if t.cfg.Confirmed() {
		t.sights, t.looks = session.NewSights(), newPortion(budget(b.cfg, t.cfg.Monitor))
		t.confirm, err = newConfirming(b, t.cfg, t.sights, t.looks, open)
	}
	return err
}

// sharing is who shares the agents, with whom the looks beside polls are shared as well.
func (t *tenant) sharing(run func(context.Context, func(bridges []string)) error) func(context.Context, func(bridges []string)) error {
	if t.looks == nil {
		return run
	}
	return func(ctx context.Context, tell func(bridges []string)) error { return run(ctx, t.looks.told(tell)) }
}

// parts are what runs of a tenant by itself.
func (t *tenant) parts(p *planning) (all []part) {
	if t.agents != nil {
		all = append(all, part{"poller of " + t.cfg.Name, t.agents.Run})
	}
	if t.proxy != nil {
		all = append(all, part{"proxy of " + t.cfg.Name, func(intake, work context.Context) error {
			return t.sole.Run(intake, work, t.proxy.Serve)
		}})
	}
	if t.pulse != nil {
		all = append(all, part{"pulse of " + t.cfg.Name, func(intake, _ context.Context) error { return t.pulse.Run(intake) }})
	}
	if t.follow != nil {
		all = append(all, part{"handover of " + t.cfg.Name, t.follow})
	}
	if t.seen != nil {
		all = append(all, part{"monitor of " + t.cfg.Name, t.seen.run})
	}
	if t.confirm != nil {
		all = append(all, part{"monitor of " + t.cfg.Name, func(intake, _ context.Context) error { return t.confirm.Run(intake) }})
	}
	if t.planner != nil {
		all = append(all, part{"planner of " + t.cfg.Name, p.begin(t.planner)})
	}
	if t.calls != nil {
		all = append(all, part{"calls of " + t.cfg.Name, func(intake, _ context.Context) error { return t.calls.Run(intake) }})
	}
	if t.compare != nil {
		all = append(all, part{"comparison of " + t.cfg.Name, func(intake, _ context.Context) error { return t.compare.Run(intake) }})
	}
	return all
}

func newPrivacy(c config.Privacy) (*privacy.Policy, error) {
	o := privacy.Options{PhoneNumbers: privacy.Action(c.PhoneNumbers), Fields: map[string]privacy.Action{}, Key: []byte(c.Key.Reveal())}
	o.Phones, o.Lists = events.PhoneNames()
	for name, action := range c.Fields {
		o.Fields[name] = privacy.Action(action)
	}
	return privacy.New(o)
}

// recordPrivacy is what events are concealed by now; nil: by nothing.
func (t *tenant) recordPrivacy() record.Privacy {
	if p := t.privacy.active(); p != nil { // a nil pointer in an interface would not be nil
		return p
	}
	return nil
}

// noneIfZero turns a configured 0 ("none") into the negative that a component
// takes for it, whose own zero means the default.
func noneIfZero(d time.Duration) time.Duration {
	if d == 0 {
		return -1
	}
	return d
}

// gatewayClient is a client of a tenant's gateway.
func gatewayClient(tenant string, g *config.Gateway, log zerolog.Logger) (*ccgateway.Client, error) {
	return ccgateway.New(gatewayOptions(tenant, g, log))
}

// gatewayOptions are those of a client of a tenant's gateway.
func gatewayOptions(tenant string, g *config.Gateway, log zerolog.Logger) ccgateway.Options {
	return ccgateway.Options{
		URL: g.URL.String(), Nodes: g.Handover.Nodes, RootCAs: g.RootCAs, InsecureSkipVerify: g.InsecureSkipVerify, AllowLinkLocal: g.AllowLinkLocal,
		Proxy: forwardProxy(g.ProxyURL, g.ProxyCredentials, g.ProxyRootCAs),
		Hold:  g.Hold, PollTimeout: g.PollTimeout, ConnectRate: g.ConnectsPerSecond, Logger: log.With().Str("tenant", tenant).Logger(),
	}
}

// openGateway is the client of a tenant's gateway that works for the tenant.
func openGateway(b base, c config.Tenant, open *closers) (*ccgateway.Client, error) {
	o := gatewayOptions(c.Name, c.Gateway, b.log)
	o.Peer, o.Heads = b.certificates.Peer(c.Name, "gateway"), b.heads.Of("gateway of "+c.Name)
	gateway, err := ccgateway.New(o)
	if err == nil {
		open.add(gateway.Close)
	}
	return gateway, err
}

// acquire waits for a lease, and for what its last owner left.
func acquire(ctx context.Context, h *hub, o lease.Options) (uint64, lease.Lease, error) {
	l := h.lease(o)
	epoch, err := l.Acquire(ctx)
	if err == nil {
		h.awaitSessions(ctx)
	}
	return epoch, l, err
}

func newPolling(b base, h *hub, c config.Tenant, t *tenant, open *closers) (*partition.Share, error) {
	g := c.Gateway
	gateway, err := openGateway(b, c, open)
	if err != nil {
		return nil, err
	}
	if err := t.confirms(b, open); err != nil {
		return nil, err
	}
	sessions := h.Bucket(schemas.BucketSessions)
	pool := poller.Options{
		Tenant: c.Name, Names: b.names, Via: schemas.Way(c.Events),
		Agent:    func(id string) session.Gateway { return gateway.Agent(id) },
		Store:    h,
		Sessions: sessions, States: h.Bucket(schemas.BucketState),
		Seal: b.seal, Plain: !g.Handover.Sealed, LastStored: h.Last, Losses: h.witness, Copied: h.copied(),
		PollTimeout: g.PollTimeout, EventGap: g.EventGap, IdleGap: g.IdleGap, Heartbeat: noneIfZero(g.Heartbeat),
		ForceSignIn: g.ForceSignIn, SignOutOnShutdown: g.SignOutOnShutdown,
		Heard:  t.pulse.Heard,
		Logger: b.log, Metrics: b.polling,
	}
	pool.Privacy, pool.Sights = t.recordPrivacy, t.sights
	options := partition.Options{
		Spread: func(agents int) time.Duration { return noneIfZero(min(time.Duration(agents)*startEvery, time.Minute)) },
		Pool:   pool, Agents: ownAgents(c), Self: b.instance, Flush: func(ctx context.Context) { _ = h.flush(ctx) }, Await: h.awaitSessions, Grace: b.cfg.Shutdown.Grace, Lost: lease.ErrLost,
		Bridges: t.sharing(lease.NewMembers(h.bus.Conn(), lease.Options{Tenant: c.Name}).Run), Metrics: b.shares,
		Last: func(ctx context.Context) ([]string, error) { return h.heldLast(ctx, c.Name) },
		Acquire: func(ctx context.Context, partition string, floor uint64) (uint64, partition.Lease, error) {
			return acquire(ctx, h, lease.Options{Tenant: c.Name, Partition: partition, Floor: floor})
		},
		Sessions: func(ctx context.Context, f func([]byte)) error {
			ctx, loaded := context.WithCancel(ctx)
			defer loaded()
			read := func(_ string, value []byte, _ uint64) { f(value) }
			return sessions.Watch(ctx, schemas.EncodeToken(c.Name)+".>", read, loaded)
		},
	}
	if t.way != nil {
		options.Way, options.Name = t.way.of, t.way.name
	}
	return partition.New(options), nil
}

// forwardProxy returns nil without a URL.
func forwardProxy(u *url.URL, credentials config.Secret, roots *x509.CertPool) *viaproxy.Proxy {
	if u == nil {
		return nil
	}
	return &viaproxy.Proxy{URL: u, Credentials: credentials.Reveal(), RootCAs: roots}
}

func agents(configured []config.Agent) []session.Agent {
	status := map[string]int{"idle": 4, "busy": 3, "wrapup": 5}
	all := make([]session.Agent, len(configured))
	for i, a := range configured {
		all[i] = session.Agent{
			ID: a.ID, Phone: a.Phone, Password: a.Password.Reveal(), Status: status[a.Status],
			AutoAnswer: &a.AutoAnswer, AutoEnterIdle: &a.AutoEnterIdle, Via: schemas.Way(a.Events),
		}
	}
	return all
}
