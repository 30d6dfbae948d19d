package proxy

import (
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promauto"
)

// Metrics are those of all proxies of a program.
type Metrics struct {
	counts
	registerer promauto.Factory
}

// counts are those that are counted as things happen.
type counts struct {
	answers, refused *prometheus.CounterVec
	calls            *prometheus.HistogramVec
}

// NewMetrics registers the metrics (aicc_proxy_…), once for a registerer; with nil they are counted
// and not shown.
func NewMetrics(r prometheus.Registerer) *Metrics {
	f := promauto.With(r)
	return &Metrics{registerer: f, counts: counts{
		answers: f.NewCounterVec(prometheus.CounterOpts{
			Name: "aicc_proxy_answers_total", Help: "What clients of the proxy were answered or sent by the bridge itself: event, again (the answer before did not arrive), idle, own (heartbeats and the like), signed_in, pushed, push_failed.",
		}, []string{"tenant", "what"}),
		refused: f.NewCounterVec(prometheus.CounterOpts{
			Name: "aicc_proxy_refused_total", Help: "Calls of clients that the bridge refused, by the return code.",
		}, []string{"tenant", "retcode"}),
		calls: f.NewHistogramVec(prometheus.HistogramOpts{
			Name: "aicc_proxy_call_seconds", Help: "How long calls of clients took that were passed on, the gateway's own time included.",
			Buckets: []float64{.001, .0025, .005, .01, .025, .05, .1, .25, .5, 1, 2.5, 5, 10},
		}, []string{"tenant"}),
	}}
}

// show adds the gauges of a proxy, which are measured when somebody asks.
func (m *Metrics) show(p *Proxy) {
	add := func(o prometheus.GaugeOpts, of func(s survey) float64) {
		o.ConstLabels = prometheus.Labels{"tenant": p.o.Record.Tenant}
		m.registerer.NewGaugeFunc(o, func() float64 {
			if t := p.now.Load(); t != nil {
				return of(t.survey())
			}
			return 0
		})
	}
	add(prometheus.GaugeOpts{Name: "aicc_proxy_agents", Help: "Agents that are signed in through the bridge."}, func(s survey) float64 { return float64(s.agents) })
	add(prometheus.GaugeOpts{Name: "aicc_proxy_clients", Help: "Clients that read events of agents."}, func(s survey) float64 { return float64(s.clients) })
	add(prometheus.GaugeOpts{Name: "aicc_proxy_waiting_events", Help: "Events that clients have not got yet, all clients together."}, func(s survey) float64 { return float64(s.waiting) })
	add(prometheus.GaugeOpts{Name: "aicc_proxy_oldest_event_seconds", Help: "Age of the oldest event that a client has not got yet."}, func(s survey) float64 { return s.oldest.Seconds() })
}
