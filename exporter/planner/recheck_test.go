package planner

import (
	"context"
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
