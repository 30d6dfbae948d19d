package reconcile

import (
	"maps"
	"slices"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promauto"

	"aiccbridge/schemas/comparison"
)

// metrics are those of the newest day that was compared.
type metrics struct {
	score       prometheus.Gauge
	unexplained *prometheus.GaugeVec // kind
}

func newMetrics(tenant string, r prometheus.Registerer) metrics {
	own := promauto.With(prometheus.WrapRegistererWith(prometheus.Labels{"tenant": tenant}, r))
	m := metrics{
		score: own.NewGauge(prometheus.GaugeOpts{
			Namespace: "aicc", Subsystem: "reconcile", Name: "score", Help: "Share of calls, recordings and states on which live events and files agree, in percent, of the newest day that was compared.",
		}),
		unexplained: own.NewGaugeVec(prometheus.GaugeOpts{
			Namespace: "aicc", Subsystem: "reconcile", Name: "unexplained", Help: "Differences between live events and files of the newest day that nothing explains, by kind of rows.",
		}, []string{"kind"}),
	}
	for _, k := range kinds {
		m.unexplained.WithLabelValues(string(k))
	}
	return m
}

func (m metrics) show(days map[string]comparison.Day) {
	if len(days) == 0 {
		return
	}
	newest := days[slices.Max(slices.Collect(maps.Keys(days)))]
	m.score.Set(newest.Score)
	for _, t := range newest.Kinds {
		m.unexplained.WithLabelValues(string(t.Kind)).Set(float64(t.Unexplained))
	}
}
