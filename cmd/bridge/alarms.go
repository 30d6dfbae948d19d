package main

import (
	"context"
	"errors"

	"aiccbridge/internal/health"
)

// newWatch makes the checks of everything that the bridge's promises rest on while it
// runs, and what follows from each.
//
//	alarm    means                                          and then                        status
//	store    nothing can be stored                          polling waits                   503
//	streams  deleted, or weaker than promised               external: events stay spooled   503
//	disk     little space left                              downloads stop, polling goes on 200
//	hub      external NATS away                             events are spooled              200
//	spool    more than 50, 80, 95 % full                    at 100 % polling waits          200
func (b *bridge) newWatch() *health.Watch {
	checks := []health.Check{
		{
			Name: "store", Fatal: true, Find: func(context.Context) error { return b.storeHealth() },
			Raised: "nothing can be stored; events wait at the platform, which keeps them for two minutes",
			Over:   "the store takes messages again",
		},
		{ // the server logs it itself
			Name: "disk", Find: func(context.Context) error { return b.server.Low() },
			Then: func(low bool) { b.downloading.Set(!low) },
		},
		{
			Name: "streams", Fatal: true, Costly: true, Find: b.bus.Check,
			Raised: "a stream was deleted or is weaker than promised",
			Over:   "the streams are as promised again",
			Then: func(weak bool) {
				if b.spool != nil {
					b.spool.Hold(weak)
				}
			},
		},
	}
	if b.spool != nil {
		checks = append(checks, health.Check{
			Name: "hub", Find: func(context.Context) error { return b.bus.Connected() },
			Raised: "nats is away; events are kept in the spool", Over: "nats is back",
		}, health.Check{
			Name: "spool", Find: func(context.Context) error {
				s := b.spool.State()
				return health.Full(s.Bytes, s.MaxBytes)
			},
			Raised: "the spool fills up; polling stops when it is full", Over: "the spool has room again",
		})
	}
	return health.NewWatch(health.Options{Checks: checks, Logger: b.log, Registerer: b.metrics})
}

// storeHealth reports why nothing can be stored, nil when all is well.
func (b *bridge) storeHealth() error {
	if b.spool != nil {
		return b.server.Healthy()
	}
	return errors.Join(b.bus.Connected(), b.server.Healthy())
}
