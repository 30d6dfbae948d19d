package main

import (
	"context"
	"crypto/sha256"
	"crypto/tls"
	"encoding/hex"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"sync"
	"time"

	"github.com/rs/zerolog"

	"aiccbridge/bus"
	"aiccbridge/bus/kv"
	"aiccbridge/bus/lease"
	"aiccbridge/callbacks"
	"aiccbridge/config"
	"aiccbridge/exporter/archive"
	"aiccbridge/exporter/calls"
	"aiccbridge/exporter/filestore"
	"aiccbridge/exporter/letters"
	"aiccbridge/exporter/planner"
	"aiccbridge/exporter/tenure"
	"aiccbridge/exporter/worker"
	"aiccbridge/internal/c2sign"
	"aiccbridge/internal/ccfs"
	"aiccbridge/internal/health"
	"aiccbridge/internal/privacy"
	"aiccbridge/schemas"
)

// accounts are clients of file stores by access key, the first of each.
type accounts map[string]*ccfs.Client

func newFiles(b base, c config.Tenant, known accounts, open *closers) (*filestore.Store, error) {
	f := c.Files
	o := storeClientOptions(b.cfg, c, b.log)
	o.Sibling, o.Peer, o.Heads = known[f.AccessKey], b.certificates.Peer(c.Name, "files"), b.heads.Of("file store of "+c.Name)
	client, err := ccfs.New(o)
	if err != nil {
		return nil, err
	}
	open.add(client.Close)
	known[f.AccessKey] = client
	b.changes.add(func(_, new *config.Config) (func(), error) {
		return client.ChangeKey(storeKey(tenantIn(new, c.Name).Files))
	})
	return filestore.New(filestore.Options{
		Tenant: c.Name, Zone: c.Timezone, Client: client, AccountID: f.AccountID,
		PublicURL: b.cfg.Callbacks.PublicURL, Addresses: addresses(b),
	})
}

// storeClient is a client of a tenant's file store.
func storeClient(cfg *config.Config, c config.Tenant, log zerolog.Logger) (*ccfs.Client, error) {
	return ccfs.New(storeClientOptions(cfg, c, log))
}

// storeClientOptions are those of a client of a tenant's file store, without a sibling.
func storeClientOptions(cfg *config.Config, c config.Tenant, log zerolog.Logger) ccfs.Options {
	f := c.Files
	profile := c2sign.Profile{EmptyQueryLine: f.EmptyQueryLine}
	if f.SignedHeaders == "host" {
		profile.SignedHeaders = []string{"host"}
	}
	return ccfs.Options{
		URL: f.URL.String(), Key: storeKey(f), Profile: profile, RootCAs: f.RootCAs, InsecureSkipVerify: f.InsecureSkipVerify,
		AllowHTTP: f.AllowInsecureHTTP, AllowLinkLocal: f.AllowLinkLocal,
		Proxy:        forwardProxy(f.ProxyURL, f.ProxyCredentials, f.ProxyRootCAs),
		MaxFileBytes: int64(cfg.Worker.MaxZIPBytes), MaxSoundBytes: int64(f.Recordings.MaxBytes), Logger: log.With().Str("tenant", c.Name).Logger(),
	}
}

func storeKey(f *config.Files) c2sign.Key {
	return c2sign.NewKey(f.AccessKey, f.SecretKey.Reveal())
}

// addresses makes the callbacks' addresses. Paths with a token are taken also when none
// are made: extracts from before may be under way.
func addresses(b base) *callbacks.Tokens {
	if !b.cfg.Callbacks.PathToken {
		return nil
	}
	return b.tokens
}

