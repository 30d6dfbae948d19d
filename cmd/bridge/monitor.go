package main

import (
	"context"
	"encoding/json"
	"sync/atomic"
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
	client, err := openMonitor(b, c, budget(b.cfg, c.Monitor), open)
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
func openMonitor(b base, c config.Tenant, most *rate.Limiter, open *closers) (*cccms.Client, error) {
	o := monitorOptions(c, most, b.log)
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

// newConfirming looks at the agents of a tenant whom this bridge polls, within its part of the
// tenant's share of requests.
func newConfirming(b base, c config.Tenant, sights *session.Sights, its *portion, open *closers) (*monitor.Beside, error) {
	client, err := openMonitor(b, c, its.most, open)
	if err != nil {
		return nil, err
	}
	return &monitor.Beside{
		Tenant: c.Name, Platform: client, Agents: sights.Agents, Saw: sights.Saw, Interval: max(c.Monitor.Interval, besidePolls), Pace: its.pace,
		Metrics: b.seeing, Logger: b.log.With().Str("tenant", c.Name).Logger(),
	}, nil
}

// monitorOptions are those of a client of a tenant's monitor.
func monitorOptions(c config.Tenant, most *rate.Limiter, log zerolog.Logger) cccms.Options {
	m := c.Monitor
	profile := c2sign.Profile{EmptyQueryLine: m.EmptyQueryLine}
	if m.SignedHeaders == "host" {
		profile.SignedHeaders = []string{"host"}
	}
	return cccms.Options{
		CC: m.CC, VDN: m.VDN, Budget: most,
		Service: ccfs.Options{
			URL: m.URL.String(), Key: c2sign.NewKey(m.AccessKey, m.SecretKey.Reveal()), Profile: profile, RootCAs: m.RootCAs,
			InsecureSkipVerify: m.SkipVerify, AllowHTTP: m.AllowInsecureHTTP, AllowLinkLocal: m.AllowLinkLocal,
			Proxy: forwardProxy(m.ProxyURL, m.ProxyCredentials, m.ProxyRootCAs), Logger: log.With().Str("tenant", c.Name).Str("service", "monitor").Logger(),
		},
	}
}

// budget is a tenant's share of the requests under an access key. Of a tenant who is looked at one
// bridge at a time looks, and all have the same tenants: so all shares together are what is
// allowed, whoever looks where. None is saved up, which all could spend at once. Beside polls every
// bridge looks, with a [portion] of it.
func budget(cfg *config.Config, m *config.Monitor) *rate.Limiter {
	tenants := 0
	for _, t := range cfg.Tenants {
		if t.Monitor != nil && t.Monitor.AccessKey == m.AccessKey {
			tenants++
		}
	}
	return rate.NewLimiter(rate.Limit(m.RequestsPerSecond)/rate.Limit(max(tenants, 1)), 1)
}

// portion is what a bridge has of a tenant's share: an equal part, as many as share the agents.
type portion struct {
	whole   rate.Limit
	most    *rate.Limiter
	bridges atomic.Int64 // as told last; before: 1, while nobody is polled here
}

func newPortion(share *rate.Limiter) *portion {
	p := &portion{whole: share.Limit(), most: share}
	p.bridges.Store(1)
	return p
}

// told tells f who shares the agents, and notes how many. While it is not known who does they
// are as many as before.
func (p *portion) told(f func(bridges []string)) func(bridges []string) {
	return func(bridges []string) {
		if n := len(bridges); n > 0 {
			p.bridges.Store(int64(n))
			p.most.SetLimit(p.whole / rate.Limit(n))
		}
		f(bridges)
	}
}

// pace is the least time between two requests of this bridge.
func (p *portion) pace() time.Duration {
	return time.Duration(float64(p.bridges.Load()) / float64(p.whole) * float64(time.Second))
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
