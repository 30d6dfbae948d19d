package planner

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"sync/atomic"
	"time"

	"github.com/cenkalti/backoff/v4"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promauto"
	"github.com/rs/zerolog"

	"aiccbridge/exporter/ledger"
	"aiccbridge/exporter/tenure"
	"aiccbridge/internal/retry"
	"aiccbridge/internal/trace"
	"aiccbridge/internal/trouble"
	"aiccbridge/schemas"
)

// Query asks the platform to generate the file of one kind and window and
// returns the response id. Errors are *ccfs.Error.
type Query func(ctx context.Context, r schemas.WindowRequest) (responseID string, err error)

// Publisher stores a message; nil means stored.
type Publisher interface {
	Publish(ctx context.Context, m schemas.Message) error
}

// Options configure the planner of one tenant.
type Options struct {
	Tenant    string
	Zone      *time.Location
	Extracts  []Extract
	Names     schemas.Names
	Ledger    *ledger.Ledger
	Publisher Publisher // of coverage
	Query     Query
	// Acquire waits until this planner alone is to plan for the tenant, or ctx ends. nil:
	// there is no other.
	Acquire func(ctx context.Context) (tenure.Lease, error)
	// Budget names the access key whose requests and extracts under way are counted
	// together, whichever tenants they are of and wherever those are planned; all of them
	// should have one Spacing and one MaxOutstanding. "": the tenant's alone.
	Budget string
	// Idle reports that no file waits for a worker or is with one. nil: a file that has gone
	// is noticed only when its window is overdue.
	Idle func(ctx context.Context) (bool, error)
	// Lacking are those of complete windows that the stream has not all rows of, or no
	// marker. nil: nobody looks.
	Lacking func(ctx context.Context, complete []schemas.WindowEntry) ([]schemas.WindowEntry, error)
	// Damaged tells whether there is reason to look: without damage nobody does. nil: always.
	Damaged func() bool
	// BackfillShare is how many of a hundred requests may be a backfill's, and of a hundred
	// extracts under way. Default 50.
	BackfillShare int
	// Spacing is the least time between two requests. Default 15 s; the platform
	// answers 0300009 when there are too many.
	Spacing time.Duration
	// MaxOutstanding is how many extracts may be under way. Default 3.
	MaxOutstanding int
	// Overdue is how long a callback is waited for after a first attempt; twice and
	// four times as long after the next ones, for a platform that is slow. Default
	// 15 min; the platform repeats a callback every 10 minutes.
	Overdue time.Duration
	// Tick is how often the ledger is looked over, with at most one request each time.
	// Default 1 s, or Spacing when that is less, but not below 100 ms.
	Tick       time.Duration
	Tracer     *trace.Tracer         // nil: nothing is traced
	Logger     zerolog.Logger        // with the tenant
	Registerer prometheus.Registerer // nil: not registered
}

// Planner keeps one tenant's ledger filled with windows and asks for those that
// are due, one request at a time.
//
//	every Tick ─► settle stray notices ─► write new windows ─► put right what a wrong clock wrote
//	           ─► state coverage ─► end what is overdue
//	           ─► if Spacing is over and few extracts are out: one request
type Planner struct {
	o        Options
	extracts map[schemas.Kind]Extract
	next     map[schemas.Kind]time.Time // where the next window begins
	quiet    time.Time                  // no request before
	lane     time.Time                  // none of a backfill's before
	open     time.Time                  // since when the budget lets somebody ask; zero: it does not
	live     *manner                    // of requests for live windows
	behind   *manner                    // of those for backfills
	held     trouble.Episode            // of everything else
	tenure   *tenure.Tenure
	requests *prometheus.CounterVec
	stated   map[schemas.Kind]schemas.Coverage // what was said last
	seen     uint64                            // changes of the ledger that have been looked over
	started  time.Time

	nextOrphans time.Time                      // when it is looked for them again
	nextRecheck time.Time                      // of complete windows
	orphans     map[string]schemas.WindowEntry // windows ready at the last look, when workers were idle
	paces       atomic.Pointer[Pace]           // that is to be taken; nil: none
	settled     map[schemas.Kind]time.Duration // the longest Settle of a pace before
	patient     time.Duration                  // the longest Overdue of one
	extracted   atomic.Pointer[[]Extract]      // those of now, for who asks from outside
	newest      bool                           // whose turn it is among live windows: the newest that is due, else the one due for longest
}