func newPlanner(b base, h *hub, c config.Tenant, files *filestore.Store) (*planner.Planner, error) {
	f := c.Files
	o := planner.Options{
		Tenant: c.Name, Zone: c.Timezone, Names: b.names, Ledger: h.ledger, Publisher: h.bus, Query: files.Query,
		Budget:         storeKey(f).Fingerprint(),
		Spacing:        max(f.RequestSpacing, 1), // the planner takes 0 for its default
		MaxOutstanding: f.MaxOutstanding, BackfillShare: f.BackfillShare, Overdue: f.Overdue, Idle: h.bus.FilesIdle,
		Lacking: h.bus.Rows().Lacking,
		// What somebody deleted on purpose stays deleted.
		Damaged: func() bool { return h.witness.Damaged(b.names.Stream(schemas.StreamRows)) },
		Acquire: h.alone(c.Name, planningPartition), Tracer: b.tracer,
		Logger: b.log.With().Str("tenant", c.Name).Logger(), Registerer: b.metrics,
	}
	o.Extracts = extracts(f)
	p, err := planner.New(o)
	if err != nil {
		return nil, err
	}
	b.changes.add(func(old, new *config.Config) (func(), error) {
		f := tenantIn(new, c.Name).Files
		return p.ChangePace(planner.Pace{
			Budget: storeKey(f).Fingerprint(), Spacing: max(f.RequestSpacing, 1), MaxOutstanding: f.MaxOutstanding, Overdue: f.Overdue, BackfillShare: f.BackfillShare, Extracts: extracts(f),
		})
	})
	return p, nil
}

func extracts(f *config.Files) (all []planner.Extract) {
	for _, x := range f.Extracts.Each() {
		all = append(all, planner.Extract{
			Kind: schemas.Kind(x.Kind), Window: x.Window, Settle: x.Settle, SweepAgain: x.SweepAgain, Since: x.Since,
		})
	}
	return all
}

// planningPartition is whose lease lets a bridge plan a tenant's extracts. It is one of its
// own: a bridge may have the tenant's files and not its agents, or the other way round.
const planningPartition = "files"

// callsPartition is the same for the calls.
const callsPartition = "calls"

// alone waits for the lease of a partition of a tenant.
func (h *hub) alone(tenant, partition string) func(ctx context.Context) (tenure.Lease, error) {
	return func(ctx context.Context) (tenure.Lease, error) {
		l := lease.NewAtHub(h.bus.Conn(), h.owner(lease.Options{Tenant: tenant, Partition: partition}))
		_, err := l.Acquire(ctx)
		return l, err
	}
}

// newCalls returns nil when no calls are made: they are made of call detail records.
func newCalls(b base, h *hub, c config.Tenant) (*calls.Builder, error) {
	if !c.Files.Calls || c.Files.Extracts.CDR == nil {
		return nil, nil
	}
	stream := h.bus.Calls()
	return calls.New(calls.Options{
		Tenant: c.Name, Names: b.names, Ledger: h.ledger, Stream: stream, Letter: h.bus.Publish, Fetched: c.Files.Recordings.Fetch(),
		Audio: func(ctx context.Context, from uint64, since time.Time, f func(schemas.Stored) error) error {
			return stream.Heard(ctx, c.Name, from, since, f)
		},
		Acquire: h.alone(c.Name, callsPartition),
		Rows: func(ctx context.Context, subject string, f func(schemas.Stored) error) error {
			return h.bus.Read(ctx, schemas.StreamRows, subject, 0, f)
		},
		Logger: b.log.With().Str("tenant", c.Name).Logger(), Registerer: b.metrics,
	})
}

