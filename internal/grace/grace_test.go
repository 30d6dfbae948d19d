package grace

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"
)

func TestAfter(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		intake, stop := context.WithCancel(t.Context())
		work, end := After(intake, t.Context(), time.Minute)
		defer end()
		time.Sleep(time.Hour)
		stop()
		time.Sleep(time.Minute - time.Nanosecond)
		if work.Err() != nil {
			t.Error("work ended too early")
		}
		time.Sleep(time.Nanosecond)
		synctest.Wait()
		if !errors.Is(context.Cause(work), errOver) {
			t.Errorf("work ended with %v", context.Cause(work))
		}
	})
}

// TestEnd: nothing remains of a period that was not used up, or had not begun.
func TestEnd(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		for _, begun := range []bool{true, false} {
			intake, stop := context.WithCancel(t.Context())
			work, end := After(intake, t.Context(), time.Hour)
			if begun {
				stop()
				synctest.Wait()
			}
			end()
			if work.Err() == nil {
				t.Error("work goes on")
			}
			stop()
		}
	})
}

func TestParentEnds(t *testing.T) {
	parent, stop := context.WithCancel(t.Context())
	work, end := After(t.Context(), parent, time.Hour)
	defer end()
	stop()
	if work.Err() == nil {
		t.Error("work outlives its parent")
	}
}
