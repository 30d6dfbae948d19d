// Package pause waits for a time or for the end of a context, whichever comes
// first: every delay of the simulated platform is cut short when it stops, or
// when its client has gone. It imports nothing of ours.
package pause

import (
	"context"
	"time"
)

// For waits for d and returns false when ctx ended first. Without a duration it
// only looks at ctx.
func For(ctx context.Context, d time.Duration) bool {
	if d <= 0 {
		return ctx.Err() == nil
	}
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-ctx.Done():
		return false
	case <-t.C:
		return true
	}
}