// newWorker returns no part when no tenant has a file store. Files are taken only while
// downloading is open.
func newWorker(b base, h *hub, tenants []*tenant, downloading *health.Gate) ([]part, error) {
	with := map[string]worker.Tenant{}
	for _, t := range tenants {
		if t.files != nil {
			with[t.cfg.Name] = workerTenant(t.cfg, t.privacy.active, t.files.Download)
		}
	}
	if len(with) == 0 {
		return nil, nil
	}
	w, err := worker.New(worker.Options{
		Names: b.names, Tenants: with, Ledger: h.ledger,
		Rows: h.bus.Rows(), Quarantine: kv.OpenObjects(h.bus.Conn(), schemas.BucketQuarantine), Publisher: h.bus, Statements: h.bus,
		DownloadDir: filepath.Join(b.cfg.DataDir, "spool"),
		Memory:      int64(b.cfg.Worker.Memory),
		Program:     sync.OnceValue(programDigest),
		Limits:      limits(b.cfg),
		Zones:       b.zones,
		Tracer:      b.tracer,
		Logger:      b.log, Registerer: b.metrics,
	})
	if err != nil {
		return nil, err
	}
	if err := w.Tidy(time.Now()); err != nil {
		return nil, err
	}
	return []part{{"worker", func(intake, work context.Context) error {
		return downloading.While(intake, func(intake context.Context) error {
			return h.bus.ConsumeFiles(intake, work, b.cfg.Worker.Count, w)
		})
	}}}, nil
}

// programDigest is the digest of the running program's file, however it was replaced
// meanwhile; "" on systems that do not show it.
func programDigest() string {
	file, err := os.Open("/proc/self/exe")
	if err != nil {
		return ""
	}
	defer file.Close()
	sum := sha256.New()
	if _, err := io.Copy(sum, file); err != nil {
		return ""
	}
	return hex.EncodeToString(sum.Sum(nil))
}

// written are the zones in which a tenant's files are written, by kind.
func written(c config.Tenant) map[schemas.Kind]*time.Location {
	zones := map[schemas.Kind]*time.Location{}
	for _, k := range schemas.Kinds() {
		zones[k] = c.Files.Zone.In(c.Timezone)
	}
	for _, x := range c.Files.Extracts.Each() {
		if x.Zone != (config.WrittenZone{}) {
			zones[schemas.Kind(x.Kind)] = x.Zone.In(c.Timezone)
		}
	}
	return zones
}

// edition is a number of columns, 0 for auto.
func edition(setting string) int {
	n, _ := strconv.Atoi(setting) // auto is none
	return n
}

// workerTenant is how the files of a tenant are read, who need not have a file store.
// active is the privacy policy, asked for each; nil, or when it returns nil: all is kept.
func workerTenant(c config.Tenant, active func() *privacy.Policy, d worker.Download) worker.Tenant {
	t := worker.Tenant{Zone: c.Timezone, Download: d}
	if f := c.Files; f != nil {
		t.Dialect = archive.Dialect{Header: f.Header, Charset: f.Charset}
		t.Edition, t.NoNames, t.Written = edition(f.Edition), !f.Names, written(c)
	}
	if active != nil {
		t.Privacy = func() worker.Privacy {
			if p := active(); p != nil { // a nil pointer in an interface would not be nil
				return p
			}
			return nil
		}
	}
	return t
}

func limits(c *config.Config) archive.Limits {
	return archive.Limits{MaxUnpackedBytes: int64(c.Worker.MaxUnpackedBytes), MaxRatio: int64(c.Worker.MaxRatio)}
}

// letterStream is the hub's stream of dead letters.
type letterStream struct{ *bus.Bus }

func (s letterStream) Read(ctx context.Context, from uint64, f func(schemas.Stored) error) error {
	return s.Bus.Read(ctx, schemas.StreamDeadLetters, "", from, f)
}

// newResolver returns no part when no tenant has a file store.
func newResolver(b base, h *hub, tenants []*tenant) ([]part, error) {
	if !slices.ContainsFunc(tenants, func(t *tenant) bool { return t.files != nil }) {
		return nil, nil
	}
	r, err := letters.New(letters.Options{Names: b.names, Ledger: h.ledger, Stream: letterStream{h.bus}, Logger: b.log})
	return []part{{"dead letters", func(intake, _ context.Context) error { return r.Run(intake) }}}, err
}

