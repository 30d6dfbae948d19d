package main

import (
	"context"
	"errors"
	"net/http"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/rs/zerolog"
)

// How often a running bridge looks after the store, and after the settings that
// its promises rest on.
const (
	healthEvery   = 5 * time.Second
	settingsEvery = time.Minute
)

// watch raises an alarm when what was made sure of at the start stops being true:
// messages can be stored (a full disk shows nowhere else), and no stream was
// deleted or weakened. An alarm is a log line when it begins, changes and ends, a
// metric, and 503 from /healthz.
type watch struct {
	health   func() error
	settings func(context.Context) error
	store    *alarm
	streams  *alarm
}

func (b *bridge) newWatch() *watch {
	gauge := prometheus.NewGaugeVec(prometheus.GaugeOpts{
		Name: "aicc_alarm", Help: "1 while an alarm lasts: store (nothing can be stored), streams (deleted, or weaker than promised).",
	}, []string{"alarm"})
	b.metrics.MustRegister(gauge)
	return &watch{
		health: b.storeHealth, settings: b.bus.Check,
		store: &alarm{
			gauge: gauge.WithLabelValues("store"), log: b.log,
			raised: "nothing can be stored; events wait at the platform, which keeps them for two minutes", over: "the store takes messages again",
		},
		streams: &alarm{
			gauge: gauge.WithLabelValues("streams"), log: b.log,
			raised: "a stream was deleted or is weaker than promised", over: "the streams are as promised again",
		},
	}
}

// storeHealth reports why nothing can be stored, nil when all is well.
func (b *bridge) storeHealth() error {
	if b.hub != nil {
		return errors.Join(b.bus.Connected(), b.hub.Healthy())
	}
	return b.bus.Connected()
}

// Run watches until intake ends.
func (w *watch) Run(intake, _ context.Context) error {
	health, settings := time.NewTicker(healthEvery), time.NewTicker(settingsEvery)
	defer health.Stop()
	defer settings.Stop()
	for {
		select {
		case <-intake.Done():
			return nil
		case <-health.C:
			w.store.set(w.health())
		case <-settings.C:
			w.look(intake)
		}
	}
}

// look compares the streams with the table. A server that does not answer is the
// other alarm's business.
func (w *watch) look(intake context.Context) {
	ctx, cancel := context.WithTimeout(intake, settingsEvery/4)
	defer cancel()
	if err := w.settings(ctx); ctx.Err() == nil {
		w.streams.set(err)
	}
}

// ServeHTTP answers 200 while messages can be stored, 503 and the reason otherwise.
func (w *watch) ServeHTTP(out http.ResponseWriter, _ *http.Request) {
	err := errors.Join(w.health(), w.streams.current())
	if err != nil {
		http.Error(out, err.Error(), http.StatusServiceUnavailable)
		return
	}
	_, _ = out.Write([]byte("ok\n")) // the client may have gone
}

// alarm is one thing that is wrong, or not.
type alarm struct {
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
