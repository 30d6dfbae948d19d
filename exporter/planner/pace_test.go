package planner

import (
	"context"
	"maps"
	"testing"
	"testing/synctest"
	"time"

	"aiccbridge/exporter/internal/exportertest"
	"aiccbridge/internal/ccfs"
	"aiccbridge/schemas"
)

// TestPaceChanges: spacing, settle and how many extracts may be under way count from the next
// look on, and another budget ends the pause that the old key's refusal began.
func TestPaceChanges(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := newSite(t)
		x := since(bubble.AddDate(0, 0, -3), hourly)
		s.open(Options{Budget: "one", Spacing: time.Hour, MaxOutstanding: 1, Overdue: 24 * time.Hour}, x)
		pass(3 * time.Hour)
		if n := len(s.platform.requests()); n != 1 {
			t.Fatalf("%d requests, want 1: it is under way", n)
		}
		s.change(Pace{Budget: "one", Spacing: time.Minute, MaxOutstanding: 5, Overdue: 24 * time.Hour, Extracts: []Extract{x}})
		pass(10 * time.Minute)
		if n := len(s.platform.requests()); n != 5 {
			t.Errorf("%d requests, want 5: so many may be under way", n)
		}
		if _, err := s.planner.ChangePace(Pace{Spacing: -1}); err == nil {
			t.Error("a pace that cannot be is taken")
		}
	})
	synctest.Test(t, func(t *testing.T) {
		s := newSite(t)
		refuse := true
		s.platform.answer = func(context.Context, int, schemas.Kind, schemas.Window) error {
			if refuse {
				return &ccfs.Error{Class: ccfs.Auth, RetryAfter: 10 * time.Hour}
			}
			return nil
		}
		x := since(bubble.Add(-3*time.Hour), hourly)
		s.open(Options{Budget: "one", Spacing: time.Second}, x)
		pass(time.Minute)
		refuse = false
		pass(time.Hour)
		if n := len(s.platform.requests()); n != 1 {
			t.Fatalf("%d requests, want 1: the platform refuses the key", n)
		}
		x.Settle = 30 * time.Minute
		s.change(Pace{Budget: "two", Spacing: time.Second, Extracts: []Extract{x}})
		pass(10 * time.Second)
		if n := len(s.platform.requests()); n < 2 {
			t.Error("nothing is asked for under the new key")
		}
		pass(90 * time.Minute)
		for _, e := range s.entries(schemas.KindCDR) {
			if e.Window.From.After(bubble.Add(time.Hour)) && e.State == schemas.WindowPlanned && e.DueAt.Sub(e.Window.To) != x.Settle {
				t.Errorf("%s is due %s after its end", e.Window, e.DueAt.Sub(e.Window.To))
			}
		}
	})
}

func (s *site) change(p Pace) {
	s.t.Helper()
	take, err := s.planner.ChangePace(p)
	exportertest.Check(s.t, err)
	take()
}

// TestShorterPaceIsNoWrongClock: windows and requests that were written down by a pace that waited
// longer keep their times, whatever is waited for from now on.
func TestShorterPaceIsNoWrongClock(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := newSite(t)
		x := since(bubble, hourly)
		x.Settle = 2 * time.Hour
		s.open(Options{Spacing: time.Second, Overdue: 4 * time.Hour}, x)
		pass(3*time.Hour + 10*time.Minute) // the first hour's callback is awaited
		times := func() (all map[schemas.Window]time.Time) {
			all = map[schemas.Window]time.Time{}
			for _, e := range s.entries(schemas.KindCDR) {
				all[e.Window] = e.DueAt
			}
			return all
		}
		before := times()
		x.Settle = 15 * time.Minute
		s.change(Pace{Spacing: time.Second, Overdue: time.Hour, Extracts: []Extract{x}})
		pass(5 * time.Minute)
		if after := times(); len(before) != 4 || !maps.EqualFunc(before, after, time.Time.Equal) {
			t.Errorf("%v is now %v", before, after)
		}
		s.close()
	})
}