// planning lets the planners end before everything else.
type planning struct {
	ended   context.Context
	end     context.CancelFunc
	running sync.WaitGroup
}

func newPlanning() *planning {
	p := &planning{}
	p.ended, p.end = context.WithCancel(context.Background())
	return p
}

// begin returns how a planner runs, which it must.
func (p *planning) begin(planner *planner.Planner) func(intake, work context.Context) error {
	p.running.Add(1)
	return func(intake, work context.Context) error {
		defer p.running.Done()
		intake, stop := context.WithCancel(intake)
		defer stop()
		defer context.AfterFunc(p.ended, stop)()
		return planner.Run(intake, work)
	}
}

// stop ends the planners and waits for them.
func (p *planning) stop() {
	p.end()
	p.running.Wait()
}

// callbackStore puts together what the callbacks need.
type callbackStore struct {
	notices
	memory
	publisher
}

// memory tells which files were asked for.
type memory interface {
	Knows(tenant, responseID string) bool
	Expects(tenant string) bool
}

// publisher stores dead letters.
type publisher interface {
	Publish(ctx context.Context, m schemas.Message) error
}

// newCallbacks serves what the platform calls: callbacks of file stores, and pushes. It returns
// no part when there is neither.
func newCallbacks(b base, h *hub, tenants []*tenant, open *closers) ([]part, error) {
	handler, err := newCallbackHandler(b, h, tenants)
	if err != nil {
		return nil, err
	}
	if handler = newInlets(tenants, handler); handler == nil {
		return nil, nil
	}
	l, err := listen("listen.callbacks", b.cfg.Listen.Callbacks, open)
	if err != nil {
		return nil, err
	}
	shown := b.changes.shown(b.cfg, func(c *config.Config) *tls.Certificate { return c.Callbacks.Certificate })
	return []part{{"callbacks", callbacks.NewServer(l, shown, b.tracer.Handler(handler), b.log).Run}}, nil
}

// newCallbackHandler returns nil when no tenant has a file store.
func newCallbackHandler(b base, h *hub, tenants []*tenant) (http.Handler, error) {
	policies, keys := map[string]*policy{}, &callbacks.Keyring{}
	for _, t := range tenants {
		policies[t.cfg.Name] = t.privacy
	}
	of := keys.Set(callbackAccounts(b.cfg))
	if len(of) == 0 {
		return nil, nil
	}
	c := b.cfg.Callbacks
	handler, err := callbacks.New(callbacks.Options{
		Names: b.names, Store: callbackStore{h.notices, h.ledger, h.side}, Tenants: of,
		Keys:      keys.Keys,
		PublicURL: c.PublicURL, MaxSkew: noneIfZero(c.Window), Verify: callbacks.Mode(c.Verify),
		Allow: c.Allow, TrustedProxies: c.TrustedProxies, Tokens: b.tokens,
		Text:   func(tenant string, text []byte) []byte { return policies[tenant].active().Text(text) },
		Logger: b.log, Registerer: b.metrics,
	})
	if err != nil {
		return nil, err
	}
	b.changes.add(func(_, new *config.Config) (func(), error) {
		return func() { handler.Know(keys.Set(callbackAccounts(new))) }, nil
	})
	return handler, nil
}

// callbackAccounts are the keys that callbacks are signed with: one for all tenants that have it.
func callbackAccounts(c *config.Config) (all []callbacks.Account) {
	for _, t := range c.Tenants {
		if t.Files == nil {
			continue
		}
		i := slices.IndexFunc(all, func(a callbacks.Account) bool { return a.Key.AccessKey == t.Files.AccessKey })
		if i < 0 {
			i, all = len(all), append(all, callbacks.Account{Key: storeKey(t.Files)})
		}
		all[i].Tenants = append(all[i].Tenants, callbacks.Tenant{Name: t.Name, AccountID: t.Files.AccountID})
	}
	return all
}
