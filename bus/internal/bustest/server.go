//go:build !permissions

package bustest

import (
	"testing"

	"aiccbridge/bus/embedded"
)

// TestServer is what the tests' servers are. With the tag "permissions" it is one
// with the shipped rights, and the tests' connections sign in as bridge.
type TestServer = embedded.Server

// Signs says that connections have to sign in.
const Signs = false

// Server is the one place where the servers of most tests come from.
func Server(t testing.TB) *TestServer { return Embedded(t) }
