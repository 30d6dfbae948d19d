package main

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/rs/zerolog"

	"aiccbridge/internal/retry"
)

// How often a running bridge looks after the store, and after the settings that
// its promises rest on.
const (
	healthEvery   = 2 * time.Second
	settingsEvery = time.Minute
	soonAgain     = 5 * time.Second // at first, and while something is wrong
)

// watch raises an alarm when what was made sure of at the start stops being true.
// An alarm is a log line when it begins, changes and ends, the metric aicc_alarm,
// and a line of /healthz: with status 503 where nothing can be stored as promised,
// with 200 where the bridge has a way to go on.
//
//	alarm    means                                          and then                        status
//	store    nothing can be stored                          polling waits                   503
//	streams  deleted, or weaker than promised               external: events stay spooled   503
//	disk     little space left                              downloads stop, polling goes on 200
//	hub      external NATS away                             events are spooled              200
//	spool    more than 50, 80, 95 % full                    at 100 % polling waits          200
type watch struct{ checks []check }

// check is one thing that is looked at again and again.
type check struct {
	*alarm
	every time.Duration
	find  func(context.Context) error // what is wrong; an error of its context says nothing
	then  func(wrong bool)            // what else follows; nil: nothing
}

func (b *bridge) newWatch() *watch {
	gauge := prometheus.NewGaugeVec(prometheus.GaugeOpts{
		Name: "aicc_alarm", Help: "1 while an alarm lasts: store, streams, disk, hub, spool.",
	}, []string{"alarm"})
	b.metrics.MustRegister(gauge)
	named := func(name string, fatal bool, raised, over string) *alarm {
		return &alarm{name: name, fatal: fatal, gauge: gauge.WithLabelValues(name), log: b.log, raised: raised, over: over}
	}
	w := &watch{checks: []check{
		{
			alarm: named("store", true, "nothing can be stored; events wait at the platform, which keeps them for two minutes", "the store takes messages again"),
			every: healthEvery, find: func(context.Context) error { return b.storeHealth() },
		},
		{
			alarm: &alarm{name: "disk", gauge: gauge.WithLabelValues("disk")}, // the server logs it itself
			every: healthEvery, find: func(context.Context) error { return b.server.Low() },
			then: func(low bool) { b.downloading.set(!low) },
		},
		{
			alarm: named("streams", true, "a stream was deleted or is weaker than promised", "the streams are as promised again"),
			every: settingsEvery, find: b.bus.Check,
			then: func(weak bool) {
				if b.spool != nil {
					b.spool.Hold(weak)
				}
			},
		},
	}}
	if b.spool != nil {
		w.checks = append(w.checks, check{
			alarm: named("hub", false, "nats is away; events are kept in the spool", "nats is back"),
			every: healthEvery, find: func(context.Context) error { return b.bus.Connected() },
		}, check{
			alarm: named("spool", false, "the spool fills up; polling stops when it is full", "the spool has room again"),
			every: healthEvery, find: func(context.Context) error { return spoolLevel(b.spool.State()) },
		})
	}
	return w
}

// storeHealth reports why nothing can be stored, nil when all is well.
func (b *bridge) storeHealth() error {
	if b.spool != nil {
		return b.server.Healthy()
	}
	return errors.Join(b.bus.Connected(), b.server.Healthy())
}

// Run watches until intake ends.
func (w *watch) Run(intake, _ context.Context) error {
	var group sync.WaitGroup
	for _, c := range w.checks {
		group.Go(func() { c.run(intake) })
	}
	group.Wait()
	return nil
}

func (c check) run(ctx context.Context) {
	wait := min(c.every, soonAgain)
	for retry.Wait(ctx, wait) == nil {
		wait = c.every
		if answered := c.look(ctx); !answered || c.current() != nil {
			wait = min(wait, soonAgain)
		}
	}
}

// look finds out once. A server that does not answer in time is the business of
// another alarm.
func (c check) look(ctx context.Context) (answered bool) {
	ctx, cancel := context.WithTimeout(ctx, c.every/4)
	defer cancel()
	err := c.find(ctx)
	if err != nil && ctx.Err() != nil {
		return false
	}
	c.set(err)
	if c.then != nil {
		c.then(err != nil)
	}
	return true
}

// ServeHTTP answers 200 while messages can be stored as promised, 503 otherwise,
// with one line for each alarm.
func (w *watch) ServeHTTP(out http.ResponseWriter, r *http.Request) {
	status, text := http.StatusOK, ""
	for _, c := range w.checks {
		if c.every < settingsEvery { // quick enough to be asked now
			c.look(r.Context())
		}
		if err := c.current(); err != nil {
			text += fmt.Sprintf("%s: %v\n", c.name, err)
			if c.fatal {
				status = http.StatusServiceUnavailable
			}
		}
	}
	if text == "" {
		text = "ok\n"
	}
	out.Header().Set("Content-Type", "text/plain; charset=utf-8")
	out.WriteHeader(status)
	_, _ = out.Write([]byte(text)) // the client may have gone
}

// alarm is one thing that is wrong, or not.
type alarm struct {
	name         string
	fatal        bool // nothing can be stored as promised
	gauge        prometheus.Gauge
	log          zerolog.Logger
	raised, over string

	mu  sync.Mutex
	err error
}

func (a *alarm) current() error {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.err
}

// set notes how things are; only a change is logged.
func (a *alarm) set(err error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	switch {
	case err != nil && (a.err == nil || a.err.Error() != err.Error()):
		a.gauge.Set(1)
		a.log.Error().Err(err).Msg(a.raised)
	case err == nil && a.err != nil:
		a.gauge.Set(0)
		a.log.Info().Msg(a.over)
	}
	a.err = err
}
