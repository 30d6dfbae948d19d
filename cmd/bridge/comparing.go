package main

import (
	"context"
	"encoding/json"
	"time"

	"aiccbridge/config"
	"aiccbridge/exporter/reconcile"
	"aiccbridge/schemas"
)

// comparingPartition is whose lease lets a bridge compare a tenant's live events with its files.
const comparingPartition = "reconcile"

// newComparing returns nil where there is nothing to compare, or it is off: it takes both live
// events and files.
func newComparing(b base, h *hub, c config.Tenant) (*reconcile.Reconciler, error) {
	if c.Gateway == nil || c.Files == nil || c.Files.Reconcile == 0 {
		return nil, nil
	}
	o := reconcile.Options{
		Tenant: c.Name, Zone: c.Timezone, Names: b.names, Ledger: h.ledger, Publish: h.bus.Publish, Stored: h.bus.Stored, Settle: map[schemas.Kind]time.Duration{},
		Tolerance: c.Files.Reconcile,
		Acquire:   h.alone(c.Name, comparingPartition),
		Events: func(ctx context.Context, since time.Time, f func(schemas.Stored) error) error {
			return h.bus.ReadSince(ctx, schemas.StreamEvents, b.names.Agents(c.Name), since, f)
		},
		Rows: func(ctx context.Context, subject string, f func(schemas.Stored) error) error {
			return h.bus.Read(ctx, schemas.StreamRows, subject, 0, f)
		},
		Statements: func(ctx context.Context, subject string, f func(schemas.Stored) error) error {
			return h.bus.Read(ctx, schemas.StreamCoverage, subject, 0, f)
		},
		Logger: b.log.With().Str("tenant", c.Name).Logger(), Registerer: b.metrics,
	}
	for _, x := range c.Files.Extracts.Each() {
		o.Settle[schemas.Kind(x.Kind)] = x.Settle
	}
	if c.Files.Recordings.Fetch() {
		o.Audio = func(ctx context.Context, since time.Time, f func(schemas.Recording)) error {
			return h.bus.ReadSince(ctx, schemas.StreamFiles, b.names.Recordings(c.Name), since, func(m schemas.Stored) error {
				var said schemas.Recording
				if json.Unmarshal(m.Body, &said) == nil {
					f(said)
				}
				return nil
			})
		}
	}
	return reconcile.New(o)
}
