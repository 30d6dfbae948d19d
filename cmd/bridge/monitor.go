package main

import (
	"context"
	"encoding/json"
	"time"

	"github.com/rs/zerolog"
	"golang.org/x/time/rate"

	"aiccbridge/bus/lease"
	"aiccbridge/config"
	"aiccbridge/internal/c2sign"
	"aiccbridge/internal/cccms"
	"aiccbridge/internal/ccfs"
	"aiccbridge/poller/monitor"
	"aiccbridge/poller/partition"
	"aiccbridge/poller/record"
	"aiccbridge/poller/session"
	"aiccbridge/schemas"
)

// sightLimit is how long nothing may be seen before an alarm says so.
const sightLimit = time.Minute

// monitoring is a tenant whose agents are looked at.
type monitoring struct {
	sight *monitor.Sight
	run   func(intake, work context.Context) error
}

// newMonitoring looks at the agents of a tenant while this bridge has their lease.
func newMonitoring(b base, h *hub, c config.Tenant, t *tenant, open *closers) (*monitoring, error) {
	client, err := openMonitor(b, c, open)
	if err != nil {
		return nil, err
	}
	log := b.log.With().Str("tenant", c.Name).Logger()
	m := &monitoring{sight: &monitor.Sight{}}
	o := soleOptions(b, h, c)
	o.Floor = func(ctx context.Context) uint64 { return h.highestEpoch(ctx, b.names, c.Name) }
	o.Acquire = func(ctx context.Context, floor uint64) (uint64, partition.Lease, error) {
		l := h.lease(lease.Options{Tenant: c.Name, Partition: partition.Whole, Floor: floor})
		epoch, err := l.Acquire(ctx)
		return epoch, l, err
	}
	t.sole = partition.NewSole(o)
	messages := record.Options{
		Tenant: c.Name, Names: b.names, Store: h, States: h.Bucket(schemas.BucketState), LastStored: h.Last, Losses: h.witness,
		Privacy: t.recordPrivacy, Metrics: b.polling.Records(), Logger: log,
	}
	m.run = func(intake, work context.Context) error {
		return t.sole.Run(intake, work, func(intake, work context.Context, epoch uint64) error {
			messages.Epoch = epoch
			return monitor.New(monitor.Options{
				Platform: client, Record: messages, Interval: c.Monitor.Interval, Sight: m.sight, Metrics: b.seeing, Logger: log,
				Known: func(ctx context.Context) ([]schemas.AgentState, error) { return h.knownStates(ctx, c.Name) },
			}).Run(intake, work)
		})
	}
	return m, nil
}

// soleOptions are those of what one bridge at a time does for a tenant, but for the lease.
func soleOptions(b base, h *hub, c config.Tenant) partition.SoleOptions {
	return partition.SoleOptions{
		Tenant: c.Name, Lost: lease.ErrLost, Grace: b.cfg.Shutdown.Grace, Metrics: b.shares,
		Flush: func(ctx context.Context) { _ = h.flush(ctx) }, Logger: b.log,
	}
}

// openMonitor is the client of a tenant's monitor that works for the tenant.
func openMonitor(b base, c config.Tenant, open *closers) (*cccms.Client, error) {
	o := monitorOptions(b.cfg, c, b.log)
	o.Service.Peer, o.Service.Heads = b.certificates.Peer(c.Name, "monitor"), b.heads.Of("monitor of "+c.Name)
	client, err := cccms.New(o)
	if err == nil {
		open.add(client.Close)
	}
	return client, err
}

// besidePolls is the least interval of looks that confirm what polls bring: every bridge looks,
// at the agents whom it polls.
const besidePolls = 30 * time.Second

// newConfirming looks at the agents of a tenant whom this bridge polls.
func newConfirming(b base, c config.Tenant, sights *session.Sights, open *closers) (*monitor.Beside, error) {
	client, err := openMonitor(b, c, open)
	if err != nil {
		return nil, err
	}
	return &monitor.Beside{
		Tenant: c.Name, Platform: client, Agents: sights.Agents, Saw: sights.Saw, Interval: max(c.Monitor.Interval, besidePolls),
		Metrics: b.seeing, Logger: b.log.With().Str("tenant", c.Name).Logger(),
	}, nil
}

// monitorOptions are those of a client of a tenant's monitor.
func monitorOptions(cfg *config.Config, c config.Tenant, log zerolog.Logger) cccms.Options {
	m := c.Monitor
	profile := c2sign.Profile{EmptyQueryLine: m.EmptyQueryLine}
	if m.SignedHeaders == "host" {
		profile.SignedHeaders = []string{"host"}
	}
	return cccms.Options{
		CC: m.CC, VDN: m.VDN, Budget: budget(cfg, m),
		Service: ccfs.Options{
			URL: m.URL.String(), Key: c2sign.NewKey(m.AccessKey, m.SecretKey.Reveal()), Profile: profile, RootCAs: m.RootCAs,
			InsecureSkipVerify: m.SkipVerify, AllowHTTP: m.AllowInsecureHTTP, AllowLinkLocal: m.AllowLinkLocal,
			Proxy: forwardProxy(m.ProxyURL, m.ProxyCredentials, m.ProxyRootCAs), Logger: log.With().Str("tenant", c.Name).Str("service", "monitor").Logger(),
		},
	}
}

// budget is a tenant's share of the requests under an access key. One bridge at a time looks for
// a tenant, and all have the same tenants: so all shares together are what is allowed, whoever
// looks where. None is saved up, which all could spend at once.
func budget(cfg *config.Config, m *config.Monitor) *rate.Limiter {
	tenants := 0
	for _, t := range cfg.Tenants {
		if t.Monitor != nil && t.Monitor.AccessKey == m.AccessKey {
			tenants++
		}
	}
	return rate.NewLimiter(rate.Limit(m.RequestsPerSecond)/rate.Limit(max(tenants, 1)), 1)
}

// knownStates are where the agents of a tenant were known to stand last.
func (h *hub) knownStates(ctx context.Context, tenant string) (all []schemas.AgentState, err error) {
	reading, loaded := context.WithCancel(ctx)
	defer loaded()
	err = h.Bucket(schemas.BucketState).Watch(reading, schemas.EncodeToken(tenant)+".>", func(_ string, value []byte, _ uint64) {
		var k schemas.AgentState
		if json.Unmarshal(value, &k) == nil && k.Agent != "" { // what can't be read tells nothing
			all = append(all, k)
		}
	}, loaded)
	if ctx.Err() != nil {
		return nil, ctx.Err()
	}
	if reading.Err() != nil {
		err = nil // all that there was
	}
	return all, err
}

// highestEpoch is the highest that the agents of a tenant have had, as far as their states and
// the last of their events tell.
func (h *hub) highestEpoch(ctx context.Context, names schemas.Names, tenant string) (highest uint64) {
	ctx, cancel := context.WithTimeout(ctx, hubAnswer)
	defer cancel()
	known, _ := h.knownStates(ctx, tenant) // else the event has to do
	for _, k := range known {
		highest = max(highest, k.Epoch)
	}
	var last struct{ schemas.Position }
	if m, found, err := h.Last(ctx, names.Agents(tenant)); err == nil && found && json.Unmarshal(m.Body, &last) == nil {
		highest = max(highest, last.Epoch)
	}
	return highest
}
