package poller

import (
	"sync"
	"sync/atomic"
	"time"

	"aiccbridge/internal/ccgateway"

	"github.com/prometheus/client_golang/prometheus"
)

const (
	silenceAlarm = time.Minute     // half of the 120 s after which the gateway signs an agent out (cec_05_4012)
	silenceLook  = 5 * time.Second // how often a pool looks for agents that have gone silent
	peakWindow   = 5 * time.Minute // a peak is remembered for one to two of it
)

// heard is until when the gateway was in contact with an agent's session. It is
// written by the agent's stint and read by the pool.
type heard struct {
	nanos  atomic.Int64 // zero: no session, or a poll is in flight
	warned atomic.Bool  // the silence since is in the log
}

func (h *heard) at(t time.Time) { h.nanos.Store(t.UnixNano()) }

func (h *heard) clear() { h.nanos.Store(0) }

// silence is how long the gateway has got no request.
func (h *heard) silence(now time.Time) time.Duration {
	nanos := h.nanos.Load()
	if nanos == 0 {
		return 0
	}
	return max(0, now.Sub(time.Unix(0, nanos)))
}

// listened polls and measures the silence before. A poll that was not sent goes on
// with it; one without an answer ended it for a moment only.
func (s *stint) listened(poll func() ccgateway.Poll) ccgateway.Poll {
	h := &s.seat.heard
	last := h.nanos.Swap(0)
	p := poll()
	switch {
	case p.Outcome == ccgateway.OutcomeNotSent:
		h.nanos.Store(last)
		return p
	case p.Status == 0:
		h.at(p.SentAt)
	default:
		h.at(p.ReceivedAt)
	}
	if last != 0 {
		s.pool.metrics.silent(p.SentAt.Sub(time.Unix(0, last)))
	}
	if h.warned.Swap(false) {
		s.log.Info().Msg("gateway gets requests of the agent again")
	}
	return p
}

// listen measures the silences that go on and warns, once each, of a long one.
func (r *roster) listen() {
	now := time.Now()
	for id, s := range r.seats {
		silence := s.heard.silence(now)
		r.pool.metrics.silent(silence)
		if silence >= silenceAlarm && !s.heard.warned.Swap(true) {
			r.pool.Logger.Warn().Str("agent", id).Stringer("silence", silence.Round(time.Millisecond)).
				Msg("gateway gets no request of the agent; it signs the agent out after 120 s")
		}
	}
}

// peak is the largest of the values of the last five to ten minutes.
type peak struct {
	mu          sync.Mutex
	begun       time.Time // of the current window
	now, before time.Duration
}

func (p *peak) turn() {
	switch age := time.Since(p.begun); {
	case age >= 2*peakWindow:
		p.begun, p.now, p.before = time.Now(), 0, 0
	case age >= peakWindow:
		p.begun, p.now, p.before = time.Now(), 0, p.now
	}
}

func (p *peak) observe(d time.Duration) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.turn()
	p.now = max(p.now, d)
}

func (p *peak) value() time.Duration {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.turn()
	return max(p.now, p.before)
}

// silencePeaks is the gauge aicc_poller_silence_seconds_max: one peak per tenant,
// which all pools of the tenant share.
type silencePeaks struct {
	desc    *prometheus.Desc
	mu      sync.Mutex
	tenants map[string]*peak
}

func newSilencePeaks() *silencePeaks {
	return &silencePeaks{
		desc: prometheus.NewDesc("aicc_poller_silence_seconds_max",
			"Longest time in which the gateway got no request of an agent's session, in the last five to ten minutes.",
			[]string{"tenant"}, nil),
		tenants: map[string]*peak{},
	}
}

func (s *silencePeaks) of(tenant string) *peak {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.tenants[tenant] == nil {
		s.tenants[tenant] = &peak{}
	}
	return s.tenants[tenant]
}

// Describe implements prometheus.Collector.
func (s *silencePeaks) Describe(descs chan<- *prometheus.Desc) { descs <- s.desc }

// Collect implements prometheus.Collector.
func (s *silencePeaks) Collect(metrics chan<- prometheus.Metric) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for tenant, p := range s.tenants {
		metrics <- prometheus.MustNewConstMetric(s.desc, prometheus.GaugeValue, p.value().Seconds(), tenant)
	}
}
