package backfill

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"

	"aiccbridge/exporter/internal/exportertest"
	"aiccbridge/exporter/ledger"
	"aiccbridge/exporter/planner"
	"aiccbridge/schemas"
)

var now = time.Date(2026, 11, 30, 12, 0, 0, 0, time.UTC)

// running is a ledger that runs until the test ends.
func running(t testing.TB) *ledger.Ledger {
	t.Helper()
	l, err := ledger.New(ledger.Options{Names: exportertest.Names(t), Bucket: exportertest.NewBucket(), Publisher: &exportertest.Publisher{}})
	exportertest.Check(t, err)
	t.Cleanup(exportertest.Start(t, l.Run))
	exportertest.Check(t, l.Await(t.Context()))
	return l
}

// hour is the hour that ended so many hours ago.
func hour(ago int) schemas.Window {
	return schemas.Window{From: now.Add(-time.Duration(ago+1) * time.Hour), To: now.Add(-time.Duration(ago) * time.Hour)}
}

func put(t testing.TB, l *ledger.Ledger, e schemas.WindowEntry) {
	t.Helper()
	e.Tenant, e.Kind = exportertest.Acme, schemas.KindCDR
	exportertest.Check(t, l.Plan(t.Context(), e))
}

func none(context.Context, []schemas.WindowEntry) ([]schemas.WindowEntry, error) { return nil, nil }

func scope(from, to time.Time) Scope {
	return Scope{Tenant: exportertest.Acme, Kind: schemas.KindCDR, From: from, To: to, Zone: time.UTC, Length: time.Hour, Settle: 15 * time.Minute}
}

// TestFind: of a day the windows are missing that are not in the ledger, that failed, and whose
// rows have gone; what comes by itself is not, nor what has not settled.
func TestFind(t *testing.T) {
	t.Parallel()
	l := running(t)
	put(t, l, schemas.WindowEntry{Window: hour(5), State: schemas.WindowCompleted, CompletedAt: now, Rows: 3})
	put(t, l, schemas.WindowEntry{Window: hour(4), State: schemas.WindowFailed, Reason: schemas.ReasonRefused})
	put(t, l, schemas.WindowEntry{Window: hour(3), State: schemas.WindowCompleted, CompletedAt: now})
	put(t, l, schemas.WindowEntry{Window: hour(2), State: schemas.WindowPlanned, DueAt: now})
	put(t, l, schemas.WindowEntry{Window: hour(8), State: schemas.WindowCompleted, CompletedAt: now, Unplanned: true}) // imported
	o := Options{Ledger: l, Lacking: func(_ context.Context, complete []schemas.WindowEntry) ([]schemas.WindowEntry, error) {
		if len(complete) != 3 {
			t.Errorf("asked about %d windows", len(complete))
		}
		return slices.DeleteFunc(complete, func(e schemas.WindowEntry) bool { return e.Window != hour(5) }), nil
	}}
	p, err := o.Find(t.Context(), scope(hour(8).From.Add(10*time.Minute), now), now)
	if err != nil {
		t.Fatal(err)
	}
	want := []Missing{
		{hour(7), WhyUnknown, "", true}, {hour(6), WhyUnknown, "", true}, // before the planner's own
		{hour(5), WhyRows, "", false}, {hour(4), WhyFailed, schemas.ReasonRefused, false}, {hour(1), WhyUnknown, "", false},
	}
	if !slices.Equal(p.Missing, want) || p.Complete != 2 || p.Coming != 1 {
		t.Errorf("%+v", p)
	}
	again := scope(hour(8).From, now)
	again.Again = true
	o.Lacking = none
	if p, err = o.Find(t.Context(), again, now); err != nil || len(p.Missing) != 7 || p.Missing[0].Why != WhyAgain {
		t.Errorf("again: %+v, %v", p, err)
	}
	if o.Lacking = func(context.Context, []schemas.WindowEntry) ([]schemas.WindowEntry, error) {
		return nil, exportertest.ErrBus
	}; true {
		if _, err := o.Find(t.Context(), scope(hour(8).From, now), now); !errors.Is(err, exportertest.ErrBus) {
			t.Errorf("rows can't be counted: %v", err)
		}
	}
}

