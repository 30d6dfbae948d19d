// Package pace says how fast counters grow: how many events, rows or polls there were in a
// second, in the last minute.
//
// It reads metrics and knows no component. It imports nothing of ours.
package pace

import (
	"context"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

const (
	every = 10 * time.Second // a sample
	span  = 6                // samples that the pace is of
)

// Meter watches all counters, each by its name, whatever its labels.
type Meter struct {
	from prometheus.Gatherer

	mu      sync.Mutex
	samples []sample // the oldest first
}

type sample struct {
	at     time.Time
	counts map[string]float64
}

// New makes a meter of what is gathered.
func New(from prometheus.Gatherer) *Meter { return &Meter{from: from} }

// Run samples until ctx ends.
func (m *Meter) Run(ctx context.Context) {
	tick := time.NewTicker(every)
	defer tick.Stop()
	for {
		m.sample(time.Now())
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
	}
}

// sample takes the counters as they are.
func (m *Meter) sample(now time.Time) {
	families, err := m.from.Gather()
	if err != nil {
		return // the next sample will do
	}
	s := sample{at: now, counts: map[string]float64{}}
	for _, f := range families {
		for _, one := range f.GetMetric() {
			s.counts[f.GetName()] += one.GetCounter().GetValue()
		}
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	m.samples = append(m.samples, s)
	m.samples = m.samples[max(0, len(m.samples)-span-1):]
}

// PerSecond is the pace of a counter in the last minute, or since the start; 0 before the
// second sample.
func (m *Meter) PerSecond(name string) float64 {
	m.mu.Lock()
	defer m.mu.Unlock()
	if len(m.samples) < 2 {
		return 0
	}
	first, last := m.samples[0], m.samples[len(m.samples)-1]
	return max(0, last.counts[name]-first.counts[name]) / last.at.Sub(first.at).Seconds()
}
