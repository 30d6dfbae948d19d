package spool

import (
	"context"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promauto"
	"github.com/rs/zerolog"

	"aiccbridge/internal/trouble"
)

// upkeepEvery is how often the spool is trimmed and looked at.
const upkeepEvery = time.Second

// upkeep trims, measures and logs, once a second.
func (s *Spool) upkeep(ctx context.Context) error {
	tick := time.NewTicker(s.opts.upkeepEvery)
	defer tick.Stop()
	failing := s.local.Trouble("asset", "spool")
	for {
		select {
		case <-ctx.Done():
			return nil // each forwarder trims once more when its lanes are empty
		case <-tick.C:
		}
		err := s.trim(ctx)
		if err == nil {
			err = s.refresh(ctx)
		}
		if err != nil && ctx.Err() == nil {
			failing.Failed(err)
			continue
		}
		failing.Over()
		s.outage.tick(s.State().Messages, s.hub.Connected() == nil)
	}
}

func (s *Spool) trim(ctx context.Context) error {
	for _, l := range s.lines {
		if err := l.trim(ctx); err != nil {
			return err
		}
	}
	return nil
}

// refresh asks the local server how much waits.
func (s *Spool) refresh(ctx context.Context) error {
	state := State{Why: s.outage.why}
	connected, fullest := s.hub.Connected() == nil, -1.0
	for _, l := range s.lines {
		info, err := s.look(ctx, l.stream)
		if err != nil {
			return err
		}
		have := info.State
		state.Messages += have.Msgs
		if full := float64(have.Bytes) / float64(info.Config.MaxBytes); full > fullest {
			fullest = full
			state.Bytes, state.MaxBytes = int64(have.Bytes), info.Config.MaxBytes
		}
		oldest := have.FirstTime
		if have.Msgs == 0 {
			oldest = time.Time{}
		} else if state.Oldest.IsZero() || oldest.Before(state.Oldest) {
			state.Oldest = oldest
		}
		if l.head != have.FirstSeq || have.Msgs == 0 || !connected || l.deliver == nil {
			l.head, l.headSince = have.FirstSeq, time.Now()
		}
		if state.Still.IsZero() || l.headSince.Before(state.Still) {
			state.Still = l.headSince
		}
		s.metrics.observe(l.stream, have.Msgs, have.Bytes, oldest)
	}
	s.state.Store(&state)
	return nil
}

// metrics say how much waits, and what went through, by the spool's stream.
type metrics struct {
	messages, bytes, oldest *prometheus.GaugeVec
	forwarded, found        *prometheus.CounterVec
	refused                 *prometheus.CounterVec
}

func newMetrics(r prometheus.Registerer) *metrics {
	factory, labels := promauto.With(r), []string{"stream"}
	gauge := func(name, help string) *prometheus.GaugeVec {
		return factory.NewGaugeVec(prometheus.GaugeOpts{Namespace: "aicc", Subsystem: "spool", Name: name, Help: help}, labels)
	}
	counter := func(name, help string) *prometheus.CounterVec {
		return factory.NewCounterVec(prometheus.CounterOpts{Namespace: "aicc", Subsystem: "spool", Name: name, Help: help}, labels)
	}
	return &metrics{
		messages:  gauge("messages", "Messages that wait for the hub."),
		bytes:     gauge("bytes", "Bytes that wait for the hub."),
		oldest:    gauge("oldest_seconds", "Age of the oldest message that waits; 0 when none does."),
		forwarded: counter("forwarded_total", "Messages that the hub has taken."),
		found:     counter("found_total", "Messages of unknown outcome that turned out to be at the hub already."),
		refused:   counter("refused_total", "Messages that the hub refused for good."),
	}
}

func (m *metrics) observe(stream string, messages, bytes uint64, oldest time.Time) {
	age := 0.0
	if !oldest.IsZero() {
		age = max(0, time.Since(oldest).Seconds())
	}
	m.messages.WithLabelValues(stream).Set(float64(messages))
	m.bytes.WithLabelValues(stream).Set(float64(bytes))
	m.oldest.WithLabelValues(stream).Set(age)
}

// outage logs how the hub comes and goes. Many goroutines report, and what they
// report overlaps; a tick judges a whole second at once.
type outage struct {
	log       zerolog.Logger
	succeeded atomic.Int64
	first     atomic.Pointer[time.Time] // the first success since the last tick
	last      atomic.Pointer[error]
	refusals  trouble.Episode // of messages, for good
	refusedAt atomic.Int64    // the latest, in seconds

	awaySince time.Time // zero: not away
	why       *error    // the first failure since the last success
	held      uint64    // how many messages waited at the last tick
	backSince time.Time // zero: away, or caught up
	brought   uint64    // to the hub since then
}

func (o *outage) failed(err error) { o.last.Store(&err) }

func (o *outage) success() {
	if o.succeeded.Add(1) == 1 {
		now := time.Now()
		o.first.Store(&now)
	}
}

// refusalsOver is how long nothing may have been refused for the next refusal to be news.
const refusalsOver = 10 * time.Minute

// refused says what a message is worth in the log that the hub refuses for good: a hub that
// refuses one may refuse all.
func (o *outage) refused(err error) zerolog.Level {
	if now := time.Now().Unix(); now-o.refusedAt.Swap(now) > int64(refusalsOver.Seconds()) {
		o.refusals.Over()
	}
	if _, changed := o.refusals.Failed(trouble.Gist(err.Error()), zerolog.ErrorLevel); changed {
		return zerolog.ErrorLevel
	}
	return zerolog.DebugLevel
}

// tick has one caller. waiting is what is left when it is called: when the hub has
// come back meanwhile, what was there a tick earlier says how many waited. A
// connection that is down has been said.
func (o *outage) tick(waiting uint64, connected bool) {
	first := o.first.Swap(nil)
	successes, failure := uint64(o.succeeded.Swap(0)), o.last.Swap(nil)
	if successes > 0 || o.why == nil {
		o.why = failure
	}
	switch {
	case successes == 0 && failure != nil && o.awaySince.IsZero():
		o.awaySince, o.backSince = time.Now(), time.Time{}
		level := zerolog.WarnLevel
		if !connected {
			level = zerolog.DebugLevel
		}
		o.log.WithLevel(level).Err(*failure).Msg("hub takes no messages; they wait in the spool")
	case successes > 0 && !o.awaySince.IsZero():
		o.backSince, o.brought = time.Now(), 0
		if first != nil {
			o.backSince = *first
		}
		if waiting > 0 {
			o.log.Info().Uint64("messages", max(o.held, waiting)).Stringer("away", o.backSince.Sub(o.awaySince).Round(time.Millisecond)).Msg("hub is back; catching up")
		}
		o.awaySince = time.Time{}
	}
	o.held = waiting
	o.brought += successes
	if waiting == 0 && o.awaySince.IsZero() && !o.backSince.IsZero() {
		o.log.Info().Uint64("messages", o.brought).Stringer("took", time.Since(o.backSince).Round(time.Millisecond)).Msg("caught up with the hub")
		o.backSince = time.Time{}
	}
}
