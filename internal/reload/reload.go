package reload

import (
	"bytes"
	"context"
	"errors"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promauto"
	"github.com/rs/zerolog"

	"aiccbridge/config"
)

const (
	// lookEvery is how often the files are looked at.
	lookEvery = 400 * time.Millisecond
	// lookShare is which part of the time looks may take: of thousands of files on a slow disk
	// they become rarer.
	lookShare = 50
	// mostFindings is how many are logged, one a line.
	mostFindings = 20
)

// Options configure a [Reloader]. Hangups, Logger and Registerer may be left out.
type Options struct {
	// First is what the bridge runs with.
	First Reading
	// Apply has the bridge go on with another configuration, in which nothing but keys that can
	// be changed live is another thing. An error means that nothing has changed.
	Apply func(old, new *config.Config) error
	// Begin is told that somebody has asked for a reload, and its result that this is done. nil:
	// nobody wants to know.
	Begin func() (done func())
	// Hangups ask for a reload. nil: nobody does.
	Hangups    <-chan struct{}
	Logger     zerolog.Logger        // the zero value discards
	Registerer prometheus.Registerer // nil: the metrics are counted and not shown
}

// Reloader keeps a bridge's configuration up to date. Safe for concurrent use.
type Reloader struct {
	o       Options
	current atomic.Pointer[config.Config]
	count   *prometheus.CounterVec
	refused prometheus.Gauge

	mu      sync.Mutex // one reload at a time
	reading Reading    // that current is of
	behind  bool       // another YAML than that was read, and refused
	watch   watch
}

// New does no I/O.
func New(o Options) *Reloader {
	auto := promauto.With(o.Registerer)
	r := &Reloader{
		o: o, reading: o.First, watch: watch{taken: o.First.files},
		count: auto.NewCounterVec(prometheus.CounterOpts{
			Namespace: "aicc", Subsystem: "config", Name: "reloads_total",
			Help: "How often the configuration was read again, by what came of it: changed, unchanged or refused.",
		}, []string{"result"}),
		refused: auto.NewGauge(prometheus.GaugeOpts{
			Namespace: "aicc", Subsystem: "config", Name: "refused",
			Help: "1 while the configuration that was read last was refused, and an older one goes on.",
		}),
	}
	r.current.Store(o.First.Config)
	return r
}

// Config is what the bridge runs with now.
func (r *Reloader) Config() *config.Config { return r.current.Load() }

// Run reloads at hang-ups, and when a file that the configuration names has changed, until ctx
// ends.
func (r *Reloader) Run(ctx context.Context) error {
	next := time.NewTimer(lookEvery)
	defer next.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-r.o.Hangups:
			_, _ = r.Reload() // has logged it
		case <-next.C:
			begun := time.Now()
			r.look()
			next.Reset(max(lookEvery, lookShare*time.Since(begun)))
		}
	}
}

// look reloads when files have changed and are not being written. The YAML is taken as it was
// read last.
func (r *Reloader) look() {
	r.mu.Lock()
	defer r.mu.Unlock()
	if !r.watch.look() {
		return
	}
	reading, err := r.reading.Again()
	before := r.watch
	r.watch.taken = union(reading.files, r.watch.taken)
	if !r.watch.untouched() {
		r.watch = before // somebody wrote while we read; the next look finds it
		return
	}
	_, err = r.take(reading, err, zerolog.DebugLevel)
	r.shows(err)
}

// union are the files of a reading, and those that one that failed did not come to.
func union(read, before map[string]stamp) map[string]stamp {
	all := make(map[string]stamp, len(before))
	for path := range before {
		all[path] = stampOf(path)
	}
	for path, then := range read {
		all[path] = then
	}
	return all
}

// Reload reads everything again and returns what was changed, when it has been. The error is a
// *[Refusal], or that of Apply; then nothing was.
func (r *Reloader) Reload() ([]Change, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.o.Begin != nil {
		defer r.o.Begin()()
	}
	reading, err := steadily(r.reading.Anew)
	changes, err := r.take(reading, err, zerolog.InfoLevel)
	// Of a refused reading nothing counts as seen: files that have changed are taken with the
	// next look, and the YAML that goes on.
	r.behind = err != nil && (r.behind || !bytes.Equal(reading.text, r.reading.text))
	r.shows(err)
	return changes, err
}

// How often, and how long apart, files are read that change while they are.
const (
	steadyTries = 5
	steadyPause = 200 * time.Millisecond
)

// steadily reads everything, once more when a file was written meanwhile.
func steadily(read func() (Reading, error)) (reading Reading, err error) {
	for range steadyTries {
		reading, err = read()
		if w := (watch{taken: reading.files}); w.untouched() {
			return reading, err
		}
		time.Sleep(steadyPause)
	}
	return reading, errors.New("nothing was changed: a file is being written; write it elsewhere and rename it, or wait until it is whole")
}

// shows has the metric say whether an older configuration than the last one read goes on.
func (r *Reloader) shows(err error) {
	if err != nil || r.behind {
		r.refused.Set(1)
		return
	}
	r.refused.Set(0)
}

// take goes on with what was read, or says why not. level is that of the word that nothing has
// changed.
func (r *Reloader) take(reading Reading, err error, level zerolog.Level) ([]Change, error) {
	if err != nil {
		return nil, r.refuse(refuse(err, r.o.First.path))
	}
	changes := Compare(r.Config(), reading.Config)
	var keys []string
	for _, c := range changes {
		if !c.Live {
			keys = append(keys, c.Key)
		}
	}
	if len(keys) > 0 {
		return nil, r.refuse(&Refusal{Keys: keys})
	}
	if len(changes) > 0 {
		if err := r.o.Apply(r.Config(), reading.Config); err != nil {
			return nil, r.refuse(err)
		}
	}
	r.reading, r.watch = reading, watch{taken: reading.files}
	r.current.Store(reading.Config)
	r.say(changes, level)
	return changes, nil
}

func (r *Reloader) say(changes []Change, level zerolog.Level) {
	if len(changes) == 0 {
		r.count.WithLabelValues("unchanged").Inc()
		r.o.Logger.WithLevel(level).Msg("configuration was read again; nothing has changed")
		return
	}
	r.count.WithLabelValues("changed").Inc()
	for _, c := range changes {
		line := r.o.Logger.Info().Str("key", c.Key)
		if c.From != c.To {
			line = line.Str("from", c.From).Str("to", c.To)
		}
		if c.Detail != "" {
			line = line.Str("detail", c.Detail)
		}
		line.Msg("configuration has changed while the bridge runs")
	}
}

// refuse logs why nothing was changed, and returns it.
func (r *Reloader) refuse(err error) error {
	r.count.WithLabelValues("refused").Inc()
	var refusal *Refusal
	switch {
	case !errors.As(err, &refusal):
		r.o.Logger.Error().Err(err).Msg("configuration was read again and not taken; the old one goes on")
	case len(refusal.Keys) > 0:
		r.o.Logger.Error().Strs("keys", slices.Clone(refusal.Keys)).
			Msg("configuration was read again and not taken: these keys can be changed by a restart only; the old one goes on")
	default:
		for _, f := range refusal.Findings[:min(len(refusal.Findings), mostFindings)] {
			r.o.Logger.Error().Str("finding", f.String()).Msg("new configuration is wrong")
		}
		r.o.Logger.Error().Int("findings", len(refusal.Findings)).
			Msg("configuration was read again and not taken; the old one goes on; look at it with bridge check")
	}
	return err
}
