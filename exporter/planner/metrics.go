package planner

import (
	"slices"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"aiccbridge/exporter/lateness"
	"aiccbridge/schemas"
)

// gauges are what the ledger says of a tenant's windows when somebody asks. Every bridge that has
// the tenant says the same.
type gauges struct {
	p                               *Planner
	coverage, oldest, states, queue *prometheus.Desc
	measured, late, lateness        *prometheus.Desc
}

func newGauges(p *Planner) gauges {
	kind := []string{"kind"}
	return gauges{
		p:        p,
		coverage: prometheus.NewDesc("aicc_windows_coverage_age_seconds", "How long ago the time ended up to which everything is complete, without a hole.", kind, nil),
		oldest:   prometheus.NewDesc("aicc_windows_oldest_open_seconds", "How long the oldest window that is still to come has been due; 0: none is.", kind, nil),
		states:   prometheus.NewDesc("aicc_windows_count", "Windows in the ledger, by state.", []string{"kind", "state"}, nil),
		measured: prometheus.NewDesc("aicc_windows_measured_rows", "Rows of the windows of the last seven days that were extracted twice and more.", kind, nil),
		late:     prometheus.NewDesc("aicc_windows_late_rows", "Of these, rows that came only after the first extract.", kind, nil),
		lateness: prometheus.NewDesc("aicc_windows_lateness_seconds", "The least age of a window at extraction that had all rows but one in a thousand, as far as the extracts tell: the settle that bridge windows proposes; 0: too few rows are known.", kind, nil),
		queue:    prometheus.NewDesc("aicc_windows_backfill_waiting", "Windows of backfills that are not complete.", kind, nil),
	}
}

// Describe and Collect make it a collector.
func (g gauges) Describe(to chan<- *prometheus.Desc) {
	for _, d := range []*prometheus.Desc{g.coverage, g.oldest, g.states, g.queue, g.measured, g.late, g.lateness} {
		to <- d
	}
}

// Collect looks over the ledger, which has been read when the planner runs.
func (g gauges) Collect(to chan<- prometheus.Metric) {
	now := time.Now()
	for _, x := range *g.p.extracted.Load() {
		kind, entries := string(x.Kind), g.p.o.Ledger.Entries(g.p.o.Tenant, x.Kind)
		put := func(d *prometheus.Desc, v float64, labels ...string) {
			to <- prometheus.MustNewConstMetric(d, prometheus.GaugeValue, v, append([]string{kind}, labels...)...)
		}
		if c, ok := coverage(g.p.o.Tenant, x.Kind, entries, now); ok {
			put(g.coverage, now.Sub(c.CompleteTo).Seconds())
		}
		states, queue, oldest := map[schemas.WindowState]int{}, 0, time.Duration(0)
		for _, e := range entries {
			states[e.State]++
			if e.Backfilling() {
				queue++
			} else if !e.Unplanned && e.CompletedAt.IsZero() && e.Coming() {
				oldest = max(oldest, now.Sub(x.freshAt(e.Window)))
			}
		}
		m := lateness.Of(x.Kind, entries, now)
		put(g.measured, float64(m.Rows))
		put(g.late, float64(m.Late))
		put(g.lateness, m.Settle.Seconds())
		put(g.oldest, oldest.Seconds())
		put(g.queue, float64(queue))
		for _, s := range []schemas.WindowState{schemas.WindowPlanned, schemas.WindowRequested, schemas.WindowReady, schemas.WindowCompleted, schemas.WindowFailed} {
			put(g.states, float64(states[s]), string(s))
		}
	}
}

// publish lets the gauges see which extracts there are.
func (p *Planner) publish() {
	extracts := slices.Clone(p.o.Extracts)
	p.extracted.Store(&extracts)
}
