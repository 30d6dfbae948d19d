package planner

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"aiccbridge/exporter/internal/exportertest"
	"aiccbridge/internal/ccfs"
	"aiccbridge/schemas"
)

// order puts a backfill of the hours before a time into the ledger.
func (s *site) order(kinds []schemas.Kind, before time.Time, hours int) {
	s.t.Helper()
	for n := range hours {
		for _, k := range kinds {
			from := before.Add(-time.Duration(n+1) * time.Hour).UTC()
			e := schemas.WindowEntry{Tenant: exportertest.Acme, Kind: k, Window: schemas.Window{From: from, To: from.Add(time.Hour)}, Unplanned: true}
			done, err := s.ledger.Order(context.Background(), e, "order", time.Now())
			if err != nil || !done {
				s.t.Fatalf("order %s: %t, %v", e.Key(), done, err)
			}
		}
	}
}

// liveDay runs a tenant of three kinds for some hours, with a backfill of so many hours of each,
// and returns when live windows were asked for, and when those of the backfill were. An extract
// takes so long.
func liveDay(t *testing.T, hours int, takes time.Duration) (live, backfill []time.Time) {
	synctest.Test(t, func(t *testing.T) {
		s := newSite(t)
		s.platform.onAnswer = func(a asked) {
			go func() {
				time.Sleep(takes)
				s.deliver(a)
			}()
		}
		kinds := []schemas.Kind{schemas.KindCDR, schemas.KindRecording, schemas.KindOperation}
		var extracts []Extract
		for _, k := range kinds {
			extracts = append(extracts, Extract{Kind: k, Window: time.Hour, Settle: 15*time.Minute + 10*time.Second, SweepAgain: []time.Duration{2 * time.Hour}, Since: bubble})
		}
		s.open(Options{Budget: "b"}, extracts...)
		s.order(kinds, bubble, hours)
		pass(5*time.Hour + 30*time.Minute)
		for _, a := range s.platform.requests() {
			if a.window.From.Before(bubble) {
				backfill = append(backfill, a.at)
			} else {
				live = append(live, a.at)
			}
		}
		s.close()
		pass(2 * takes) // what was under way
	})
	return live, backfill
}

// TestBackfillsLane: while weeks are made up for, live windows and their re-sweeps are asked
// for at most one spacing later than without, and backfills take at most their share.
func TestBackfillsLane(t *testing.T) {
	t.Parallel()
	const spacing = 15 * time.Second
	for takes, most := range map[time.Duration]time.Duration{20 * time.Second: 2 * spacing, 4 * time.Minute: 4 * time.Minute} {
		without, _ := liveDay(t, 0, takes)
		with, made := liveDay(t, 7*24, takes)
		for n := range made[1:] {
			if apart := made[n+1].Sub(made[n]); apart < most {
				t.Errorf("an extract takes %s: two requests of a backfill %s apart", takes, apart)
			}
		}
		if len(made) < 50 || len(with) != len(without) || len(with) < 24 {
			t.Errorf("%d requests of a backfill; %d live ones, %d without it", len(made), len(with), len(without))
		}
		worst := time.Duration(0)
		for n := range min(len(with), len(without)) {
			worst = max(worst, with[n].Sub(without[n]))
		}
		if worst > spacing+time.Second { // a look over the ledger is a second
			t.Errorf("an extract takes %s: a live window was asked for %s later than without a backfill", takes, worst)
		}
		t.Attr("latest_"+takes.String(), worst.String())
	}
}

// TestBackfillsFailAlone: a platform that answers nothing usable for what is long past holds up
// no live window, and is asked less and less for the other.
func TestBackfillsFailAlone(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := newSite(t)
		s.serve()
		s.platform.answer = func(_ context.Context, _ int, _ schemas.Kind, w schemas.Window) error {
			if w.From.Before(bubble) {
				return &ccfs.Error{Operation: "queryBillData", Class: ccfs.Again, Code: "0100001", RetryAfter: 15 * time.Minute}
			}
			return nil
		}
		s.open(Options{}, since(bubble, hourly))
		s.order([]schemas.Kind{schemas.KindCDR}, bubble, 24)
		pass(6*time.Hour + time.Minute)
		old, live := 0, 0
		for _, a := range s.platform.requests() {
			if a.window.From.Before(bubble) {
				old++
				continue
			}
			live++
			if late := a.at.Sub(a.window.To.Add(hourly.Settle)); late > 16*time.Second {
				t.Errorf("%s was asked for %s late", a.window, late)
			}
		}
		if live < 5 || old < 20 || old > 26 {
			t.Errorf("%d live requests, %d others", live, old)
		}
		s.close()
	})
}

// TestBackfillsOfOneKey: tenants of one access key have one share of the extracts under way.
func TestBackfillsOfOneKey(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := newSite(t)
		s.open(Options{Budget: "b"}, since(bubble.Add(24*time.Hour), hourly)) // its platform calls nobody back
		s.order([]schemas.Kind{schemas.KindCDR}, bubble, 24)
		other := newTestPlanner(t, Options{
			Tenant: "other", Budget: "b", Ledger: s.ledger, Publisher: s.pub, Query: s.platform.query, Extracts: []Extract{since(bubble.Add(24*time.Hour), hourly)},
		})
		for n := range 24 {
			w := schemas.Window{From: bubble.Add(-time.Duration(n+1) * time.Hour).UTC(), To: bubble.Add(-time.Duration(n) * time.Hour).UTC()}
			_, err := s.ledger.Order(t.Context(), schemas.WindowEntry{Tenant: "other", Kind: schemas.KindCDR, Window: w, Unplanned: true}, "o2", time.Now())
			exportertest.Check(t, err)
		}
		stop := runPlanner(t, other)
		pass(10 * time.Minute) // nothing is overdue yet
		if n := len(s.platform.requests()); n != 1 {
			t.Errorf("%d extracts of backfills are under way, want a half of three", n)
		}
		stop()
		s.close()
	})
}

// TestBackfillsPaceOutlivesARestart: a planner that begins anew keeps the time between two
// requests of a backfill, and goes on with it.
func TestBackfillsPaceOutlivesARestart(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := newSite(t)
		s.serve()
		hourly := since(bubble.Add(24*time.Hour), hourly)
		s.open(Options{BackfillShare: 10}, hourly)
		s.order([]schemas.Kind{schemas.KindCDR}, bubble.Add(-time.Hour), 5)
		for range 5 { // a request each 150 s
			pass(100 * time.Second)
			s.close()
			s.open(Options{BackfillShare: 10}, hourly)
		}
		pass(10 * time.Minute)
		all := s.platform.requests()
		if len(all) != 5 {
			t.Fatalf("%d requests, want one for each window", len(all))
		}
		for n := range all[1:] {
			if apart := all[n+1].at.Sub(all[n].at); apart < 150*time.Second || apart > 200*time.Second {
				t.Errorf("request %d came %s after the one before", n+1, apart)
			}
		}
		for _, e := range s.entries(schemas.KindCDR) {
			if e.State != schemas.WindowCompleted || e.Backfilling() {
				t.Errorf("%s is %s", e.Window, e.State)
			}
		}
		if _, ok := coverage(exportertest.Acme, schemas.KindCDR, s.entries(schemas.KindCDR), time.Now()); ok {
			t.Error("coverage begins with a backfill")
		}
		s.close()
	})
}
