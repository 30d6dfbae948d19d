package main

import (
	"context"
	"crypto/tls"
	"errors"
	"time"

	"aiccbridge/bus/kv"
	"aiccbridge/bus/lease"
	"aiccbridge/config"
	"aiccbridge/poller/partition"
	"aiccbridge/poller/proxy"
	"aiccbridge/poller/proxy/post"
	"aiccbridge/poller/proxy/wire"
	"aiccbridge/poller/record"
	"aiccbridge/poller/session"
	"aiccbridge/schemas"
)

// proxyPartition is the lease of a tenant whose agents sign in through the bridge.
const proxyPartition = "proxy"

// throughBridge reports a tenant whose agents sign in through the bridge.
func throughBridge(c config.Tenant) bool { return c.Events == string(schemas.WayProxy) }

// newProxy serves the clients of a tenant while this bridge has their lease.
func newProxy(b base, h *hub, c config.Tenant, t *tenant, open *closers) (*proxy.Proxy, error) {
	g := c.Gateway
	gateway, err := openGateway(b, c, open)
	if err != nil {
		return nil, err
	}
	poster := post.New(post.Options{Hosts: c.Proxy.PushHosts, RootCAs: c.Proxy.PushRootCAs, AllowHTTP: c.Proxy.AllowInsecureHTTP, AllowLinkLocal: g.AllowLinkLocal})
	open.add(poster.Close)
	// The hub's own bucket: it is not mirrored, and does without the hub for a while.
	sessions, clients := h.Bucket(schemas.BucketSessions), kv.Open(h.bus.Conn(), schemas.BucketClients)
	p, err := proxy.New(proxy.Options{
		Record: record.Options{
			Tenant: c.Name, Names: b.names, Via: schemas.WayProxy, Store: h, States: h.Bucket(schemas.BucketState),
			LastStored: h.Last, Losses: h.witness, Heard: t.pulse.Heard, Privacy: t.recordPrivacy,
			Metrics: b.polling.Record(), Logger: b.log.With().Str("tenant", c.Name).Logger(),
		},
		Session: session.Options{
			Tenant: c.Name, Copied: h.copied(), Sessions: sessions, Seal: b.seal, Alone: true,
			EventGap: g.EventGap, IdleGap: g.IdleGap, Heartbeat: noneIfZero(g.Heartbeat),
			Metrics: b.polling.Session(), Logger: b.log.With().Str("tenant", c.Name).Logger(),
		},
		Gateway:  gateway,
		Sessions: entriesOf(sessions, c.Name), Clients: clients, Known: entriesOf(clients, c.Name),
		Stored: func(ctx context.Context, filter string, since time.Time, f func(schemas.Stored) error) error {
			return errors.Join(h.flush(ctx), h.bus.ReadSince(ctx, schemas.StreamEvents, filter, since, f))
		},
		Poster: poster, Hold: g.Hold, Forget: c.Proxy.Silence, KeepSilent: !c.Proxy.SignOutSilent,
		PassUnstored: c.Proxy.WhenUnstored == "pass", Metrics: b.clients, Logger: b.log,
	})
	if err != nil {
		return nil, err
	}
	open.add(p.Close)
	o := soleOptions(b, h, c)
	o.Name, o.Floor = proxyPartition, p.Floor
	o.Acquire = func(ctx context.Context, floor uint64) (uint64, partition.Lease, error) {
		return acquire(ctx, h, lease.Options{Tenant: c.Name, Partition: proxyPartition, Floor: floor})
	}
	t.sole = partition.NewSole(o)
	return p, nil
}

// entriesLimit is how long the entries of a bucket may take to be read.
const entriesLimit = 30 * time.Second

// entriesOf calls f with the entries of a tenant in a bucket, and their revisions.
func entriesOf(b *kv.Bucket, tenant string) func(ctx context.Context, f func([]byte, uint64)) error {
	return func(ctx context.Context, f func([]byte, uint64)) error {
		ctx, cancel := context.WithTimeout(ctx, entriesLimit)
		defer cancel()
		return b.Each(ctx, schemas.EncodeToken(tenant)+".>", func(_ string, e schemas.Stored) error {
			if !kv.Deleted(e) {
				f(e.Body, e.Sequence)
			}
			return nil
		})
	}
}

// newGateway returns no part when no agents sign in through the bridge.
func newGateway(b base, tenants []*tenant, open *closers) ([]part, error) {
	served := map[string]*proxy.Proxy{}
	for _, t := range tenants {
		if t.proxy != nil {
			served[t.cfg.Name] = t.proxy
		}
	}
	if len(served) == 0 {
		return nil, nil
	}
	l, err := listen("listen.gateway", b.cfg.Listen.Gateway, open)
	if err != nil {
		return nil, err
	}
	shown := b.changes.shown(b.cfg, func(c *config.Config) *tls.Certificate { return c.Listen.GatewayCertificate })
	return []part{{"gateway", wire.NewServer(l, shown, proxy.Handler{Tenants: served}).Run}}, nil
}