// restartWait is how long after a start the callbacks of extracts from before it
// are waited for. They may have come while nobody listened, and the platform
// repeats them only every ten minutes.
const restartWait = 30 * time.Second

// lastStatement is how long a stop may wait for the last word on coverage.
const lastStatement = 2 * time.Second

// validate reports options that are missing or beyond their range.
func (o Options) validate() error {
	if o.Tenant == "" || o.Zone == nil || o.Names == (schemas.Names{}) || o.Ledger == nil || o.Publisher == nil || o.Query == nil {
		return errors.New("planner: tenant, zone, names, ledger, publisher and query are required")
	}
	if o.Tick < 0 {
		return errors.New("planner: the tick must not be negative")
	}
	return nil
}

// New checks the options and fills in defaults.
func New(o Options) (*Planner, error) {
	if err := o.validate(); err != nil {
		return nil, err
	}
	pace, err := Pace{o.Budget, o.Spacing, o.MaxOutstanding, o.Overdue, o.BackfillShare, slices.Clone(o.Extracts)}.withDefaults()
	if err != nil {
		return nil, err
	}
	o.Spacing, o.MaxOutstanding, o.Overdue, o.BackfillShare, o.Extracts = pace.Spacing, pace.MaxOutstanding, pace.Overdue, pace.BackfillShare, pace.Extracts
	o.Tick = cmp.Or(o.Tick, pace.tick())
	p := &Planner{
		o: o, extracts: map[schemas.Kind]Extract{}, next: map[schemas.Kind]time.Time{}, stated: map[schemas.Kind]schemas.Coverage{}, settled: map[schemas.Kind]time.Duration{},
		live: newManner(), behind: newManner(),
		tenure: tenure.New(tenure.Options{Acquire: o.Acquire, Of: "extracts", Logger: o.Logger}),
	}
	for _, x := range o.Extracts {
		if _, twice := p.extracts[x.Kind]; twice {
			return nil, fmt.Errorf("planner: %s is to be extracted twice", x.Kind)
		}
		p.extracts[x.Kind] = x
	}
	own := prometheus.WrapRegistererWith(prometheus.Labels{"tenant": o.Tenant}, o.Registerer)
	p.requests = promauto.With(own).NewCounterVec(prometheus.CounterOpts{
		Name: "aicc_extract_requests_total",
		Help: "Extracts asked for, by result: taken, or the class of the failure; auth and locked also while no request is sent because of them.",
	}, []string{"kind", "result"})
	p.publish()
	if o.Registerer != nil {
		own.MustRegister(newGauges(p))
	}
	return p, nil
}

// Run plans and requests whenever it has the lease, until intake ends. A request that is
// under way when that is lost is finished, under work; the next one is another bridge's. Failures of the bus are retried; Run returns nil at the end.
func (p *Planner) Run(intake, work context.Context) error {
	if err := p.o.Ledger.Await(intake); err != nil {
		return nil
	}
	p.tenure.Run(intake, work, func(held context.Context) {
		p.plan(held, work)
		if intake.Err() != nil {
			p.conclude(work)
		}
	})
	return nil
}

// Waiting is since when the lease is wanted and not held; zero: it is held, or not wanted.
func (p *Planner) Waiting() time.Time { return p.tenure.Waiting() }

// plan plans and requests until intake ends.
func (p *Planner) plan(intake, work context.Context) {
	p.adopt()
	p.begin(time.Now())
	for intake.Err() == nil {
		p.adopt()
		p.lookOver(intake, work)
		_ = retry.Wait(intake, p.o.Tick) // the loop sees the end
	}
}

// conclude says the last word on coverage.
func (p *Planner) conclude(work context.Context) {
	last, cancel := context.WithTimeout(work, lastStatement)
	defer cancel()
	if err := p.state(last, time.Now()); err != nil && work.Err() == nil {
		p.o.Logger.Warn().Err(err).Msg("last coverage not stated; the next start does it")
	}
}

