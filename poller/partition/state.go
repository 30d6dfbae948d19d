package partition

import (
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promauto"
)

// Metrics are shared by the partitions of all tenants.
type Metrics struct {
	partitions *prometheus.GaugeVec
	bridges    *prometheus.GaugeVec
	takeovers  *prometheus.CounterVec
	waited     *prometheus.HistogramVec
	drained    *prometheus.HistogramVec
}

// NewMetrics registers the metrics (aicc_poller_…), once for a registerer; with nil they
// are counted and not shown.
func NewMetrics(r prometheus.Registerer) *Metrics {
	auto, tenant := promauto.With(r), []string{"tenant"}
	seconds := prometheus.ExponentialBuckets(0.1, 2, 12)
	return &Metrics{
		partitions: auto.NewGaugeVec(prometheus.GaugeOpts{
			Namespace: "aicc", Subsystem: "poller", Name: "partitions",
			Help: "Partitions of agents that this bridge is to poll, or still polls: waiting for their lease, held, or leaving.",
		}, []string{"tenant", "state"}),
		bridges: auto.NewGaugeVec(prometheus.GaugeOpts{
			Namespace: "aicc", Subsystem: "poller", Name: "bridges", Help: "Bridges that share the agents, this one included; 0: not known.",
		}, tenant),
		takeovers: auto.NewCounterVec(prometheus.CounterOpts{
			Namespace: "aicc", Subsystem: "poller", Name: "takeovers_total", Help: "Partitions whose lease this bridge got.",
		}, tenant),
		waited: auto.NewHistogramVec(prometheus.HistogramOpts{
			Namespace: "aicc", Subsystem: "poller", Name: "lease_wait_seconds", Help: "How long the lease of a partition was waited for.", Buckets: seconds,
		}, tenant),
		drained: auto.NewHistogramVec(prometheus.HistogramOpts{
			Namespace: "aicc", Subsystem: "poller", Name: "drain_seconds", Buckets: seconds,
			Help: "How long it took to end the polls of a partition that goes to another bridge, or at a stop.",
		}, tenant),
	}
}

// counts are the metrics of one tenant.
type counts struct {
	partitions *prometheus.GaugeVec
	bridges    prometheus.Gauge
	takeovers  prometheus.Counter
	waited     prometheus.Observer
	drained    prometheus.Observer
}

func (m *Metrics) of(tenant string) counts {
	return counts{
		m.partitions.MustCurryWith(prometheus.Labels{"tenant": tenant}), m.bridges.WithLabelValues(tenant),
		m.takeovers.WithLabelValues(tenant), m.waited.WithLabelValues(tenant), m.drained.WithLabelValues(tenant),
	}
}

// A partition of this bridge is in one of these:
//
//	resting ──► waiting ──► held ──► leaving ──► resting
//	   ▲           │                                │
//	   └───────────┘ intake ended                   └─► waiting: the lease was lost
const (
	resting = ""
	waiting = "waiting"
	held    = "held"
	leaving = "leaving"
)

// state is where a partition stands, and since when.
type state struct {
	counts counts
	mu     sync.Mutex
	now    string
	since  time.Time
}

func (s *state) waits() { s.enter(waiting) }

func (s *state) holds() {
	_, took := s.enter(held)
	s.counts.waited.Observe(took.Seconds())
	s.counts.takeovers.Inc()
}

func (s *state) leaves() { s.enter(leaving) }

func (s *state) rests() {
	if was, took := s.enter(resting); was == leaving {
		s.counts.drained.Observe(took.Seconds())
	}
}

// enter returns where the partition was, and for how long.
func (s *state) enter(next string) (was string, took time.Duration) {
	s.mu.Lock()
	defer s.mu.Unlock()
	was, took = s.now, time.Since(s.since)
	s.now, s.since = next, time.Now()
	if was != resting {
		s.counts.partitions.WithLabelValues(was).Dec()
	}
	if next != resting {
		s.counts.partitions.WithLabelValues(next).Inc()
	}
	return was, took
}

// waitingSince is zero when the lease is not waited for.
func (s *state) waitingSince() time.Time {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.now != waiting {
		return time.Time{}
	}
	return s.since
}
