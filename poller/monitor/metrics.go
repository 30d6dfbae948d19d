package monitor

import (
	"fmt"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promauto"

	"aiccbridge/schemas"
)

// Metrics are shared by the monitors of all tenants.
type Metrics struct {
	looks  *prometheus.CounterVec
	took   *prometheus.HistogramVec
	agents *prometheus.GaugeVec
}

// NewMetrics registers the metrics (aicc_monitor_…), once for a registerer; with nil they are
// counted and not shown.
func NewMetrics(r prometheus.Registerer) *Metrics {
	auto := promauto.With(r)
	return &Metrics{
		looks: auto.NewCounterVec(prometheus.CounterOpts{
			Namespace: "aicc", Subsystem: "monitor", Name: "looks_total", Help: "Looks at all agents of a tenant, by outcome: seen, or failed.",
		}, []string{"tenant", "outcome"}),
		took: auto.NewHistogramVec(prometheus.HistogramOpts{
			Namespace: "aicc", Subsystem: "monitor", Name: "look_seconds", Help: "How long a look took that showed something.",
			Buckets: prometheus.ExponentialBuckets(0.01, 2, 12),
		}, []string{"tenant"}),
		agents: auto.NewGaugeVec(prometheus.GaugeOpts{
			Namespace: "aicc", Subsystem: "monitor", Name: "agents", Help: "Agents by the state in which they were seen last.",
		}, []string{"tenant", "state"}),
	}
}

// shows makes the gauge say how many agents are in each state.
func (m *Metrics) shows(tenant string, of map[schemas.State]int) {
	for _, s := range []schemas.State{
		schemas.StateReady, schemas.StateNotReady, schemas.StateRest, schemas.StateWrapup, schemas.StateOnCall, schemas.StateSignedOut, schemas.StateUnknown,
	} {
		m.agents.WithLabelValues(tenant, string(s)).Set(float64(of[s]))
	}
}

// Sight says whether looks succeed, across ownerships. The zero value: none was needed yet.
type Sight struct {
	mu    sync.Mutex
	since time.Time // of the first failure after the last success; zero: there is none
	why   error
}

// Failing is why nothing has been seen for so long; nil: something has, or nobody looks here.
func (s *Sight) Failing(lasting time.Duration) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.since.IsZero() || time.Since(s.since) < lasting {
		return nil
	}
	return fmt.Errorf("no agent is seen: %w", s.why)
}

// failed notes a failure, nil an end of failures.
func (s *Sight) failed(err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	switch {
	case err == nil:
		s.since = time.Time{}
	case s.since.IsZero():
		s.since = time.Now()
	}
	s.why = err
}
