//go:build faults

package main

import (
	"testing"
	"time"
)

// restart leaves the server away for a while.
func (h *externalHub) restart(away time.Duration) {
	h.t.Helper()
	h.stop()
	pause(h.t, away)
	h.start()
}

// pause lets real time pass, which faults need to have an effect; it is never
// what a test waits with for something.
func pause(t *testing.T, d time.Duration) {
	t.Helper()
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-t.Context().Done():
	}
}
