package main

import (
	"cmp"
	"context"
	"crypto/tls"
	"fmt"
	"net"
	"slices"
	"strings"
	"sync"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/rs/zerolog"
	"golang.org/x/sync/errgroup"

	"aiccbridge/bus/embedded"
	"aiccbridge/callbacks"
	"aiccbridge/config"
	"aiccbridge/exporter/worker"
	"aiccbridge/internal/admin"
	"aiccbridge/internal/expiry"
	"aiccbridge/internal/grace"
	"aiccbridge/internal/heads"
	"aiccbridge/internal/health"
	"aiccbridge/internal/instance"
	"aiccbridge/internal/seal"
	"aiccbridge/internal/systemd"
	"aiccbridge/internal/trace"
	"aiccbridge/poller"
	"aiccbridge/poller/handover"
	"aiccbridge/poller/monitor"
	"aiccbridge/poller/partition"
	"aiccbridge/poller/proxy"
	"aiccbridge/poller/push"
	"aiccbridge/schemas"
)

// base is what everything is built with.
type base struct {
	cfg       *config.Config
	log       zerolog.Logger
	metrics   *prometheus.Registry
	polling   *poller.Metrics    // of all tenants
	clients   *proxy.Metrics     // of all tenants
	seeing    *monitor.Metrics   // of all tenants
	shares    *partition.Metrics // of all tenants
	handovers *handover.Metrics  // of all tenants
	pushes    *push.Metrics      // of all tenants
	zones     *worker.Zones      // that files showed
	tracer    *trace.Tracer      // nil: nothing is traced
	heads     *heads.Book        // of the platform's answers
	names     schemas.Names
	instance  string // see package instance
	seal      *seal.Box
	tokens    *callbacks.Tokens
	changes   *changeable

	certificates *expiry.Book // set when there is a hub
}

// bridge is everything that runs, wired together.
type bridge struct {
	base
	*hub
	planning *planning
	tenants  []*tenant
	parts    []part // all but the hub, which serves them
	watch    *health.Watch
	wall     string // the wallboard's address; "": there is none
}

// part is what works from the start until intake ends, and finishes what it has in hand
// until work ends.
type part struct {
	name string // in its errors
	run  func(intake, work context.Context) error
}

// hooks are what a command adds to a run. They let the demo watch a bridge that
// runs in its process; nil ones are not called.
type hooks struct {
	reload  *reloading                                 // nil: the configuration is not read again
	manager *systemd.Manager                           // nil: nobody is told how the bridge is
	ready   func(*bridge)                              // everything has been started
	drained func(ctx context.Context, b *bridge) error // everything has ended but the hub
}

// runBridge runs a bridge until ctx ends. acceptWeaker is that of assets.Options.
func runBridge(ctx context.Context, cfg *config.Config, log zerolog.Logger, acceptWeaker []string, h hooks) (err error) {
	// Two bridges on one folder would be one instance, and take the lease from
	// each other.
	defer func() { err = inDataDir(cfg.DataDir, err) }()
	lock, err := embedded.Lock(cfg.DataDir)
	if err != nil {
		return err
	}
	defer func() { err = cmp.Or(err, lock.Close()) }()
	log.Info().Str("version", currentVersions().Bridge).Msg("bridge starts")
	var open closers
	defer func() { open.close() }()
	b, err := newBridge(ctx, cfg, log, acceptWeaker, h.reload, &open)
	if err != nil && ctx.Err() != nil {
		log.Info().Msg("bridge stopped before it was ready")
		return nil
	}
	if err != nil {
		return err
	}
	return b.run(ctx, h)
}

// closers end what has been opened, the last first.
type closers []func()

func (c *closers) add(f func()) { *c = append(*c, f) }

func (c closers) close() {
	for _, f := range slices.Backward(c) {
		f()
	}
}

// newBridge builds everything, in the order of who needs whom. What it opens is in open
// even when it fails.
func newBridge(ctx context.Context, cfg *config.Config, log zerolog.Logger, acceptWeaker []string, r *reloading, open *closers) (*bridge, error) {
	base, err := newBase(cfg, log)
	if err != nil {
		return nil, err
	}
	base.tracer = openTraces(ctx, base, open)
	base.changes = newChangeable(base, r)
	hub, err := openHub(ctx, base, acceptWeaker, open)
	if err != nil {
		return nil, err
	}
	base.certificates = newCertificates(base, hub)
	var tenants []*tenant
	known := accounts{}
	for _, c := range cfg.Tenants {
		t, err := newTenant(base, hub, c, known, open)
		if err != nil {
			return nil, fmt.Errorf("tenant %s: %w", c.Name, err)
		}
		tenants = append(tenants, t)
	}
	b := &bridge{base: base, hub: hub, planning: newPlanning(), tenants: tenants}
	for _, t := range tenants {
		b.parts = append(b.parts, t.parts(b.planning)...)
	}
	downloading := health.NewGate()
	recorder, err := newRecorder(base, hub, tenants, open)
	if err != nil {
		return nil, err
	}
	watch := newWatch(base, hub, tenants, recorder, downloading)
	worker, err := newWorker(base, hub, tenants, downloading)
	if err != nil {
		return nil, err
	}
	resolver, err := newResolver(base, hub, tenants)
	if err != nil {
		return nil, err
	}
	callbacks, err := newCallbacks(base, hub, tenants, open)
	if err != nil {
		return nil, err
	}
	gateway, err := newGateway(base, tenants, open)
	if err != nil {
		return nil, err
	}
	self := newSelfPortrait(base, hub, watch)
	admin, wall, err := newAdmin(self, open)
	if err != nil {
		return nil, err
	}
	b.watch, b.wall = watch, wall
	b.parts = slices.Concat(b.parts, worker, recorderParts(base, hub, recorder, downloading), resolver, callbacks, gateway, admin, newAnswers(self), reloadParts(base.changes), []part{{"watch", func(intake, _ context.Context) error { return watch.Run(intake) }}})
	return b, nil
}

