package bus

import (
	"errors"
	"time"

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

// spoolMetrics say how much waits, and what went through. All are by the spool's
// stream.
type spoolMetrics struct {
	messages, bytes, oldest *prometheus.GaugeVec
	forwarded, found        *prometheus.CounterVec
	refused                 *prometheus.CounterVec
}

func newSpoolMetrics(r prometheus.Registerer) (*spoolMetrics, error) {
	labels := []string{"stream"}
	gauge := func(name, help string) *prometheus.GaugeVec {
		return prometheus.NewGaugeVec(prometheus.GaugeOpts{Namespace: "aicc", Subsystem: "spool", Name: name, Help: help}, labels)
	}
	counter := func(name, help string) *prometheus.CounterVec {
		return prometheus.NewCounterVec(prometheus.CounterOpts{Namespace: "aicc", Subsystem: "spool", Name: name, Help: help}, labels)
	}
	m := &spoolMetrics{
		messages:  gauge("messages", "Messages that wait for the hub."),
		bytes:     gauge("bytes", "Bytes that wait for the hub."),
		oldest:    gauge("oldest_seconds", "Age of the oldest message that waits; 0 when none does."),
		forwarded: counter("forwarded_total", "Messages that the hub has taken."),
		found:     counter("found_total", "Messages of unknown outcome that turned out to be at the hub already."),
		refused:   counter("refused_total", "Messages that the hub refused for good."),
	}
	if r == nil {
		return m, nil
	}
	var errs []error
	for _, c := range []prometheus.Collector{m.messages, m.bytes, m.oldest, m.forwarded, m.found, m.refused} {
		errs = append(errs, r.Register(c))
	}
	return m, errors.Join(errs...)
}

func (m *spoolMetrics) observe(stream string, messages, bytes uint64, oldest time.Time) {
	age := 0.0
	if !oldest.IsZero() {
		age = max(0, time.Since(oldest).Seconds())
	}
	m.messages.WithLabelValues(stream).Set(float64(messages))
	m.bytes.WithLabelValues(stream).Set(float64(bytes))
	m.oldest.WithLabelValues(stream).Set(age)
}
