package backfill

import (
	"context"
	"slices"
	"time"

	"aiccbridge/exporter/ledger"
	"aiccbridge/exporter/planner"
	"aiccbridge/schemas"
)

// Why is why a window is missing.
type Why string

// Why a window may be missing.
const (
	WhyUnknown Why = "not_in_ledger" // nobody has asked for it
	WhyFailed  Why = "failed"        // its extracts failed, and it is not asked for any more; see the reason
	WhyRows    Why = "rows_missing"  // it is complete, and the stream lacks rows of it or its marker
	WhyAgain   Why = "again"         // it is complete, and wanted once more
)

// Missing is a window that is to be ordered.
type Missing struct {
	Window    schemas.Window `json:"window"`
	Why       Why            `json:"why"`
	Reason    schemas.Reason `json:"reason,omitempty"` // of a failed one
	unplanned bool
}

// Plan is what a span of one kind lacks.
type Plan struct {
	Tenant   string       `json:"tenant"`
	Kind     schemas.Kind `json:"kind"`
	Missing  []Missing    `json:"missing"`  // in the order of time
	Complete int          `json:"complete"` // windows with all their rows
	Coming   int          `json:"coming"`   // windows that are asked for by themselves, or whose extract is under way
}

// Scope is a span of one kind of one tenant.
type Scope struct {
	Tenant string
	Kind   schemas.Kind
	// From and To are rounded outwards to whole windows; those whose time has not come by now
	// are left out.
	From, To time.Time
	Zone     *time.Location
	Length   time.Duration // of a window, where the ledger has none
	Settle   time.Duration // after a window's end, before which it is not asked for
	// Begin is where extraction is set to begin, if it is: one window ends there and another
	// begins, and the planner's own begin there at the latest.
	Begin time.Time
	Again bool // complete windows are missing, too
}

// Options are where windows and rows are.
type Options struct {
	Ledger *ledger.Ledger
	// Lacking are those of complete windows that the stream has not all rows of, or no
	// marker; as planner.Options has it.
	Lacking func(ctx context.Context, complete []schemas.WindowEntry) ([]schemas.WindowEntry, error)
}

// Find returns what a scope lacks as of now.
func (o Options) Find(ctx context.Context, s Scope, now time.Time) (Plan, error) {
	p := Plan{Tenant: s.Tenant, Kind: s.Kind, Missing: []Missing{}}
	if s.To.After(now) {
		s.To = now
	}
	wanted := schemas.Window{From: s.From, To: s.To}
	s.round()
	entries := o.Ledger.Entries(s.Tenant, s.Kind)
	begin := beginning(entries, s, now)
	var complete []schemas.WindowEntry
	at := s.From
	for _, e := range entries {
		if !e.Window.To.After(s.From) || !e.Window.From.Before(s.To) {
			continue
		}
		p.Missing = append(p.Missing, s.unknown(at, e.Window.From, begin, now)...)
		if e.Window.To.After(at) {
			at = e.Window.To
		}
		switch {
		case e.Coming():
			p.Coming++
		case e.State == schemas.WindowFailed:
			p.Missing = append(p.Missing, Missing{e.Window, WhyFailed, e.Reason, e.Unplanned})
		case s.Again:
			p.Missing = append(p.Missing, Missing{e.Window, WhyAgain, "", e.Unplanned})
		default:
			complete = append(complete, e)
		}
	}
	p.Missing = append(p.Missing, s.unknown(at, s.To, begin, now)...)
	lacking, err := o.lacking(ctx, complete)
	if err != nil {
		return p, err
	}
	for _, e := range lacking {
		p.Missing = append(p.Missing, Missing{e.Window, WhyRows, "", e.Unplanned})
	}
	p.Complete = len(complete) - len(lacking)
	p.Missing = slices.DeleteFunc(p.Missing, func(m Missing) bool { // what only rounding took in
		return !m.Window.To.After(wanted.From) || !m.Window.From.Before(wanted.To)
	})
	slices.SortFunc(p.Missing, func(a, b Missing) int { return a.Window.From.Compare(b.Window.From) })
	return p, nil
}

// lacking asks about windows if there are any.
func (o Options) lacking(ctx context.Context, complete []schemas.WindowEntry) ([]schemas.WindowEntry, error) {
	if len(complete) == 0 {
		return nil, nil
	}
	return o.Lacking(ctx, complete)
}

// beginning is where the planner's own windows begin, or will when it starts anew.
func beginning(entries []schemas.WindowEntry, s Scope, now time.Time) time.Time {
	begin := now
	if own := slices.IndexFunc(entries, func(e schemas.WindowEntry) bool { return !e.Unplanned }); own >= 0 {
		begin = entries[own].Window.From
	}
	if !s.Begin.IsZero() && s.Begin.Before(begin) {
		begin = s.Begin
	}
	return begin
}

// round widens the span to whole windows.
func (s *Scope) round() {
	first, last := time.Time{}, s.To
	for w := range planner.Tiles(s.From, s.To, s.Length, s.Zone) {
		if first.IsZero() {
			first = w.From
		}
		last = w.To
	}
	if !first.IsZero() {
		s.From, s.To = first, last
	}
}

// unknown are the windows between two instants of which the ledger has none, cut as the
// planner cuts them: none reaches into a window that it has.
func (s Scope) unknown(from, to, begin, now time.Time) (all []Missing) {
	if from.Before(s.Begin) && s.Begin.Before(to) { // the planner's first window begins there
		return append(s.unknown(from, s.Begin, begin, now), s.unknown(s.Begin, to, begin, now)...)
	}
	for w := range planner.Tiles(from, to, s.Length, s.Zone) {
		if w.From.Before(from) {
			w.From = from.UTC() // behind a window that is there
		}
		if w.To.After(to) {
			w.To = to.UTC() // before a window that is there
		}
		if w.To.Add(s.Settle).After(now) {
			break
		}
		all = append(all, Missing{Window: w, Why: WhyUnknown, unplanned: w.From.Before(begin)})
	}
	return all
}