// lookOver does what is due, again and again until the bus lets it or intake ends.
func (p *Planner) lookOver(intake, work context.Context) {
	b := backoff.WithContext(retry.NewBackOff(time.Second, 30*time.Second), intake)
	err := backoff.RetryNotify(func() error { return p.tick(work, time.Now()) }, b, func(err error, _ time.Duration) {
		if _, changed := p.held.Failed(trouble.Gist(err.Error()), zerolog.WarnLevel); changed {
			p.o.Logger.Warn().Err(err).Msg("planning is held up")
		}
	})
	if err != nil {
		return // intake has ended
	}
	if failures, _ := p.held.Over(); failures > 0 {
		p.o.Logger.Info().Int("failures", failures).Msg("planning goes on")
	}
}

// tick does everything that is due at now and makes at most one request.
func (p *Planner) tick(ctx context.Context, now time.Time) error {
	if err := p.o.Ledger.SettleNotices(ctx, p.o.Tenant, now); err != nil {
		return err
	}
	for _, x := range p.o.Extracts {
		if err := p.extend(ctx, x, now); err != nil {
			return err
		}
	}
	if err := p.rectify(ctx, now); err != nil {
		return err
	}
	if err := p.state(ctx, now); err != nil {
		return err
	}
	if err := p.recheck(ctx, now); err != nil {
		return err
	}
	if err := p.adoptOrphans(ctx, now); err != nil {
		return err
	}
	budget := p.o.Ledger.Budget(p.o.Budget)
	live, backfills, err := p.due(ctx, now)
	if err != nil || now.Before(p.quiet) {
		return err
	}
	e, ok := p.choose(live, backfills, now)
	if !ok {
		return nil
	}
	if mine, err := p.turn(ctx, budget, e, live.outstanding, backfills.outstanding, now); err != nil || !mine {
		return err
	}
	sent, err := p.request(ctx, e, budget, now)
	switch {
	case err != nil:
		return p.failed(ctx, e, err, time.Now())
	case sent:
		p.sent(e, time.Now())
	}
	return nil
}

// rectify puts right what a clock that was ahead left in the ledger; see [ledger.Ledger.Rectify].
func (p *Planner) rectify(ctx context.Context, now time.Time) error {
	var amiss []schemas.WindowEntry
	p.o.Ledger.Each(p.o.Tenant, func(e schemas.WindowEntry) {
		x, ours := p.extracts[e.Kind]
		if asked, fresh := p.latest(x, e); ours && p.o.Ledger.Amiss(e, now, asked, fresh) {
			amiss = append(amiss, e)
		}
	})
	for _, e := range amiss {
		asked, fresh := p.latest(p.extracts[e.Kind], e)
		if err := p.o.Ledger.Rectify(ctx, e, now, asked, fresh); err != nil {
			return err
		}
	}
	if len(amiss) > 0 {
		p.o.Logger.Warn().Int("windows", len(amiss)).Msg("the clock was ahead; times that it wrote into the ledger are put right")
	}
	return nil
}

// patience is how long the callback of the request after so many attempts is waited for.
func (p *Planner) patience(attempts int) time.Duration {
	return p.o.Overdue << doublings(attempts)
}

// doublings is how often the patience doubles after so many attempts.
func doublings(attempts int) int { return min(max(attempts, 0), 2) }

// extend writes down every window of x that has begun by now.
func (p *Planner) extend(ctx context.Context, x Extract, now time.Time) (err error) {
	at, known := p.next[x.Kind]
	if known {
		at, err = p.tile(ctx, x, at, now, time.Time{})
	} else {
		at, err = p.fill(ctx, x, now)
	}
	if err == nil {
		p.next[x.Kind] = at
	}
	return err
}

