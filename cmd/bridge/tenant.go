package main

import (
	"context"
	"encoding/json"
	"errors"
	"path/filepath"
	"time"

	"golang.org/x/sync/errgroup"

	"aiccbridge/bus"
	"aiccbridge/callbacks"
	"aiccbridge/config"
	"aiccbridge/exporter"
	"aiccbridge/exporter/filestore"
	"aiccbridge/internal/c2sign"
	"aiccbridge/internal/ccfs"
	"aiccbridge/internal/ccgateway"
	"aiccbridge/internal/privacy"
	"aiccbridge/poller"
	"aiccbridge/schemas"
)

// partition is the one that a single bridge polls: all agents of a tenant.
const partition = "0"

// startEvery spreads the first polls of a tenant's agents: fifty a second, so
// that a restart is not a storm of sign-ins.
const startEvery = 20 * time.Millisecond

// tenant is one contact centre: its clients and what works with them.
type tenant struct {
	b       *bridge
	cfg     config.Tenant
	gateway *ccgateway.Client // nil without a gateway
	files   *ccfs.Client      // nil without a file store
	store   *filestore.Store  // in front of files
	pool    func(epoch uint64) (*poller.Pool, error)
	planner *exporter.Planner
	privacy *privacy.Policy
}

func newTenant(b *bridge, c config.Tenant) (*tenant, error) {
	t := &tenant{b: b, cfg: c}
	var err error
	if t.privacy, err = newPrivacy(c.Privacy); err != nil {
		return nil, err
	}
	if c.Gateway != nil {
		if err := t.openGateway(); err != nil {
			return nil, err
		}
	}
	if c.Files != nil {
		if err := t.openStore(); err != nil {
			return nil, err
		}
	}
	return t, nil
}

func newPrivacy(c config.Privacy) (*privacy.Policy, error) {
	o := privacy.Options{PhoneNumbers: privacy.Action(c.PhoneNumbers), Fields: map[string]privacy.Action{}, Key: []byte(c.Key.Reveal())}
	o.Phones, o.Lists = schemas.PhoneNames()
	for name, action := range c.Fields {
		o.Fields[name] = privacy.Action(action)
	}
	return privacy.New(o)
}

func (t *tenant) close() {
	if t.gateway != nil {
		t.gateway.Close()
	}
	if t.files != nil {
		t.files.Close()
	}
}

func (t *tenant) openGateway() (err error) {
	g := t.cfg.Gateway
	t.gateway, err = ccgateway.New(ccgateway.Options{
		URL: g.URL.String(), RootCAs: g.RootCAs, InsecureSkipVerify: g.InsecureSkipVerify, AllowLinkLocal: g.AllowLinkLocal,
		Hold: g.Hold, PollTimeout: g.PollTimeout, Logger: t.b.log.With().Str("tenant", t.cfg.Name).Logger(),
	})
	if err != nil {
		return err
	}
	t.pool = func(epoch uint64) (*poller.Pool, error) {
		o := poller.Options{
			Tenant: t.cfg.Name, Names: t.b.names, Epoch: epoch,
			Agent:    func(id string) poller.Session { return t.gateway.Agent(id) },
			Store:    t.b.store,
			Sessions: t.b.store.Bucket(schemas.BucketSessions), States: t.b.store.Bucket(schemas.BucketState),
			Seal: t.b.seal, LastStored: t.b.store.Last,
			EventGap: g.EventGap, IdleGap: g.IdleGap, Heartbeat: noneIfZero(g.Heartbeat), StartSpread: min(time.Duration(len(g.Agents))*startEvery, time.Minute),
			ForceSignIn: g.ForceSignIn, SignOutOnShutdown: g.SignOutOnShutdown,
			Logger: t.b.log, Registerer: t.b.metrics,
		}
		if t.privacy.Active() { // a nil pointer in an interface would not be nil
			o.Privacy = t.privacy
		}
		return poller.New(o)
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

// poll polls the tenant's agents whenever this bridge holds the tenant's lease.
func (t *tenant) poll(intake, work context.Context) error {
	for intake.Err() == nil {
		err := t.pollUnderLease(intake, work)
		switch {
		case errors.Is(err, bus.ErrLeaseLost):
			t.b.log.Warn().Err(err).Str("tenant", t.cfg.Name).Msg("polling stops until the lease is back")
		case err != nil:
			return err
		}
	}
	return nil
}

// pollUnderLease polls until intake ends or the lease is lost; what is in hand
// then has the grace period to be stored.
func (t *tenant) pollUnderLease(intake, work context.Context) (err error) {
	t.b.awaitSessions(intake)
	lease, err := t.b.store.Lease(intake, t.cfg.Name, partition, t.highestEpoch(intake))
	if intake.Err() != nil && err != nil {
		return nil // stopped while another bridge had it
	}
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, lease.Release(context.WithoutCancel(work))) }()
	pool, err := t.pool(lease.Epoch)
	if err != nil {
		return err
	}
	group, held := errgroup.WithContext(intake)
	owned, endOwned := graceAfter(held, work, t.b.cfg.Shutdown.Grace)
	defer endOwned()
	renewing, stopRenewing := context.WithCancel(work)
	defer stopRenewing()
	group.Go(func() error { return lease.Run(renewing) })
	group.Go(func() error {
		defer stopRenewing()
		wanted := make(chan []poller.Agent, 1)
		wanted <- agents(t.cfg.Gateway.Agents)
		return pool.Run(held, owned, wanted)
	})
	return group.Wait()
}

