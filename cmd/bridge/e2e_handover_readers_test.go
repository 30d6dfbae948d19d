//go:build readers

package main

import "testing"

// TestReadersHandover: the example backend in JavaScript, from the sign-in to the sign-out. make
// readers installs what it needs.
func TestReadersHandover(t *testing.T) {
	handOver(t, 12, 3, "node", "../../docs/handover/js/backend.mjs")
}
