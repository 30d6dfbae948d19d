package handover

import (
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promauto"
)

// Metrics are those of all tenants. nil counts nothing.
type Metrics struct {
	there    *prometheus.GaugeVec
	requests *prometheus.CounterVec
}

// NewMetrics registers the metrics (aicc_poller_hand…), once for a registerer.
func NewMetrics(r prometheus.Registerer) *Metrics {
	auto := promauto.With(r)
	return &Metrics{
		there: auto.NewGaugeVec(prometheus.GaugeOpts{
			Namespace: "aicc", Subsystem: "poller", Name: "handed_over",
			Help: "Agents whose session another system has handed over: entries in the bucket SESSIONS.",
		}, []string{"tenant"}),
		requests: auto.NewCounterVec(prometheus.CounterOpts{
			Namespace: "aicc", Subsystem: "poller", Name: "handover_requests_total",
			Help: "Requests on NATS to take a session (give) or to give it back (return), by what came of them: done, refused or failed.",
		}, []string{"request", "result"}),
	}
}

// Tenant has a tenant's gauge there, at none.
func (m *Metrics) Tenant(name string) { m.entries(name, 0) }

func (m *Metrics) entries(tenant string, n int) {
	if m != nil {
		m.there.WithLabelValues(tenant).Set(float64(n))
	}
}

func (m *Metrics) request(request, result string) {
	if m != nil {
		m.requests.WithLabelValues(request, result).Inc()
	}
}
