package planner

import (
	"context"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"aiccbridge/exporter/internal/exportertest"
	"aiccbridge/schemas"
)

// TestF33CompleteWindowsAskedForAgain: a complete window whose rows are not all in the
// stream is asked for once more, and the others are not.
func TestF33CompleteWindowsAskedForAgain(t *testing.T) {
	t.Parallel()
	t.Attr("figure", "1 of 3 complete windows lacks rows: asked for once more, the others never")
	synctest.Test(t, func(t *testing.T) {
		s := newSite(t)
		s.serve()
		looks := 0
		lacking := func(_ context.Context, complete []schemas.WindowEntry) (lacking []schemas.WindowEntry, err error) {
			if looks++; looks == 1 {
				return nil, exportertest.ErrBus
			}
			for _, e := range complete {
				if looks == 2 && e.Window == bubbleHour(1) {
					lacking = append(lacking, e)
				}
			}
			return lacking, nil
		}
		pass(195 * time.Minute)
		s.open(Options{}, since(bubble, hourly))
		pass(20 * time.Minute)
		s.close()
		s.open(Options{Lacking: lacking}, since(bubble, hourly))
		pass(10 * time.Minute)
		s.close()
		for n, want := range []int{1, 2, 1} {
			if got := len(s.platform.of(bubbleHour(n))); got != want {
				t.Errorf("hour %d was asked for %d times, want %d", n, got, want)
			}
		}
		if looks != 2 {
			t.Errorf("%d looks", looks)
		}
	})
}

// Damage may be found after the start: windows are looked at then, and not an hour later.
func TestF33DamageFoundLater(t *testing.T) {
	t.Parallel()
	t.Attr("figure", "complete windows looked at as soon as damage is found, and not before")
	synctest.Test(t, func(t *testing.T) {
		s := newSite(t)
		s.serve()
		var damaged atomic.Bool
		var looks atomic.Int32
		s.open(Options{
			Damaged: damaged.Load,
			Lacking: func(context.Context, []schemas.WindowEntry) ([]schemas.WindowEntry, error) {
				looks.Add(1)
				return nil, nil
			},
		}, since(bubble, hourly))
		pass(195 * time.Minute)
		if n := looks.Load(); n != 0 {
			t.Errorf("%d looks without damage", n)
		}
		damaged.Store(true)
		pass(time.Minute)
		if n := looks.Load(); n != 1 {
			t.Errorf("%d looks after it was found", n)
		}
		pass(90 * time.Minute)
		s.close()
		if n := looks.Load(); n != 2 {
			t.Errorf("%d looks in all", n)
		}
	})
}
