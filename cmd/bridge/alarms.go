package main

import (
	"context"
	"slices"
	"time"

	"aiccbridge/internal/health"
)

// windowsAnswer is how long the look at the ledger's bucket may take.
const windowsAnswer = 5 * time.Second

// newWatch makes the checks of everything that the bridge's promises rest on while it
// runs, and what follows from each; downloading is shut while the disk is low.
//
//	alarm      means                                          and then                        status
//	store      nothing can be stored                          polling waits                   503
//	streams    deleted, or weaker than promised               external: events stay spooled   503
//	windows    the ledger of the windows was purged           no extract is asked for         503
//	disk       little space left                              downloads stop, polling goes on 200
//	copy       a copy of the data folder polls                this bridge waits               200
//	hub        external NATS away                             events are spooled              200
//	spool      more than 50, 80, 95 % full                    at 100 % polling waits          200
//	consumers  nearly as many as the server takes             embedded: a reader is refused   200
func newWatch(b base, h *hub, downloading *health.Gate) *health.Watch {
	checks := []health.Check{
		{
			Name: "store", Fatal: true, Find: func(context.Context) error { return h.stored() },
			Raised: "nothing can be stored; events wait at the platform, which keeps them for two minutes",
			Over:   "the store takes messages again",
		},
		{ // the server logs it itself
			Name: "disk", Find: func(context.Context) error { return h.server.Low() },
			Then: func(low bool) { downloading.Set(!low) },
		},
		{
			Name: "streams", Fatal: true, Costly: true, Find: h.assets.Check, Then: h.hold,
			Raised: "a stream was deleted or is weaker than promised", Over: "the streams are as promised again",
		},
		{
			Name: "windows", Fatal: true, Costly: true, Find: func(ctx context.Context) error {
				if h.bus.Connected() != nil { // that is another alarm's
					return nil
				}
				ctx, cancel := context.WithTimeout(ctx, windowsAnswer)
				defer cancel()
				return h.ledger.Purged(ctx)
			},
			Raised: "the ledger of the windows was purged; no extract is asked for", Over: "the ledger of the windows is there again",
		},
	}
	return health.NewWatch(health.Options{Checks: slices.Concat(checks, h.checks()), Logger: b.log, Registerer: b.metrics})
}
