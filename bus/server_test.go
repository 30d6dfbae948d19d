//go:build !permissions

package bus

import (
	"testing"

	"aiccbridge/bus/embedded"
)

// testServer is what the tests' servers are. With the tag "permissions" it is one
// with the shipped rights, and the tests' buses sign in as bridge.
type testServer = embedded.Server

func startServer(t *testing.T) *testServer {
	t.Helper()
	s, err := embedded.Start(t.Context(), embedded.Options{Dir: t.TempDir()})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.Shutdown)
	return s
}

// as makes a bus that of a user.
func as(Role) func(*Options) { return func(*Options) {} }

// superior is a bus that may do everything on b's server.
func superior(_ *testing.T, b *Bus) *Bus { return b }

// maker is the bus that makes b's assets.
func maker(_ *testing.T, b *Bus) *Bus { return b }
