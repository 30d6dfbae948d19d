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

// TestFilesThatHaveGone: a window whose file waits for nobody and is with nobody is asked
// for again within minutes; as long as the workers have anything, and when the consumer
// cannot be looked at, none is.
func TestFilesThatHaveGone(t *testing.T) {
	t.Parallel()
	var looks atomic.Int64
	for name, c := range map[string]struct {
		idle  func(n int64) (bool, error)
		again bool
	}{
		"idle":                   {func(int64) (bool, error) { return true, nil }, true},
		"busy, then idle":        {func(n int64) (bool, error) { return n > 5, nil }, true},
		"busy":                   {func(int64) (bool, error) { return false, nil }, false},
		"idle at each other one": {func(n int64) (bool, error) { return n%2 == 0, nil }, false},
		"cannot be looked at":    {func(int64) (bool, error) { return true, exportertest.ErrBus }, false},
		"nobody can look":        {nil, false},
	} {
		synctest.Test(t, func(t *testing.T) {
			looks.Store(0)
			s := newSite(t)
			s.platform.onAnswer = func(a asked) { exportertest.Check(t, s.ledger.Accept(context.Background(), s.notice(a))) }
			o := Options{}
			if c.idle != nil {
				o.Idle = func(context.Context) (bool, error) { return c.idle(looks.Add(1)) }
			}
			pass(75*time.Minute + time.Second)
			s.open(o, since(bubble, hourly))
			pass(20 * time.Minute)
			n := len(s.platform.of(bubbleHour(0)))
			if (n > 1) != c.again {
				t.Errorf("%s: asked for %d times", name, n)
			}
			if requests := s.platform.of(bubbleHour(0)); n > 1 && name == "idle" {
				if d := requests[1].at.Sub(requests[0].at); d > 5*time.Minute {
					t.Errorf("%s: asked for again after %s", name, d)
				}
			}
			s.close()
		})
	}
	synctest.Test(t, func(t *testing.T) { // one that is completed between two looks
		s := newSite(t)
		s.platform.onAnswer = func(a asked) {
			exportertest.Check(t, s.ledger.Accept(context.Background(), s.notice(a)))
			time.AfterFunc(110*time.Second, func() {
				exportertest.Check(t, s.ledger.Complete(context.Background(), s.file(a), 1, time.Now()))
			})
		}
		pass(75*time.Minute + time.Second)
		s.open(Options{Idle: func(context.Context) (bool, error) { return true, nil }}, since(bubble, hourly))
		pass(20 * time.Minute)
		if e := s.entries(schemas.KindCDR)[0]; e.State != schemas.WindowCompleted || len(s.platform.of(bubbleHour(0))) != 1 {
			t.Errorf("it is %s after %d requests", e.State, len(s.platform.of(bubbleHour(0))))
		}
		s.close()
	})
}
