package proxy

import (
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promauto"

	"aiccbridge/poller/proxy/onward"
)

// Metrics are those of all proxies of a program.
type Metrics struct {
	answers, refused, failed         *prometheus.CounterVec
	calls                            *prometheus.HistogramVec
	agents, clients, waiting, oldest *prometheus.GaugeVec
}

// NewMetrics registers the metrics (aicc_proxy_…), once for a registerer; with nil they are counted
// and not shown.
func NewMetrics(r prometheus.Registerer) *Metrics {
	f, tenant := promauto.With(r), []string{"tenant"}
	return &Metrics{
		answers: f.NewCounterVec(prometheus.CounterOpts{
			Name: "aicc_proxy_answers_total", Help: "What clients of the proxy were answered or sent by the bridge itself: event, again (the answer before did not arrive), idle, own (heartbeats and the like), signed_in, pushed, push_failed; and dropped: events that a client which is heard of did not fetch in time.",
		}, []string{"tenant", "what"}),
		refused: f.NewCounterVec(prometheus.CounterOpts{
			Name: "aicc_proxy_refused_total", Help: "Calls of clients that the bridge refused, by the return code.",
		}, []string{"tenant", "retcode"}),
		failed: f.NewCounterVec(prometheus.CounterOpts{
			Name: "aicc_proxy_failed_calls_total", Help: "Calls of clients that the gateway did not answer: unanswered, or status (502, 503 or 504, of what stands before it).",
		}, []string{"tenant", "why"}),
		calls: f.NewHistogramVec(prometheus.HistogramOpts{
			Name: "aicc_proxy_call_seconds", Help: "How long calls of clients took that were passed on, the gateway's own time included.",
			Buckets: []float64{.001, .0025, .005, .01, .025, .05, .1, .25, .5, 1, 2.5, 5, 10},
		}, tenant),
		agents: f.NewGaugeVec(prometheus.GaugeOpts{
			Name: "aicc_proxy_agents", Help: "Agents that are signed in through the bridge.",
		}, tenant),
		clients: f.NewGaugeVec(prometheus.GaugeOpts{
			Name: "aicc_proxy_clients", Help: "Clients that read events of agents.",
		}, tenant),
		waiting: f.NewGaugeVec(prometheus.GaugeOpts{
			Name: "aicc_proxy_waiting_events", Help: "Events that clients have not confirmed, all clients together, as of 5 s ago.",
		}, tenant),
		oldest: f.NewGaugeVec(prometheus.GaugeOpts{
			Name: "aicc_proxy_oldest_event_seconds", Help: "Age of the oldest event that a client has not confirmed, as of 5 s ago. The last one of an idle client counts until its next poll.",
		}, tenant),
	}
}

// Begin shows the metrics of a tenant before there is anything to count.
func (m *Metrics) Begin(tenant string) {
	m.calls.WithLabelValues(tenant)
	for _, why := range []string{onward.Unanswered, onward.BadStatus} {
		m.failed.WithLabelValues(tenant, why)
	}
	m.show(tenant, survey{})
}

// show sets the gauges.
func (m *Metrics) show(tenant string, s survey) {
	m.agents.WithLabelValues(tenant).Set(float64(s.agents))
	m.clients.WithLabelValues(tenant).Set(float64(s.clients))
	m.waiting.WithLabelValues(tenant).Set(float64(s.waiting))
	m.oldest.WithLabelValues(tenant).Set(s.oldest.Seconds())
}
