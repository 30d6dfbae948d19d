package main

import (
	"context"
	"encoding/json"
	"strings"
	"time"

	"aiccbridge/config"
	"aiccbridge/exporter/reconcile"
	"aiccbridge/internal/privacy"
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
	policy, err := newPrivacy(c.Privacy)
	if err != nil {
		return nil, err
	}
	if column := unmatched(policy); column != "" {
		b.log.Warn().Str("tenant", c.Name).Str("column", column).Msg("live events are not compared with files: the privacy policy alters a column that they are matched by")
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

// matchedBy are the columns of rows that live events are held against.
var matchedBy = []string{
	"agent_id", "call_id", "ack_begin", "ack_end", "call_begin", "call_end", "op_type", "begin_time",
}

// unmatched is one of them that rows do not have as events have it; "": there is none. An hmac
// of the id of a call is the same in both; agents have their names in events whatever the policy.
func unmatched(policy *privacy.Policy) string {
	const probe = "1234567890"
	for _, column := range matchedBy {
		text, kept := policy.Cell(column, probe)
		same := column == "call_id" && strings.HasPrefix(text, "hmac:")
		if !kept || text != probe && !same {
			return column
		}
	}
	return ""
}
