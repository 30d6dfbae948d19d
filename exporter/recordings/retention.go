package recordings

import (
	"context"
	"errors"
	"regexp"
	"slices"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promauto"
	"github.com/rs/zerolog"

	"aiccbridge/internal/trouble"
	"aiccbridge/schemas"
)

// every is how often it is looked at what is kept, and what is too old or too much goes.
const every = 10 * time.Minute

// Run deletes what is too old, and the oldest of what is too much, whether audio is fetched
// or not, and lets other bridges know of which tenants it is. It works until ctx ends, over all
// failures, and returns nil. Any bridge may do it, and several at once.
func (r *Recorder) Run(ctx context.Context) error {
	held := map[string]*trouble.Episode{}
	for name, t := range r.o.Tenants {
		if t != nil {
			held[name] = &trouble.Episode{}
		}
	}
	ticker := time.NewTicker(every)
	defer ticker.Stop()
	for ctx.Err() == nil {
		for name, episode := range held {
			err := errors.Join(r.claim(ctx, name), r.tidy(ctx, name, time.Now()))
			if err == nil || ctx.Err() != nil {
				episode.Over()
			} else if _, changed := episode.Failed(trouble.Gist(err.Error()), zerolog.WarnLevel); changed {
				r.o.Logger.Warn().Err(err).Str("tenant", name).Msg("what is too old or too much of the recordings stays, or no other bridge hears that audio is fetched; it is tried again")
			}
		}
		select {
		case <-ctx.Done():
		case <-ticker.C:
		}
	}
	return nil
}

// claim says that a tenant's audio is fetched here.
func (r *Recorder) claim(ctx context.Context, tenant string) error {
	if r.o.Tenants[tenant].Off {
		return nil
	}
	return r.o.Budget.FetchAudio(ctx, tenant)
}

// longestPut is longer than putting an object may take.
const longestPut = time.Hour

// made are the names that [Row.Name] makes. What others keep in the same bucket or folder is
// not for us to delete.
var made = regexp.MustCompile(`^[^/]+/[^/]+/[0-9]+/[0-9a-f]{32}\.wav$`)

// tidy deletes what a tenant is not to keep, and counts what is left.
func (r *Recorder) tidy(ctx context.Context, tenant string, now time.Time) error {
	t := r.o.Tenants[tenant]
	if err := t.Place.Sweep(ctx, now.Add(-longestPut)); err != nil {
		return err
	}
	var all []schemas.Object
	err := t.Place.Each(ctx, Prefix(tenant), func(o schemas.Object) error {
		o.Meta = nil
		if made.MatchString(o.Name) {
			all = append(all, o)
		}
		return nil
	})
	if err != nil {
		return err
	}
	gone := t.toDelete(all, now)
	for _, g := range gone {
		if err := t.Place.Delete(ctx, g.name); err != nil {
			return err
		}
		r.metrics.deleted.WithLabelValues(g.cause).Inc()
	}
	var bytes int64
	for _, o := range all {
		bytes += o.Bytes
	}
	for _, g := range gone {
		bytes -= g.bytes
	}
	r.metrics.kept.WithLabelValues(tenant).Set(float64(len(all) - len(gone)))
	r.metrics.keptBytes.WithLabelValues(tenant).Set(float64(bytes))
	if len(gone) > 0 {
		r.o.Logger.Info().Str("tenant", tenant).Int("recordings", len(gone)).Msg("recordings deleted: too old, or too much")
	}
	return nil
}

// deletion is an object that goes, and why.
type deletion struct {
	name, cause string
	bytes       int64
}

// toDelete sorts the objects, the oldest first, and says which go.
func (t *Tenant) toDelete(all []schemas.Object, now time.Time) (gone []deletion) {
	slices.SortFunc(all, func(a, b schemas.Object) int { return a.StoredAt.Compare(b.StoredAt) })
	var bytes int64
	for _, o := range all {
		bytes += o.Bytes
	}
	for _, o := range all {
		cause := ""
		switch {
		case t.Keep > 0 && now.Sub(o.StoredAt) > t.Keep:
			cause = "age"
		case t.KeepBytes > 0 && bytes > t.KeepBytes:
			cause = "bytes"
		default:
			return gone
		}
		bytes -= o.Bytes
		gone = append(gone, deletion{o.Name, cause, o.Bytes})
	}
	return gone
}

type metrics struct {
	recordings, requests, deleted *prometheus.CounterVec
	bytes                         prometheus.Counter
	kept, keptBytes               *prometheus.GaugeVec
}

func newMetrics(r prometheus.Registerer) metrics {
	f := promauto.With(r)
	counter := func(name, help, label string) *prometheus.CounterVec {
		return f.NewCounterVec(prometheus.CounterOpts{Namespace: "aicc", Subsystem: "recordings", Name: name, Help: help}, []string{label})
	}
	gauge := func(name, help string) *prometheus.GaugeVec {
		return f.NewGaugeVec(prometheus.GaugeOpts{Namespace: "aicc", Subsystem: "recordings", Name: name, Help: help}, []string{"tenant"})
	}
	return metrics{
		recordings: counter("settled_total", "Recordings of which it was said what became of them: stored, known (kept before), or why they are missing.", "result"),
		requests:   counter("requests_total", "Requests for audio, by interface.", "source"),
		deleted:    counter("deleted_total", "Recordings deleted, by cause: age or bytes.", "cause"),
		bytes: f.NewCounter(prometheus.CounterOpts{
			Namespace: "aicc", Subsystem: "recordings", Name: "kept_bytes_total", Help: "Bytes of audio put away.",
		}),
		kept:      gauge("kept", "Recordings that are kept, as last looked at."),
		keptBytes: gauge("kept_bytes", "Bytes of recordings that are kept, as last looked at."),
	}
}
