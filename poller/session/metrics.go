package session

import (
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promauto"

	"aiccbridge/poller/record"
)

// Metrics are shared by the loops of all tenants. No label names an agent.
type Metrics struct {
	polls   *prometheus.CounterVec
	looks   *prometheus.CounterVec
	agents  *prometheus.GaugeVec
	silence *silencePeaks

	mu     sync.Mutex
	boards map[string]*board // by tenant
}

// NewMetrics registers the metrics, once for a registerer; with nil they are counted
// and not shown.
func NewMetrics(r prometheus.Registerer) *Metrics {
	auto := promauto.With(r)
	m := &Metrics{
		polls: auto.NewCounterVec(prometheus.CounterOpts{
			Namespace: "aicc", Subsystem: "poller", Name: "polls_total", Help: "Polls by outcome.",
		}, []string{"tenant", "outcome"}),
		looks: auto.NewCounterVec(prometheus.CounterOpts{
			Namespace: "aicc", Subsystem: "poller", Name: "looks_total", Help: "Looks of the monitor at agents who are polled, by what came of them: confirmed, differed, healed, overtaken or nothing.",
		}, []string{"tenant", "outcome"}),
		agents: auto.NewGaugeVec(prometheus.GaugeOpts{
			Namespace: "aicc", Subsystem: "poller", Name: "agents", Help: "Agents by the phase they are in.",
		}, []string{"tenant", "state"}),
		silence: newSilencePeaks(), boards: map[string]*board{},
	}
	if r != nil {
		r.MustRegister(m.silence)
	}
	return m
}

// counts are the metrics of one tenant.
type counts struct {
	polls   *prometheus.CounterVec
	looks   *prometheus.CounterVec
	agents  *prometheus.GaugeVec
	silence *peak
	board   *board
}

func (m *Metrics) of(tenant string) counts {
	t := prometheus.Labels{"tenant": tenant}
	return counts{polls: m.polls.MustCurryWith(t), looks: m.looks.MustCurryWith(t), agents: m.agents.MustCurryWith(t), silence: m.silence.of(tenant), board: m.board(tenant)}
}

func (c counts) poll(outcome string) { c.polls.WithLabelValues(outcome).Inc() }

func (c counts) look(what record.Confirmed) { c.looks.WithLabelValues(string(what)).Inc() }

func (c counts) moved(from, to phase) {
	if from != "" {
		c.agents.WithLabelValues(string(from)).Dec()
	}
	if to != phaseStopped {
		c.agents.WithLabelValues(string(to)).Inc()
	}
}

// peakSpan: a peak is remembered for one to two of it.
const peakSpan = 5 * time.Minute

// peak is the largest of the values of the last five to ten minutes.
type peak struct {
	mu          sync.Mutex
	begun       time.Time // of the current span
	now, before time.Duration
}

func (p *peak) turn() {
	switch age := time.Since(p.begun); {
	case age >= 2*peakSpan:
		p.begun, p.now, p.before = time.Now(), 0, 0
	case age >= peakSpan:
		p.begun, p.now, p.before = time.Now(), 0, p.now
	}
}

func (p *peak) observe(d time.Duration) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.turn()
	p.now = max(p.now, d)
}

func (p *peak) value() time.Duration {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.turn()
	return max(p.now, p.before)
}

// silencePeaks is the gauge aicc_poller_silence_seconds_max: one peak per tenant,
// which all pools of the tenant share.
type silencePeaks struct {
	desc    *prometheus.Desc
	mu      sync.Mutex
	tenants map[string]*peak
}

func newSilencePeaks() *silencePeaks {
	return &silencePeaks{
		desc: prometheus.NewDesc("aicc_poller_silence_seconds_max",
			"Longest time in which the gateway got no request of an agent's session, in the last five to ten minutes.",
			[]string{"tenant"}, nil),
		tenants: map[string]*peak{},
	}
}

func (s *silencePeaks) of(tenant string) *peak {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.tenants[tenant] == nil {
		s.tenants[tenant] = &peak{}
	}
	return s.tenants[tenant]
}

// Describe implements prometheus.Collector.
func (s *silencePeaks) Describe(descs chan<- *prometheus.Desc) { descs <- s.desc }

// Collect implements prometheus.Collector.
func (s *silencePeaks) Collect(metrics chan<- prometheus.Metric) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for tenant, p := range s.tenants {
		metrics <- prometheus.MustNewConstMetric(s.desc, prometheus.GaugeValue, p.value().Seconds(), tenant)
	}
}
