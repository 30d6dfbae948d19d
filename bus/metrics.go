package bus

import (
	"errors"

	"github.com/prometheus/client_golang/prometheus"
)

// metrics count what the bus did. Labels come from the contract's constants.
type metrics struct {
	published   *prometheus.CounterVec // stream
	retries     prometheus.Counter
	duplicates  prometheus.Counter
	deadLetters *prometheus.CounterVec // reason
	verdicts    *prometheus.CounterVec // verdict
}

func newMetrics(r prometheus.Registerer) (*metrics, error) {
	opts := func(name, help string) prometheus.CounterOpts {
		return prometheus.CounterOpts{Namespace: "aicc", Subsystem: "bus", Name: name, Help: help}
	}
	m := &metrics{
		published:   prometheus.NewCounterVec(opts("published_total", "Messages stored, by stream."), []string{"stream"}),
		retries:     prometheus.NewCounter(opts("publish_retries_total", "Tries to publish that failed and were repeated.")),
		duplicates:  prometheus.NewCounter(opts("duplicates_total", "Messages that turned out to be stored already.")),
		deadLetters: prometheus.NewCounterVec(opts("dead_letters_total", "Dead letters stored, by reason."), []string{"reason"}),
		verdicts:    prometheus.NewCounterVec(opts("verdicts_total", "Ends of file deliveries, by verdict."), []string{"verdict"}),
	}
	if r == nil {
		return m, nil
	}
	return m, errors.Join(r.Register(m.published), r.Register(m.retries), r.Register(m.duplicates),
		r.Register(m.deadLetters), r.Register(m.verdicts))
}
