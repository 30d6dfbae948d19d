package reconcile

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/cenkalti/backoff/v4"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/rs/zerolog"

	"aiccbridge/exporter/tenure"
	"aiccbridge/internal/retry"
	"aiccbridge/internal/trouble"
	"aiccbridge/schemas"
	"aiccbridge/schemas/comparison"
)

// Ledger is what is known of the windows of extracts.
type Ledger interface {
	// Await waits until it has been read.
	Await(ctx context.Context) error
	// Each calls f for every entry of a tenant, in no order; f must not call back.
	Each(tenant string, f func(schemas.WindowEntry))
	// Changes counts the changes of entries.
	Changes() uint64
}

// Options configure the comparison of one tenant. Tenant, Zone, Names, Ledger, Events, Rows,
// Statements, Publish and Stored are required.
type Options struct {
	Tenant string
	Zone   *time.Location // of the tenant: what a day is
	Names  schemas.Names
	Ledger Ledger
	// Events calls f for the messages of the tenant's agents, in order, of those that were
	// stored at a time or later. An error of f ends it.
	Events func(ctx context.Context, since time.Time, f func(schemas.Stored) error) error
	// Rows calls f for every message of a subject of rows, in order.
	Rows func(ctx context.Context, subject string, f func(schemas.Stored) error) error
	// Statements calls f for what was said before on a subject, in order.
	Statements func(ctx context.Context, subject string, f func(schemas.Stored) error) error
	// Audio calls f for what became of recordings since a time. nil: audio is not fetched.
	Audio func(ctx context.Context, since time.Time, f func(schemas.Recording)) error
	// Publish stores a message; nil means stored. Stored reports whether one is, of those since
	// a time.
	Publish func(ctx context.Context, m schemas.Message) error
	Stored  func(ctx context.Context, m schemas.Message, since time.Time) (bool, error)
	// Acquire waits until this bridge alone is to compare. nil: there is no other.
	Acquire func(ctx context.Context) (tenure.Lease, error)
	// Settle is how long after its end the platform has the row of something, by kinds.
	Settle map[schemas.Kind]time.Duration
	// Tolerance is by how much times may differ. Default 2 s.
	Tolerance time.Duration
	// Tick is how often the ledger is looked over. Default 5 s.
	Tick       time.Duration
	Logger     zerolog.Logger        // with the tenant
	Registerer prometheus.Registerer // nil: not registered
}

// Reconciler compares the windows of one tenant.
type Reconciler struct {
	o       Options
	tenure  *tenure.Tenure
	held    trouble.Episode
	metrics metrics

	known   bool // what is below is what the streams say
	seen    uint64
	stated  map[source]stated
	full    time.Time // what was said before this is not in the stream any more, or not all
	days    map[string]comparison.Day
	touched map[string]bool // days that are to be said anew
	last    lastLook
}

// source names a window of rows.
type source struct {
	kind   schemas.Kind
	window schemas.Window
}

// lastLook is what was seen live of the window that was compared last: the next may be that
// of another kind.
type lastLook struct {
	window schemas.Window
	*live
}

// kinds are those that are compared.
var kinds = [...]schemas.Kind{schemas.KindCDR, schemas.KindRecording, schemas.KindOperation}

const (
	// horizon is how old windows may be that are compared.
	horizon = 7 * 24 * time.Hour
	// mostStatements is how many messages of a subject their stream keeps.
	mostStatements = 1000
)

// New checks the options and fills in defaults. It does no I/O.
func New(o Options) (*Reconciler, error) {
	if o.Tenant == "" || o.Zone == nil || o.Names == (schemas.Names{}) || o.Ledger == nil || o.Events == nil || o.Rows == nil || o.Statements == nil || o.Publish == nil || o.Stored == nil {
		return nil, errors.New("reconcile: tenant, zone, names, ledger, events, rows, statements, publish and stored are required")
	}
	if o.Tolerance < 0 || o.Tick < 0 {
		return nil, errors.New("reconcile: tolerance and tick must not be negative")
	}
	o.Tolerance, o.Tick = cmp.Or(o.Tolerance, 2*time.Second), cmp.Or(o.Tick, 5*time.Second)
	return &Reconciler{
		o: o, tenure: tenure.New(tenure.Options{Acquire: o.Acquire, Of: "reconciliation", Logger: o.Logger}),
		metrics: newMetrics(o.Tenant, o.Registerer),
	}, nil
}

// Run compares windows whenever it has the lease, until ctx ends. Failures of the bus are
// retried; it returns nil at the end. What is not done then, the next start does.
func (r *Reconciler) Run(ctx context.Context) error {
	if r.o.Ledger.Await(ctx) != nil {
		return nil
	}
	r.tenure.Run(ctx, ctx, func(held context.Context) {
		r.known = false // somebody else may have compared since
		for held.Err() == nil {
			r.insist(held)
			_ = retry.Wait(held, r.o.Tick) // the loop sees the end
		}
	})
	return nil
}

