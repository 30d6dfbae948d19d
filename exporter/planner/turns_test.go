package planner

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"aiccbridge/exporter/internal/exportertest"
	"aiccbridge/schemas"
)

// TestEmptyWindowIsConfirmed: a window without rows is asked for once more, in
// case its records were not copied yet; one with rows is not, and an old one not
// either.
func TestEmptyWindowIsConfirmed(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := newSite(t)
		s.pub.After = func(m schemas.Message) error {
			if m.Type != schemas.TypeFileReady {
				return nil
			}
			var f schemas.FileReady
			exportertest.Unmarshal(t, m.Body, &f)
			rows := 1
			if f.Window == bubbleHour(0) || f.Window == bubbleHour(1) && len(s.platform.of(f.Window)) == 1 || f.Window.From.Before(bubble) {
				rows = 0
			}
			return s.ledger.Complete(context.Background(), f, rows, time.Now())
		}
		s.platform.onAnswer = func(a asked) { exportertest.Check(t, s.ledger.Accept(context.Background(), s.notice(a))) }
		s.open(Options{Tick: 10 * time.Second}, since(bubble.Add(-6*time.Hour), hourly))
		pass(2*time.Hour + 10*time.Minute)
		if c, _ := coverage(exportertest.Acme, schemas.KindCDR, s.entries(schemas.KindCDR), time.Now()); !c.CompleteTo.Equal(bubbleHour(0).To) {
			t.Errorf("complete up to %s before it is confirmed", c.CompleteTo)
		}
		pass(20 * time.Hour)
		for n, want := range map[int]int{-6: 1, -3: 1, 0: 2, 1: 2, 2: 1, 5: 1} {
			if seen := s.platform.of(bubbleHour(n)); len(seen) != want {
				t.Errorf("hour %d was asked for %d times, want %d", n, len(seen), want)
			}
		}
		seen := s.platform.of(bubbleHour(0))
		if wait := seen[1].at.Sub(seen[0].at); wait < time.Hour || wait > time.Hour+time.Minute {
			t.Errorf("asked for again after %s", wait)
		}
	})
}

// TestLiveWindowsPassABackfill: a week is to be made up for, a request a
// minute; the live windows are asked for in time all the same.
func TestLiveWindowsPassABackfill(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := newSite(t)
		s.serve()
		s.open(Options{Tick: 10 * time.Second, Spacing: time.Minute}, since(bubble.AddDate(0, 0, -7), hourly))
		pass(5 * time.Hour)
		for n := range 4 {
			seen := s.platform.of(bubbleHour(n))
			if len(seen) != 1 || seen[0].at.Sub(bubbleHour(n).To.Add(hourly.Settle)) > 3*time.Minute {
				t.Errorf("live window %d: %v", n, seen)
			}
		}
		oldest := s.platform.of(schemas.Window{From: bubble.AddDate(0, 0, -7), To: bubble.AddDate(0, 0, -7).Add(time.Hour)})
		if len(oldest) != 1 || oldest[0].at.Sub(bubble) > time.Minute {
			t.Errorf("the oldest window: %v", oldest)
		}
	})
}
