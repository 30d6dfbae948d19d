package push

import (
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promauto"
)

// Metrics are shared by the inlets of all tenants. No label names an agent.
type Metrics struct {
	pushes   *prometheus.CounterVec
	stored   *prometheus.CounterVec
	repeated *prometheus.CounterVec
	bytes    *prometheus.GaugeVec
}

// NewMetrics registers the metrics, once for a registerer; with nil they are counted and not
// shown.
func NewMetrics(r prometheus.Registerer) *Metrics {
	auto := promauto.With(r)
	return &Metrics{
		pushes: auto.NewCounterVec(prometheus.CounterOpts{
			Namespace: "aicc", Subsystem: "poller", Name: "push_requests_total", Help: "Pushes of the gateway, by what was answered.",
		}, []string{"tenant", "result"}),
		stored: auto.NewCounterVec(prometheus.CounterOpts{
			Namespace: "aicc", Subsystem: "poller", Name: "push_items_total", Help: "Items of pushed lists that were stored.",
		}, []string{"tenant"}),
		repeated: auto.NewCounterVec(prometheus.CounterOpts{
			Namespace: "aicc", Subsystem: "poller", Name: "push_repeated_total", Help: "Items of pushed lists that were stored before and left out.",
		}, []string{"tenant"}),
		bytes: auto.NewGaugeVec(prometheus.GaugeOpts{
			Namespace: "aicc", Subsystem: "poller", Name: "push_bytes", Help: "Bytes of pushes in hand, with those still being stored that were answered 503. At 64 MiB others are answered 503.",
		}, []string{"tenant"}),
	}
}

// counts are the metrics of one tenant.
type counts struct {
	pushes           *prometheus.CounterVec
	stored, repeated prometheus.Counter
	bytes            prometheus.Gauge
}

// Begin shows the metrics of a tenant before there is anything to count.
func (m *Metrics) Begin(tenant string) { m.of(tenant) }

func (m *Metrics) of(tenant string) counts {
	return counts{
		m.pushes.MustCurryWith(prometheus.Labels{"tenant": tenant}),
		m.stored.WithLabelValues(tenant), m.repeated.WithLabelValues(tenant), m.bytes.WithLabelValues(tenant),
	}
}
