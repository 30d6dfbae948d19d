//go:build faults

package main

import (
	"fmt"
	"testing"
)

// TestF60Handover: a thousand sessions handed over, a hundred taken back, while GUIDs rotate.
func TestF60Handover(t *testing.T) {
	h := handOver(t, 1000, 100, buildBackend(t))
	t.Attr("lost", fmt.Sprint(len(h.Events.Lost)))
	t.Attr("gaps", fmt.Sprint(h.Events.Gaps))
	t.Attr("figure", fmt.Sprintf("1,000 sessions handed over, 100 taken back, %d events, %d polls by two at once, %d signed out by others than their backend", h.Events.Popped, h.overlaps, h.signedOut-100))
}
