// Package hubtest gives tests a hub in their process, with the bridge's streams and buckets.
package hubtest

import (
	"context"
	"testing"

	"aiccbridge/bus"
	"aiccbridge/bus/assets"
	"aiccbridge/bus/embedded"
	"aiccbridge/bus/kv"
	"aiccbridge/schemas"
)

// Hub is a connection to it.
type Hub struct {
	*bus.Bus
	URL string // where other processes connect
}

// Start starts one, which ends with the test.
func Start(t testing.TB) (Hub, schemas.Names) {
	t.Helper()
	s, err := embedded.Start(t.Context(), embedded.Options{Dir: t.TempDir(), Listen: "127.0.0.1:0", ReserveBytes: -1})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.Shutdown)
	names, err := schemas.NewNames("aicc")
	if err != nil {
		t.Fatal(err)
	}
	var o bus.Options
	o.Names, o.Instance, o.InProcess = names, "one", s
	o.User, o.Password = s.Login()
	b, err := bus.Connect(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(b.Close)
	if err := assets.NewTable(b.Conn(), assets.Options{}).Ensure(t.Context()); err != nil {
		t.Fatal(err)
	}
	return Hub{b, s.ClientURL()}, names
}

// Entries calls f for the keys of a bucket that match.
func (h Hub) Entries(ctx context.Context, bucket schemas.Bucket, keys string, f func(string, schemas.Stored) error) error {
	return kv.Open(h.Conn(), bucket).Each(ctx, keys, f)
}