// fill writes down what the ledger lacks at the start: the windows since it was
// written last, and holes that an earlier setting left (a later since, say).
func (p *Planner) fill(ctx context.Context, x Extract, now time.Time) (at time.Time, err error) {
	entries := p.o.Ledger.Entries(p.o.Tenant, x.Kind)
	ours := planned(entries)
	at = x.Since.Truncate(time.Second)
	switch {
	case x.Since.IsZero() && len(ours) > 0:
		at = ours[0].Window.From
	case x.Since.IsZero():
		at = startOfDay(now, p.o.Zone)
	}
	for _, e := range entries {
		if _, err := p.tile(ctx, x, at, e.Window.From, e.Window.From); err != nil {
			return at, err
		}
		if e.Window.To.After(at) {
			at = e.Window.To
		}
	}
	return p.tile(ctx, x, at, now, time.Time{})
}

// tile writes the windows that begin in [at, until), the last one cut at cut
// (zero: not cut), and returns where the next one begins.
func (p *Planner) tile(ctx context.Context, x Extract, at, until, cut time.Time) (time.Time, error) {
	for at.Before(until) {
		w := nextWindow(at, x.Window, p.o.Zone)
		if !cut.IsZero() && cut.Before(w.To) {
			w.To = cut.UTC()
		}
		err := p.o.Ledger.Plan(ctx, schemas.WindowEntry{
			Tenant: p.o.Tenant, Kind: x.Kind, Window: w, State: schemas.WindowPlanned, DueAt: x.freshAt(w),
		})
		if err != nil {
			return at, err
		}
		at = w.To
	}
	return at, nil
}

// due ends what is overdue, and looks over both lanes.
func (p *Planner) due(ctx context.Context, now time.Time) (live, backfills lane, err error) {
	var late []schemas.WindowEntry
	live.newest = p.newest
	p.o.Ledger.Each(p.o.Tenant, func(e schemas.WindowEntry) {
		x, ours := p.extracts[e.Kind]
		of := &live
		if e.Backfilling() {
			of = &backfills
		}
		switch {
		case !ours || e.Unplanned && !e.Backfilling(): // its extraction was switched off; or nobody asked for it
		case e.State == schemas.WindowRequested || e.State == schemas.WindowReady:
			of.outstanding++
			if !p.deadline(e).After(now) {
				late = append(late, e)
			}
		default:
			if at := x.dueAt(e, now); !at.IsZero() && !at.After(now) {
				of.consider(e, at)
			}
		}
	})
	for _, e := range late {
		if err := p.overdue(ctx, e, now); err != nil {
			return live, backfills, err
		}
	}
	return live, backfills, nil
}

// deadline is when a requested or ready window is overdue.
func (p *Planner) deadline(e schemas.WindowEntry) time.Time {
	early := p.started.Add(restartWait)
	if e.State == schemas.WindowRequested && e.RequestedAt.Before(p.started) && early.Before(e.DueAt) {
		return early
	}
	return e.DueAt
}

// overdue goes on with a window whose callback or file did not come: a file
// whose response id is known is fetched by its predicted name, anything else is
// asked for again.
func (p *Planner) overdue(ctx context.Context, e schemas.WindowEntry, now time.Time) error {
	cause := errors.New("no callback came in time")
	if e.State == schemas.WindowReady {
		cause = errors.New("its file was not completed in time")
	}
	line := p.o.Logger.Warn()
	if e.State == schemas.WindowRequested && p.o.Ledger.Standing(p.o.Tenant, now).Silent() { // an alarm says it
		line = p.o.Logger.Debug()
	}
	line.Str("kind", string(e.Kind)).Stringer("window", e.Window).
		Int("attempt", e.Attempts).Err(cause).Msg("window is overdue")
	ctx, span := p.o.Tracer.Resume(ctx, e.Trace, "window overdue", now, trace.Of(e.Tenant, e.Kind, e.Window)...)
	defer span.End(string(schemas.ReasonOverdue))
	if e.State == schemas.WindowRequested && e.ResponseID != "" {
		return p.o.Ledger.Predict(ctx, e, p.o.Zone, now)
	}
	return p.o.Ledger.GiveUp(ctx, e.Key(), e.ResponseID, &schemas.Permanent{Reason: schemas.ReasonOverdue, Err: cause}, now)
}
