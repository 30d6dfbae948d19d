package main

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"time"

	"github.com/google/uuid"
	"github.com/rs/zerolog"

	"aiccbridge/bus"
	"aiccbridge/config"
	"aiccbridge/schemas"
)

// checkAnswer is how long `bridge check` waits for NATS.
const checkAnswer = 2 * time.Second

// warnOfZones adds a warning for each kind whose files showed another zone than the one in
// which they would be read now, as far as NATS is there and answers: the configuration is
// sound without it.
func warnOfZones(ctx context.Context, cfg *config.Config) {
	ctx, cancel := context.WithTimeout(ctx, checkAnswer)
	defer cancel()
	b, ok := lookIn(ctx, cfg)
	if !ok {
		return
	}
	defer b.Close()
	for i, t := range cfg.Tenants {
		if t.Files == nil {
			continue
		}
		zones := written(t)
		for _, k := range schemas.Kinds() {
			d, ok := lastZone(ctx, b, b.Conn().Names().Drift(t.Name, k))
			offset := d.Window.From.In(zones[k]).Format("-07:00")
			if !ok || offset == d.Offset {
				continue
			}
			cfg.Warnings = append(cfg.Warnings, cfg.Finding(fmt.Sprintf("tenants[%d].files.zone", i),
				fmt.Sprintf("%s files are read in %s, which is at %s from UTC, and one showed %s (%s, said %s)", k, zones[k], offset, d.Offset, d.File, d.At.Format(time.RFC3339)),
				fmt.Sprintf("set it, or extracts.%s.zone, to that of the files, unless they have changed since", k)))
		}
	}
}

// lookIn connects to the hub that is there without this command.
func lookIn(ctx context.Context, cfg *config.Config) (b *bus.Bus, ok bool) {
	o, there, err := runningHub(cfg, true)
	names, nameless := schemas.NewNames(cfg.NATS.SubjectPrefix)
	if !there || cmp.Or(err, nameless) != nil {
		return nil, false
	}
	o.Names, o.Instance, o.Logger = names, uuid.NewString(), zerolog.Nop()
	b, err = bus.Connect(ctx, o)
	return b, err == nil
}

// lastZone is the last statement of a subject about a zone.
func lastZone(ctx context.Context, b *bus.Bus, subject string) (last schemas.Drift, ok bool) {
	err := b.Read(ctx, schemas.StreamCoverage, subject, 0, func(m schemas.Stored) error {
		var d schemas.Drift
		if json.Unmarshal(m.Body, &d) == nil && d.What == schemas.DriftZone {
			last, ok = d, true
		}
		return nil
	})
	return last, ok && err == nil
}
