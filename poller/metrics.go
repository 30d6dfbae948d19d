package poller

import (
	"time"

	"aiccbridge/poller/record"
	"aiccbridge/poller/session"

	"github.com/prometheus/client_golang/prometheus"
)

// Metrics are those of all pools of a program, of whatever tenant and epoch: a pool
// lives no longer than a lease, its counters do.
type Metrics struct {
	record  *record.Metrics
	session *session.Metrics
}

// NewMetrics registers the metrics (aicc_poller_…), once for a registerer; with nil
// they are counted and not shown. It panics on the second call for the same one.
func NewMetrics(r prometheus.Registerer) *Metrics {
	return &Metrics{record: record.NewMetrics(r), session: session.NewMetrics(r)}
}

// Record are the metrics of recorders, for a way in that has no pool.
func (m *Metrics) Record() *record.Metrics { return m.record }

// Session are the metrics of loops, for a way in that has no pool.
func (m *Metrics) Session() *session.Metrics { return m.session }

// Seat shows how something else than the loop of an agent stands, among the agents of a tenant.
func (m *Metrics) Seat(tenant, name string) *session.Seat { return m.session.Seat(tenant, name) }

// Standing is how the agents of a tenant stand now. A failure counts as lasting after so
// long.
func (m *Metrics) Standing(tenant string, lasting time.Duration) session.Standing {
	return m.session.Standing(tenant, lasting)
}

// Records are the metrics of messages, for agents whose events come in without a pool.
func (m *Metrics) Records() *record.Metrics { return m.record }
