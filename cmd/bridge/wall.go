package main

import (
	"context"
	"slices"
	"time"

	"aiccbridge/bus/kv"
	"aiccbridge/internal/ask"
	"aiccbridge/internal/wallboard"
	"aiccbridge/schemas"
)

// wallAnswers is how long the wallboard waits for what the other bridges say of themselves.
const wallAnswers = time.Second

// newWall makes the page for a screen on the wall.
func newWall(s selfPortrait, token func() string) *wallboard.Board {
	q := questions(s.hub.bus)
	return wallboard.New(wallboard.Options{
		Hub: walled{asked{s.hub.bus}}, Names: s.names, Lease: q.Lease, Bridges: s.all, Zone: zonesOf(s.base), Token: token, Logger: s.log,
	})
}

// all is what the bridges of the hub say of themselves, this one without being asked.
func (s selfPortrait) all(ctx context.Context) ([]ask.Bridge, error) {
	all := []ask.Bridge{s.draw()}
	if s.hub.bus.Connected() != nil {
		return all, nil
	}
	others, _, err := bridgesOf(ctx, s.hub.bus, wallAnswers)
	others = slices.DeleteFunc(others, func(b ask.Bridge) bool { return b.Instance == s.instance })
	return append(all, others...), err
}

// zonesOf are the zones of the tenants; that of "" is the one that all have, if they do.
func zonesOf(b base) func(tenant string) *time.Location {
	zones := map[string]*time.Location{}
	for i, t := range b.cfg.Tenants {
		zones[t.Name] = t.Timezone
		if i == 0 {
			zones[""] = t.Timezone
		} else if z := zones[""]; z != nil && z.String() != t.Timezone.String() {
			zones[""] = nil
		}
	}
	return func(tenant string) *time.Location { return zones[tenant] }
}

// walled is a hub for the wallboard.
type walled struct{ asked }

// Follow calls f for the entries of a bucket, and for each change as it comes.
func (w walled) Follow(ctx context.Context, bucket schemas.Bucket, f func(string, schemas.Stored, time.Time), idle func(time.Time)) error {
	return kv.Open(w.Conn(), bucket).Follow(ctx, ">", f, idle)
}

// End is the sequence of the last message of a stream.
func (w walled) End(ctx context.Context, stream schemas.Stream) (uint64, error) {
	return w.Conn().End(ctx, w.Conn().Names().Stream(stream))
}
