package poller

import (
	"errors"
	"fmt"
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// metrics of one tenant. No label names an agent. A nil receiver counts nothing.
type metrics struct {
	polls   *prometheus.CounterVec
	events  *prometheus.CounterVec
	gaps    *prometheus.CounterVec
	agents  *prometheus.GaugeVec
	publish prometheus.Observer
	silence *peak
}

func newMetrics(r prometheus.Registerer, tenant string) (*metrics, error) {
	if r == nil {
		return nil, nil
	}
	polls, err1 := counter(r, "polls_total", "Polls by outcome.", "outcome")
	events, err2 := counter(r, "events_total", "Events stored, by group.", "group")
	gaps, err3 := counter(r, "gaps_total", "Gap records stored, by cause.", "cause")
	agents, err4 := register(r, prometheus.NewGaugeVec(prometheus.GaugeOpts{
		Namespace: "aicc", Subsystem: "poller", Name: "agents", Help: "Agents by the phase they are in.",
	}, []string{"tenant", "state"}))
	publish, err5 := register(r, prometheus.NewHistogramVec(prometheus.HistogramOpts{
		Namespace: "aicc", Subsystem: "poller", Name: "publish_seconds",
		Help:    "Time from a message being ready until it is stored.",
		Buckets: []float64{.0005, .001, .0025, .005, .01, .025, .05, .1, .25, .5, 1, 5, 30},
	}, []string{"tenant"}))
	silence, err6 := register(r, newSilencePeaks())
	if err := errors.Join(err1, err2, err3, err4, err5, err6); err != nil {
		return nil, err
	}
	t := prometheus.Labels{"tenant": tenant}
	return &metrics{
		polls: polls.MustCurryWith(t), events: events.MustCurryWith(t), gaps: gaps.MustCurryWith(t),
		agents: agents.MustCurryWith(t), publish: publish.With(t), silence: silence.of(tenant),
	}, nil
}

func counter(r prometheus.Registerer, name, help, label string) (*prometheus.CounterVec, error) {
	return register(r, prometheus.NewCounterVec(prometheus.CounterOpts{
		Namespace: "aicc", Subsystem: "poller", Name: name, Help: help,
	}, []string{"tenant", label}))
}

// register returns the collector that an earlier pool registered, if any.
func register[C prometheus.Collector](r prometheus.Registerer, c C) (C, error) {
	err := r.Register(c)
	var already prometheus.AlreadyRegisteredError
	if errors.As(err, &already) {
		if existing, ok := already.ExistingCollector.(C); ok {
			return existing, nil
		}
	}
	if err != nil {
		return c, fmt.Errorf("register poller metrics: %w", err)
	}
	return c, nil
}

func (m *metrics) poll(outcome string) {
	if m != nil {
		m.polls.WithLabelValues(outcome).Inc()
	}
}

func (m *metrics) event(group string) {
	if m != nil {
		m.events.WithLabelValues(group).Inc()
	}
}

func (m *metrics) gap(cause string) {
	if m != nil {
		m.gaps.WithLabelValues(cause).Inc()
	}
}

func (m *metrics) moved(from, to phase) {
	if m == nil {
		return
	}
	if from != "" {
		m.agents.WithLabelValues(string(from)).Dec()
	}
	if to != phaseStopped {
		m.agents.WithLabelValues(string(to)).Inc()
	}
}

func (m *metrics) silent(d time.Duration) {
	if m != nil {
		m.silence.observe(d)
	}
}

func (m *metrics) stored(since time.Time) {
	if m != nil {
		m.publish.Observe(time.Since(since).Seconds())
	}
}