// highestEpoch is the highest epoch that the agents' sessions show. The lease's
// must be above it, also when the bucket of the leases was made anew.
func (t *tenant) highestEpoch(ctx context.Context) (highest uint64) {
	loading, loaded := context.WithCancel(ctx)
	defer loaded()
	read := func(_ string, value []byte, _ uint64) {
		var s schemas.Session
		if json.Unmarshal(value, &s) == nil {
			highest = max(highest, s.Epoch)
		}
	}
	// It ends when all are read; an error means that ctx ended, as the caller sees.
	_ = t.b.store.Bucket(schemas.BucketSessions).Watch(loading, schemas.EncodeToken(t.cfg.Name)+".>", read, loaded)
	return highest
}

func agents(configured []config.Agent) []poller.Agent {
	status := map[string]int{"idle": 4, "busy": 3, "wrapup": 5}
	all := make([]poller.Agent, len(configured))
	for i, a := range configured {
		all[i] = poller.Agent{
			ID: a.ID, Phone: a.Phone, Password: a.Password.Reveal(), Status: status[a.Status],
			AutoAnswer: &a.AutoAnswer, AutoEnterIdle: &a.AutoEnterIdle,
		}
	}
	return all
}

func (t *tenant) openStore() (err error) {
	f := t.cfg.Files
	profile := c2sign.Profile{EmptyQueryLine: f.EmptyQueryLine}
	if f.SignedHeaders == "host" {
		profile.SignedHeaders = []string{"host"}
	}
	log := t.b.log.With().Str("tenant", t.cfg.Name).Logger()
	t.files, err = ccfs.New(ccfs.Options{
		URL: f.URL.String(), Key: t.key(), Profile: profile, RootCAs: f.RootCAs, InsecureSkipVerify: f.InsecureSkipVerify, AllowHTTP: f.AllowInsecureHTTP,
		AllowLinkLocal: f.AllowLinkLocal,
		MaxFileBytes:   int64(t.b.cfg.Worker.MaxZIPBytes), Logger: log,
	})
	if err != nil {
		return err
	}
	t.store, err = filestore.New(filestore.Options{
		Tenant: t.cfg.Name, Zone: t.cfg.Timezone, Client: t.files, AccountID: f.AccountID,
		PublicURL: t.b.cfg.Callbacks.PublicURL, Addresses: t.b.addresses(),
	})
	if err != nil {
		return err
	}
	o := exporter.PlannerOptions{
		Tenant: t.cfg.Name, Zone: t.cfg.Timezone, Ledger: t.b.ledger, Query: t.store.Query,
		Spacing:        max(f.RequestSpacing, 1),                                      // the planner takes 0 for its default
		Tick:           min(time.Second, max(f.RequestSpacing, 100*time.Millisecond)), // at most one request a tick
		MaxOutstanding: f.MaxOutstanding, Overdue: f.Overdue, Logger: log,
	}
	for _, x := range f.Extracts.Each() {
		o.Extracts = append(o.Extracts, exporter.Extract{
			Kind: schemas.Kind(x.Kind), Window: x.Window, Settle: x.Settle, SweepAgain: x.SweepAgain, Since: x.Since,
		})
	}
	t.planner, err = exporter.NewPlanner(o)
	return err
}

func (t *tenant) key() c2sign.Key {
	return c2sign.NewKey(t.cfg.Files.AccessKey, t.cfg.Files.SecretKey.Reveal())
}

// addresses makes the callbacks' addresses. Paths with a token are taken also when none
// are made: extracts from before may be under way.
func (b *bridge) addresses() *callbacks.Tokens {
	if !b.cfg.Callbacks.PathToken {
		return nil
	}
	return b.tokens
}

// newWorker returns nil when no tenant has a file store.
func (b *bridge) newWorker() (*exporter.Worker, error) {
	tenants := map[string]exporter.Tenant{}
	for _, t := range b.tenants {
		if t.files != nil {
			f := t.cfg.Files
			tenant := exporter.Tenant{
				Zone: t.cfg.Timezone, Dialect: exporter.Dialect{Header: f.Header, Charset: f.Charset}, Download: t.store.Download,
			}
			if t.privacy.Active() {
				tenant.Privacy = t.privacy
			}
			tenants[t.cfg.Name] = tenant
		}
	}
	if len(tenants) == 0 {
		return nil, nil
	}
	w, err := exporter.NewWorker(exporter.WorkerOptions{
		Names: b.names, Tenants: tenants, Ledger: b.ledger,
		Rows: b.bus.Rows(), Quarantine: b.bus.Quarantine(), Publisher: b.bus,
		SpoolDir: filepath.Join(b.cfg.DataDir, "spool"),
		Limits:   exporter.Limits{MaxUnpackedBytes: int64(b.cfg.Worker.MaxUnpackedBytes), MaxRatio: int64(b.cfg.Worker.MaxRatio)},
		Logger:   b.log, Registerer: b.metrics,
	})
	if err != nil {
		return nil, err
	}
	return w, w.Tidy(time.Now())
}