func newBase(cfg *config.Config, log zerolog.Logger) (b base, err error) {
	metrics := prometheus.NewRegistry()
	b = base{cfg: cfg, log: log, metrics: metrics, polling: poller.NewMetrics(metrics), clients: proxy.NewMetrics(metrics), seeing: monitor.NewMetrics(metrics), shares: partition.NewMetrics(metrics), handovers: handover.NewMetrics(metrics), pushes: push.NewMetrics(metrics), zones: &worker.Zones{}, heads: &heads.Book{}}
	b.metrics.MustRegister(newBuildMetric(), collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	if b.names, err = schemas.NewNames(cfg.NATS.SubjectPrefix); err != nil {
		return b, err
	}
	if err := instance.Claim(cfg.DataDir, currentVersions().Bridge); err != nil {
		return b, err
	}
	if b.instance, err = instance.ID(cfg.DataDir); err != nil {
		return b, err
	}
	if b.seal, err = seal.OpenDir(cfg.DataDir); err != nil {
		return b, err
	}
	b.tokens, err = callbacks.NewTokens(b.seal.Key("callback paths"))
	return b, err
}

// run runs until ctx ends, then drains: intake ends at once, work after the grace
// period, spool and hub last.
func (b *bridge) run(ctx context.Context, h hooks) error {
	group, intake := errgroup.WithContext(ctx)
	work, endWork := grace.After(intake, context.WithoutCancel(ctx), b.cfg.Shutdown.Grace)
	defer endWork()
	serving, endServing := context.WithCancel(context.WithoutCancel(ctx))
	defer endServing()
	b.serve(serving, group)
	group.Go(func() error { return h.manager.Run(serving, b.told()) })
	var parts sync.WaitGroup
	for _, p := range b.parts {
		parts.Add(1)
		group.Go(func() error {
			defer parts.Done()
			return named(p.name, p.run(intake, work))
		})
	}
	b.log.Info().Str("nats", b.url()).Int("tenants", len(b.cfg.Tenants)).Msg("bridge runs")
	h.manager.Ready()
	if h.ready != nil {
		h.ready(b)
	}
	<-intake.Done()
	h.manager.Stopping()
	b.log.Info().Msg("bridge stops: finishing what is in hand")
	parts.Wait()
	if err := b.flush(serving); err != nil {
		b.log.Info().Err(err).Msg("messages are left in the spool; the next start forwards them")
	}
	endServing()
	err := group.Wait()
	if err == nil && h.drained != nil {
		err = h.drained(context.WithoutCancel(ctx), b)
	}
	if err == nil {
		b.log.Info().Msg("bridge stopped")
	}
	return err
}

// told is what a service manager is told while the bridge runs.
func (b *bridge) told() systemd.Health {
	return systemd.Health{Stuck: b.watch.Stuck, Status: func() string {
		var names []string
		for _, a := range b.watch.Lasting() {
			names = append(names, a.Name)
		}
		if names == nil {
			return "no alarm"
		}
		return "alarms: " + strings.Join(names, ", ")
	}}
}

// callsMade reports whether the calls of all complete windows have been published, by this
// bridge, with what has been said of their recordings.
func (b *bridge) callsMade(ctx context.Context) (bool, error) {
	for _, t := range b.tenants {
		if t.calls == nil {
			continue
		}
		last, found, err := b.bus.Last(ctx, b.names.Recordings(t.cfg.Name))
		if err != nil || found && t.calls.Heard() < last.Sequence || !t.calls.Settled() {
			return false, err
		}
	}
	return true, nil
}

func named(name string, err error) error {
	if err != nil {
		return fmt.Errorf("%s: %w", name, err)
	}
	return nil
}

// newAdmin returns no part when listen.admin is empty; at is the wallboard's address.
func newAdmin(b selfPortrait, open *closers) (parts []part, at string, err error) {
	c, watch := b.cfg.Listen, b.watch
	if c.Admin == "" {
		return nil, "", nil
	}
	l, err := listen("listen.admin", c.Admin, open)
	if err != nil {
		return nil, "", err
	}
	token := func() string { return b.changes.config().Listen.AdminToken.Reveal() }
	wall := newWall(b, token)
	o := admin.Options{
		Listener: l, Host: c.Admin, Token: token, Metrics: b.metrics, Health: watch, Ready: watch.Ready(), Wall: wall.Handler(), Answers: b.heads, Logger: b.log,
		TLS: b.changes.shown(b.cfg, func(c *config.Config) *tls.Certificate { return c.Listen.AdminCertificate }),
	}
	if r := b.changes.reloader; r != nil { // a nil pointer in an interface would not be nil
		o.Reload = r
	}
	if at = "http://"; o.TLS != nil {
		at = "https://"
	}
	return []part{
		{"wallboard", func(intake, _ context.Context) error { return wall.Run(intake) }},
		{"admin", admin.New(o).Run},
	}, at + l.Addr().String() + "/", nil
}

// listen opens a listener.
func listen(key, address string, open *closers) (net.Listener, error) {
	l, err := net.Listen("tcp", address)
	if err != nil {
		return nil, cannotListen(key, address, err)
	}
	open.add(func() { _ = l.Close() }) // closed already, after a run
	return l, nil
}