// TestRun: what a plan lacks is ordered, a further plan has nothing left, and a cancelled order
// leaves the ledger as it was.
func TestRun(t *testing.T) {
	t.Parallel()
	l := running(t)
	put(t, l, schemas.WindowEntry{Window: hour(2), State: schemas.WindowCompleted, CompletedAt: now})
	o := Options{Ledger: l, Lacking: none}
	s := scope(now.Add(-24*time.Hour), now)
	before := l.Entries(exportertest.Acme, schemas.KindCDR)
	p, err := o.Find(t.Context(), s, now)
	if err != nil || len(p.Missing) != 22 { // not what ended just now
		t.Fatalf("%+v, %v", p, err)
	}
	ordered, err := Run(t.Context(), l, p, "o1", now, time.Minute)
	if err != nil || ordered != 22 {
		t.Fatal(ordered, err)
	}
	if left, err := o.Find(t.Context(), s, now); err != nil || len(left.Missing) != 0 || left.Coming != 22 {
		t.Errorf("a further plan: %+v, %v", left, err)
	}
	if again, err := Run(t.Context(), l, p, "o2", now, time.Minute); err != nil || again != 0 {
		t.Errorf("ordered twice: %d, %v", again, err)
	}
	if n, err := Cancel(t.Context(), l, exportertest.Acme, "o2", time.Minute); err != nil || n != 0 {
		t.Errorf("another order: %d, %v", n, err)
	}
	if n, err := Cancel(t.Context(), l, exportertest.Acme, "o1", time.Minute); err != nil || n != 22 {
		t.Errorf("withdrawn: %d, %v", n, err)
	}
	if after, err := o.Find(t.Context(), s, now); err != nil || !slices.Equal(after.Missing, p.Missing) || after.Coming != 0 || after.Complete != len(before) {
		t.Errorf("left: %+v, %v", after, err)
	}
}

// TestPlansTileTime: whatever windows the ledger has, they and the missing ones tile the span,
// whole windows at its ends, in a zone with clock changes.
func TestPlansTileTime(t *testing.T) {
	t.Parallel()
	zone, err := time.LoadLocation("Europe/Berlin")
	exportertest.Check(t, err)
	rapid.Check(t, func(r *rapid.T) {
		l := running(t)
		length := time.Duration(rapid.SampledFrom([]int{15, 20, 60, 90, 1440, 4320}).Draw(r, "minutes")) * time.Minute
		from := time.Date(2026, time.Month(rapid.IntRange(1, 12).Draw(r, "month")), rapid.IntRange(1, 28).Draw(r, "day"), 0, rapid.IntRange(0, 3000).Draw(r, "minute"), 0, 0, zone)
		to := from.Add(time.Duration(rapid.IntRange(1, 4000).Draw(r, "span")) * time.Minute)
		older := rapid.SampledFrom([]time.Duration{time.Hour, length}).Draw(r, "older")
		for w := range planner.Tiles(from.Add(-older), to.Add(older), older, zone) {
			if rapid.IntRange(0, 2).Draw(r, "there") == 0 {
				put(t, l, schemas.WindowEntry{Window: w, State: schemas.WindowCompleted, CompletedAt: now})
			}
		}
		s := scope(from, to)
		s.Zone, s.Length, s.Settle = zone, length, 0
		if rapid.Bool().Draw(r, "begins") {
			s.Begin = from.Add(time.Duration(rapid.IntRange(-1000, 5000).Draw(r, "begin")) * time.Minute)
		}
		p, err := Options{Ledger: l, Lacking: none}.Find(t.Context(), s, to.Add(100*24*time.Hour))
		if err != nil {
			r.Fatal(err)
		}
		var all []schemas.Window
		for _, m := range p.Missing {
			all = append(all, m.Window)
		}
		for _, e := range l.Entries(exportertest.Acme, schemas.KindCDR) {
			if e.Window.To.After(from) && e.Window.From.Before(to) {
				all = append(all, e.Window)
			}
		}
		slices.SortFunc(all, func(a, b schemas.Window) int { return a.From.Compare(b.From) })
		if err := tiled(all, from, to); err != nil {
			r.Fatal(err)
		}
	})
}

// tiled reports time of a span that no window or two have.
func tiled(all []schemas.Window, from, to time.Time) error {
	if len(all) == 0 || all[0].From.After(from) || all[len(all)-1].To.Before(to) {
		return fmt.Errorf("windows %v do not cover %s to %s", all, from, to)
	}
	for i := range all[1:] {
		if !all[i].To.Equal(all[i+1].From) {
			return fmt.Errorf("hole or overlap between %s and %s", all[i], all[i+1])
		}
	}
	return nil
}