// insist does what is due, again and again until the bus lets it or ctx ends.
func (r *Reconciler) insist(ctx context.Context) {
	failed := func(err error, _ time.Duration) {
		r.known = false
		if _, changed := r.held.Failed(trouble.Gist(err.Error()), zerolog.WarnLevel); changed {
			r.o.Logger.Warn().Err(err).Msg("live events are not compared with files; trying again")
		}
	}
	again := backoff.WithContext(retry.NewBackOff(time.Second, 30*time.Second), ctx)
	if backoff.RetryNotify(func() error { return r.tick(ctx) }, again, failed) != nil {
		return // ctx has ended
	}
	if failures, _ := r.held.Over(); failures > 0 {
		r.o.Logger.Info().Int("failures", failures).Msg("live events are compared with files again")
	}
}

// tick compares every window that is due, and says the days that are others then.
func (r *Reconciler) tick(ctx context.Context) error {
	if !r.known {
		if err := r.load(ctx); err != nil {
			return err
		}
	}
	changes := r.o.Ledger.Changes()
	if changes == r.seen {
		return nil
	}
	l := r.survey()
	for _, s := range r.due(l, time.Now()) {
		if err := r.compare(ctx, l, s); err != nil {
			return fmt.Errorf("compare live events with %s %s: %w", s.kind, s.window, err)
		}
	}
	r.last = lastLook{}
	if err := r.stateDays(ctx); err != nil {
		return err
	}
	r.forget()
	r.seen = changes
	return nil
}

// forget drops what is said of windows that are not compared any more, and of their days but
// for the newest, which the metrics show.
func (r *Reconciler) forget() {
	oldest := time.Now().Add(-remembered)
	maps.DeleteFunc(r.stated, func(s source, _ stated) bool { return s.window.To.Before(oldest) })
	if len(r.days) == 0 {
		return
	}
	keep := min(oldest.In(r.o.Zone).Format(time.DateOnly), slices.Max(slices.Collect(maps.Keys(r.days))))
	maps.DeleteFunc(r.days, func(day string, _ comparison.Day) bool { return day < keep })
}

// due are the windows that are complete and whose statement was made of something else, the
// oldest first.
func (r *Reconciler) due(l landscape, now time.Time) (all []source) {
	for _, k := range kinds {
		for _, w := range l.windows[k] {
			s := source{k, w.Window}
			if !w.completed.IsZero() && now.Sub(w.To) < horizon && r.outdated(l, s) {
				all = append(all, s)
			}
		}
	}
	slices.SortStableFunc(all, func(a, b source) int { return a.window.From.Compare(b.window.From) })
	return all
}

func (r *Reconciler) outdated(l landscape, s source) bool {
	said, ok := r.stated[s]
	if !ok {
		return !r.forgotten(s.window.To) // else its revision would be one that was published
	}
	if said.Waiting+said.Unheard > 0 && l.after(s).After(said.At) { // what goes on behind the window is known better
		return true
	}
	return slices.ContainsFunc(said.Sources, func(x schemas.CallSource) bool {
		now := l.completed(x.Kind, x.Window)
		return !now.IsZero() && !now.Equal(x.CompletedAt)
	}) || slices.ContainsFunc(said.Pending, func(w schemas.Window) bool { return !l.completed(s.kind, w).IsZero() })
}

// compare compares one window, and says what came of it.
func (r *Reconciler) compare(ctx context.Context, l landscape, s source) error {
	f, err := r.read(ctx, s.kind, s.window)
	if err != nil {
		return err
	}
	c := &matcher{
		Reconciler: r, landscape: l, file: f, settled: f.asked.Add(-r.o.Settle[s.kind]),
		others: map[schemas.Window]shelf{}, taken: map[*gap]bool{},
		said: comparison.Statement{
			Tenant: r.o.Tenant, Kind: s.kind, Window: s.window, Revision: r.stated[s].Revision + 1,
			Sources: []schemas.CallSource{{Kind: s.kind, Window: s.window, CompletedAt: l.completed(s.kind, s.window)}},
		},
	}
	if c.live, err = r.lookAt(ctx, s.window, f.end(s.window).Add(lag)); err != nil {
		return err
	}
	if c.goesOn() {
		if c.live, err = r.lookAt(ctx, s.window, s.window.To.Add(reach)); err != nil {
			return err
		}
	}
	c.said.Agents = c.live.agents(s.window)
	switch s.kind {
	case schemas.KindCDR:
		err = c.calls(ctx)
	case schemas.KindRecording:
		err = c.recordings(ctx)
	default:
		err = c.states(ctx)
	}
	if err != nil {
		return err
	}
	return c.publish(ctx)
}

// lookAt is look, unless that was just done.
func (r *Reconciler) lookAt(ctx context.Context, w schemas.Window, until time.Time) (*live, error) {
	if r.last.live == nil || r.last.window != w || r.last.until.Before(until) {
		seen, err := r.look(ctx, w, until)
		if err != nil {
			return nil, err
		}
		r.last = lastLook{w, seen}
	}
	return r.last.live, nil
}
