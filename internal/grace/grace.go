// Package grace makes the second of the two contexts that a component works under:
// intake ends at once, work a grace period later. It imports nothing of ours.
package grace

import (
	"context"
	"errors"
	"time"
)

// errOver is the cause of a work context that ended by the clock.
var errOver = errors.New("the grace period is over")

// After returns a context that ends the period after intake, or with parent. end ends it
// before that, and must be called.
func After(intake, parent context.Context, period time.Duration) (work context.Context, end func()) {
	work, cancel := context.WithCancelCause(parent)
	stop := context.AfterFunc(intake, func() {
		timer := time.NewTimer(period)
		defer timer.Stop()
		select {
		case <-timer.C:
			cancel(errOver)
		case <-work.Done():
		}
	})
	return work, func() {
		stop()
		cancel(context.Canceled)
	}
}
