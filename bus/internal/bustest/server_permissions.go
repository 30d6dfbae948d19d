//go:build permissions

package bustest

import "testing"

// With this tag the suites run as a bridge would on a server of its users:
//
//	go test -tags permissions ./bus ./bus/...
//
// The assets are made by apply, and what a test does to the streams, by an
// administrator. Tests of Ensure itself connect as administrator altogether.
// Connections without a name, as a spool's to its own server, may do everything.

// TestServer is what the tests' servers are.
type TestServer = PermittedServer

// Signs says that connections have to sign in.
const Signs = true

// Server is the one place where the servers of most tests come from.
func Server(t testing.TB) *TestServer { return StartPermitted(t, Admin) }
