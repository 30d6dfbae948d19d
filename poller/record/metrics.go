package record

import (
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promauto"
)

// Metrics are shared by the recorders of all tenants. No label names an agent.
type Metrics struct {
	events  *prometheus.CounterVec
	gaps    *prometheus.CounterVec
	publish *prometheus.HistogramVec
}

// NewMetrics registers the metrics, once for a registerer; with nil they are counted
// and not shown.
func NewMetrics(r prometheus.Registerer) *Metrics {
	auto := promauto.With(r)
	return &Metrics{
		events: auto.NewCounterVec(prometheus.CounterOpts{
			Namespace: "aicc", Subsystem: "poller", Name: "events_total", Help: "Events stored, by group.",
		}, []string{"tenant", "group"}),
		gaps: auto.NewCounterVec(prometheus.CounterOpts{
			Namespace: "aicc", Subsystem: "poller", Name: "gaps_total", Help: "Gap records stored, by cause.",
		}, []string{"tenant", "cause"}),
		publish: auto.NewHistogramVec(prometheus.HistogramOpts{
			Namespace: "aicc", Subsystem: "poller", Name: "publish_seconds",
			Help:    "Time from a message being ready until it is stored.",
			Buckets: []float64{.0005, .001, .0025, .005, .01, .025, .05, .1, .25, .5, 1, 5, 30},
		}, []string{"tenant"}),
	}
}

// counts are the metrics of one tenant.
type counts struct {
	events  *prometheus.CounterVec
	gaps    *prometheus.CounterVec
	publish prometheus.Observer
}

func (m *Metrics) of(tenant string) counts {
	t := prometheus.Labels{"tenant": tenant}
	return counts{events: m.events.MustCurryWith(t), gaps: m.gaps.MustCurryWith(t), publish: m.publish.With(t)}
}

func (c counts) event(group string) { c.events.WithLabelValues(group).Inc() }

func (c counts) gap(cause string) { c.gaps.WithLabelValues(cause).Inc() }

func (c counts) stored(since time.Time) { c.publish.Observe(time.Since(since).Seconds()) }
