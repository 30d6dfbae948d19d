//go:build permissions

package bus

import (
	"testing"

	"github.com/prometheus/client_golang/prometheus"
)

// With this tag the suite runs as a bridge would on a server of its users:
//
//	go test -tags permissions ./bus
//
// The assets are made by apply, and what a test does to the streams, by an
// administrator. Tests of Ensure itself connect as administrator altogether.
// Connections without a name, as a spool's to its own server, may do everything.
type testServer = permittedServer

func startServer(t *testing.T) *testServer {
	t.Helper()
	return startPermitted(t, func(s *permittedServer) { s.opts.NoAuthUser = string(RoleAdmin) })
}

// as makes a bus that of a user.
func as(r Role) func(*Options) { return signIn(r) }

// superior is a bus that may do everything on b's server.
func superior(t *testing.T, b *Bus) *Bus { return another(t, b, RoleAdmin) }

// maker is the bus that makes b's assets.
func maker(t *testing.T, b *Bus) *Bus {
	if b.opts.User == string(RoleAdmin) {
		return b
	}
	return another(t, b, RoleApply)
}

func another(t *testing.T, b *Bus, r Role) *Bus {
	t.Helper()
	o := b.opts
	signIn(r)(&o)
	o.Registerer = prometheus.NewRegistry()
	other, err := Connect(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(other.Close)
	return other
}
