package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/rs/zerolog"
	"golang.org/x/sync/errgroup"

	"aiccbridge/bus"
	"aiccbridge/bus/embedded"
	"aiccbridge/callbacks"
	"aiccbridge/config"
	"aiccbridge/exporter"
	"aiccbridge/internal/health"
	"aiccbridge/internal/seal"
	"aiccbridge/schemas"
)

// bridge is everything that runs, wired together.
type bridge struct {
	cfg     *config.Config
	log     zerolog.Logger
	metrics *prometheus.Registry
	names   schemas.Names
	lock    io.Closer        // of the data folder
	server  *embedded.Server // the hub or, with an external one, the spool's
	bus     *bus.Bus         // the hub
	spool   *bus.Spool       // in front of an external hub; nil: the hub is in this process
	store   store            // the one of the two that pollers and callbacks use
	reached bool             // the hub's streams have been found as promised
	ledger  *exporter.Ledger
	seal    *seal.Box
	tokens  *callbacks.Tokens
	tenants []*tenant

	downloading *health.Gate // shut by the watch

	stopPlanning func() // ends the planners and waits for them
}

// runBridge runs until ctx ends, then drains: intake ends at once, work after
// the grace period, spool and hub last.
func runBridge(ctx context.Context, cfg *config.Config, log zerolog.Logger, h hooks) (err error) {
	b := &bridge{cfg: cfg, log: log, metrics: prometheus.NewRegistry(), downloading: health.NewGate()}
	b.metrics.MustRegister(collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	if err := b.open(ctx, h.acceptWeaker); err != nil {
		if ctx.Err() != nil {
			log.Info().Msg("bridge stopped before it was ready")
			err = nil
		}
		return errors.Join(err, b.close())
	}
	defer func() { err = errors.Join(err, b.close()) }()

	group, intake := errgroup.WithContext(ctx)
	work, endWork := graceAfter(intake, context.WithoutCancel(ctx), cfg.Shutdown.Grace)
	defer endWork()
	var parts sync.WaitGroup
	start := func(name string, run func(intake, work context.Context) error) {
		parts.Add(1)
		group.Go(func() error {
			defer parts.Done()
			return named(name, run(intake, work))
		})
	}
	// What serves all the others ends after them.
	serving, endServing := context.WithCancel(context.WithoutCancel(ctx))
	defer endServing()
	group.Go(func() error { return named("ledger", b.ledger.Run(serving)) })
	group.Go(func() error { return named("embedded nats", b.server.Run(serving)) })
	if b.spool != nil {
		group.Go(func() error { return named("spool", b.forward(serving)) })
	}

	if err := b.start(intake, start); err != nil {
		group.Go(func() error { return err }) // ends what has been started
	} else {
		log.Info().Str("nats", b.natsURL()).Int("tenants", len(b.tenants)).Msg("bridge runs")
		if h.ready != nil {
			h.ready(b)
		}
	}
	<-intake.Done()
	log.Info().Msg("bridge stops: finishing what is in hand")
	parts.Wait()
	b.flush(serving)
	endServing()
	err = group.Wait()
	if err == nil && h.drained != nil {
		err = h.drained(context.WithoutCancel(ctx), b)
	}
	if err == nil {
		log.Info().Msg("bridge stopped")
	}
	return err
}

func named(name string, err error) error {
	if err != nil {
		return fmt.Errorf("%s: %w", name, err)
	}
	return nil
}

// graceAfter returns a context that ends a grace period after intake, or with
// parent.
func graceAfter(intake, parent context.Context, grace time.Duration) (context.Context, context.CancelFunc) {
	work, end := context.WithCancelCause(parent)
	stop := context.AfterFunc(intake, func() {
		timer := time.NewTimer(grace)
		defer timer.Stop()
		select {
		case <-timer.C:
			end(errors.New("the grace period is over"))
		case <-work.Done():
		}
	})
	return work, func() {
		stop()
		end(context.Canceled)
	}
}

// open gets everything ready that others build on: hub, bus, ledger.
func (b *bridge) open(ctx context.Context, acceptWeaker []string) (err error) {
	if b.names, err = schemas.NewNames(b.cfg.NATS.SubjectPrefix); err != nil {
		return err
	}
	// Two bridges on one folder would be one instance, and take the lease from
	// each other.
	if b.lock, err = embedded.Lock(b.cfg.DataDir); err != nil {
		return err
	}
	instance, err := instanceID(b.cfg.DataDir)
	if err != nil {
		return err
	}
	if b.seal, err = seal.OpenDir(b.cfg.DataDir); err != nil {
		return err
	}
	if b.tokens, err = callbacks.NewTokens(b.seal.Key("callback paths")); err != nil {
		return err
	}
	if err := b.openNATS(ctx, instance, acceptWeaker); err != nil {
		return err
	}
	b.ledger, err = exporter.NewLedger(exporter.LedgerOptions{
		Names: b.names, Bucket: b.bus.Bucket(schemas.BucketWindows), Publisher: b.bus,
		Retry: b.cfg.Worker.RetryAfter, Logger: b.log, Registerer: b.metrics,
	})
	return err
}

func (b *bridge) close() error {
	for _, t := range b.tenants {
		t.close()
	}
	if b.spool != nil {
		b.spool.Close()
	}
	if b.bus != nil {
		b.bus.Close()
	}
	if b.server != nil {
		b.server.Shutdown()
	}
	if b.lock != nil {
		return b.lock.Close()
	}
	return nil
}

// start builds all components, then hands each to run. An error means that none
// runs.
func (b *bridge) start(intake context.Context, run func(name string, f func(intake, work context.Context) error)) error {
	for _, c := range b.cfg.Tenants {
		t, err := newTenant(b, c)
		if err != nil {
			return fmt.Errorf("tenant %s: %w", c.Name, err)
		}
		b.tenants = append(b.tenants, t)
	}
	worker, err := b.newWorker()
	if err != nil {
		return err
	}
	callbacks, err := b.newCallbacks()
	if err != nil {
		return err
	}
	watch := b.newWatch()
	admin, err := b.newAdmin(watch)
	if err != nil {
		return err
	}
	planning, stop := context.WithCancel(intake)
	var planners sync.WaitGroup
	b.stopPlanning = func() { stop(); planners.Wait() }
	for _, t := range b.tenants {
		if t.pool != nil {
			run("poller of "+t.cfg.Name, t.poll)
		}
		if t.planner != nil {
			planners.Add(1)
			run("planner of "+t.cfg.Name, func(_, work context.Context) error {
				defer planners.Done()
				return t.planner.Run(planning, work)
			})
		}
	}
	if worker != nil {
		run("worker", func(intake, work context.Context) error {
			return b.downloading.While(intake, func(intake context.Context) error {
				return b.bus.ConsumeFiles(intake, work, b.cfg.Worker.Count, worker.Handle)
			})
		})
	}
	if callbacks != nil {
		run("callbacks", callbacks.Run)
	}
	if admin != nil {
		run("admin", admin.Run)
	}
	run("watch", func(intake, _ context.Context) error { return watch.Run(intake) })
	return nil
}

// natsURL is where consumers connect.
func (b *bridge) natsURL() string {
	if b.spool == nil {
		return b.server.ClientURL()
	}
	return b.cfg.NATS.URL
}

// flushFor is how long a stop waits for the spool to reach the hub. What is left
// goes out after the next start.
const flushFor = 3 * time.Second

func (b *bridge) flush(ctx context.Context) {
	if b.spool == nil || b.bus.Connected() != nil {
		return
	}
	ctx, cancel := context.WithTimeout(ctx, flushFor)
	defer cancel()
	if err := b.spool.Flush(ctx); err != nil {
		b.log.Info().Uint64("messages", b.spool.State().Messages).Msg("messages are left in the spool; the next start forwards them")
	}
}

// listen opens a listener; an address in use is a sentence, not a stack of verbs.
func listen(key, address string) (net.Listener, error) {
	l, err := net.Listen("tcp", address)
	if err != nil {
		return nil, fmt.Errorf("listen on %s: %w; choose another address for %s", address, err, key)
	}
	return l, nil
}
