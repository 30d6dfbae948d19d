package planner

import (
	"context"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"aiccbridge/exporter/internal/exportertest"
	"aiccbridge/exporter/ledger"
	"aiccbridge/schemas"
)

func TestFirstStartAndNextDay(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newSite(t)
		s.zone = exportertest.Location(t, "Asia/Shanghai") // 08:00 there
		s.serve()
		pass(16*time.Hour + 5*time.Minute) // 00:05 of the next day
		midnight := bubble.Add(16 * time.Hour)
		s.open(Options{}, hourly)
		pass(time.Minute)
		s.close()
		pass(27 * time.Hour)
		s.open(Options{}, hourly)
		pass(time.Hour)
		if err := tiled(s.entries(schemas.KindCDR), midnight, time.Now()); err != nil {
			t.Error(err)
		}
		if n := len(s.platform.requests()); n != 27 {
			t.Errorf("%d windows were asked for, want 27", n)
		}
	})
}

// TestNewSweepLeavesHistoryAlone: a re-sweep that is set later is made up for
// the last week only.
func TestNewSweepLeavesHistoryAlone(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newSite(t)
		s.serve()
		o := Options{Tick: 5 * time.Minute}
		daily := Extract{Kind: schemas.KindCDR, Window: 24 * time.Hour, Since: bubble}
		s.open(o, daily)
		pass(20*24*time.Hour + time.Hour)
		s.close()
		before := len(s.platform.requests())
		daily.SweepAgain = []time.Duration{30 * time.Hour}
		s.open(o, daily)
		pass(3 * time.Hour)
		again := s.platform.requests()[before:]
		if len(again) != 7 {
			t.Fatalf("%d windows were asked for again, want the last week's 7", len(again))
		}
		// The newest and the oldest take turns.
		slices.SortFunc(again, func(a, b asked) int { return a.window.From.Compare(b.window.From) })
		for i, a := range again {
			if want := bubble.AddDate(0, 0, 11+i); !a.window.From.Equal(want) {
				t.Errorf("re-sweep %d is of %s, want the window from %s", i, a.window, want)
			}
		}
	})
}

// TestSettingsChange: a window length changed and a since moved earlier leave no
// hole and no overlap, and ask for nothing twice.
func TestSettingsChange(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		pass(26*time.Hour + 20*time.Minute)
		s := newSite(t)
		s.serve()
		s.open(Options{}, since(bubble.Add(10*time.Hour+13*time.Minute), hourly))
		pass(2 * time.Hour)
		s.close()
		x := Extract{Kind: schemas.KindCDR, Window: 7 * time.Hour, Settle: time.Minute, Since: bubble.Add(-50 * time.Hour)}
		s.open(Options{Tick: 10 * time.Second}, x)
		pass(24 * time.Hour)
		if err := tiled(s.entries(schemas.KindCDR), x.Since, time.Now()); err != nil {
			t.Error(err)
		}
		seen := map[schemas.Window]int{}
		for _, a := range s.platform.requests() {
			seen[a.window]++
			if seen[a.window] > 1 {
				t.Errorf("window %s was asked for again", a.window)
			}
		}
	})
}

// TestFillGoesOnAfterAnError: a bus that fails while the hole before the first
// window is being filled leaves no overlap behind.
func TestFillGoesOnAfterAnError(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		pass(26 * time.Hour)
		s := newSite(t)
		s.open(Options{}, since(bubble.Add(10*time.Hour), hourly))
		pass(time.Minute)
		s.close()
		swaps := 0
		s.bucket.Intercept(func(op, _ string) error {
			if op == "swap" {
				if swaps++; swaps == 2 {
					return exportertest.ErrBus
				}
			}
			return nil
		})
		s.open(Options{}, Extract{Kind: schemas.KindCDR, Window: 4 * time.Hour, Since: bubble.Add(-13 * time.Hour)})
		pass(time.Hour)
		if err := tiled(s.entries(schemas.KindCDR), bubble.Add(-13*time.Hour), time.Now()); err != nil || swaps < 3 {
			t.Errorf("after %d writes: %v", swaps, err)
		}
	})
}

// TestCrashDuringRequest: the process dies while its request is under way. The
// attempt must be on record by then, and the window be asked for again.
func TestCrashDuringRequest(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newSite(t)
		pass(80 * time.Minute)
		l, stop := startLedger(t, ledger.Options{Bucket: s.bucket, Publisher: s.pub})
		s.ledger = l
		s.platform.answer = func(ctx context.Context, n int, _ schemas.Kind, _ schemas.Window) error {
			if n == 0 {
				<-ctx.Done()
				return ctx.Err()
			}
			return nil
		}
		stopPlanner := startPlanner(t, Options{Ledger: l, Query: s.platform.query, Extracts: []Extract{hourly}})
		pass(time.Minute)
		s.bucket.Intercept(func(string, string) error { return exportertest.ErrBus }) // nothing is written any more
		e := s.entries(schemas.KindCDR)[0]
		stopPlanner()
		stop()
		s.bucket.Intercept(nil)
		if e.State != schemas.WindowRequested || e.Attempts != 1 {
			t.Errorf("the attempt is forgotten: the entry is %+v", e)
		}
		s.serve()
		s.open(Options{}, hourly)
		pass(restartWait - 2*time.Second)
		if n := len(s.platform.of(bubbleHour(0))); n != 1 {
			t.Errorf("%d requests before the lost one is overdue", n)
		}
		pass(5 * time.Minute)
		if e := s.entries(schemas.KindCDR)[0]; e.State != schemas.WindowCompleted {
			t.Errorf("the window is %s", e.State)
		}
	})
}

// TestShutdownLetsTheRequestEnd: intake ends while a request is under way.
func TestShutdownLetsTheRequestEnd(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newSite(t)
		s.platform.takes = 20 * time.Second
		pass(80 * time.Minute)
		l, _ := startLedger(t, ledger.Options{Bucket: s.bucket, Publisher: s.pub})
		p := newTestPlanner(t, Options{Ledger: l, Query: s.platform.query, Extracts: []Extract{hourly}})
		intake, cancel := context.WithCancel(t.Context())
		exportertest.Start(t, func(ctx context.Context) error { return p.Run(intake, ctx) })
		pass(10 * time.Second)
		cancel()
		pass(20 * time.Second)
		if e := l.Entries(exportertest.Acme, schemas.KindCDR)[0]; e.ResponseID != exportertest.ResponseID(1) {
			t.Errorf("the answer was not noted: %+v", e)
		}
	})
}

// TestCallbackMissedDuringRestart: a callback that came while the bridge was down
// is not waited for until the platform repeats it; the file is fetched soon.
func TestCallbackMissedDuringRestart(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newSite(t)
		pass(90 * time.Minute)
		hourly := Extract{Kind: schemas.KindCDR, Window: time.Hour, Since: bubble}
		s.open(Options{}, hourly)
		pass(10 * time.Second)
		if n := len(s.platform.of(bubbleHour(0))); n != 1 {
			t.Fatalf("%d requests, want 1", n)
		}
		s.close()
		pass(20 * time.Second) // the callback finds nobody
		s.open(Options{}, hourly)
		pass(restartWait - time.Second)
		if n := len(s.pub.Of(schemas.TypeFileReady)); n != 0 {
			t.Errorf("%d files handed over before the callback could come again", n)
		}
		pass(3 * time.Second)
		if n := len(s.pub.Of(schemas.TypeFileReady)); n != 1 {
			t.Errorf("%d files handed over soon after the restart, want 1", n)
		}
		s.close()
	})
}
