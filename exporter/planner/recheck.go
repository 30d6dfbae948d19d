package planner

import (
	"context"
	"time"

	"aiccbridge/schemas"
)

// How often complete windows are held against the stream, and how soon again when that
// could not be done.
const (
	recheckEvery = time.Hour
	recheckSoon  = time.Minute
)

// recheck has the windows asked for again that the ledger calls complete, and of which the
// stream lacks rows or the marker: as soon as there is reason to, and every hour from then
// on. It holds nothing up.
func (p *Planner) recheck(ctx context.Context, now time.Time) error {
	if p.o.Lacking == nil || now.Before(p.nextRecheck) || p.o.Damaged != nil && !p.o.Damaged() {
		return nil
	}
	p.nextRecheck = now.Add(recheckEvery)
	var complete []schemas.WindowEntry
	p.o.Ledger.Each(p.o.Tenant, func(e schemas.WindowEntry) {
		if _, ours := p.extracts[e.Kind]; ours && !e.Unplanned && e.State == schemas.WindowCompleted && e.DueAt.IsZero() {
			complete = append(complete, e)
		}
	})
	if len(complete) == 0 {
		return nil
	}
	lacking, err := p.o.Lacking(ctx, complete)
	if err != nil {
		p.nextRecheck = now.Add(recheckSoon)
		p.o.Logger.Debug().Err(err).Msg("rows of complete windows can't be counted now")
		return nil
	}
	for _, e := range lacking {
		if err := p.o.Ledger.Again(ctx, e, now); err != nil {
			return err
		}
	}
	if len(lacking) > 0 {
		p.o.Logger.Error().Int("windows", len(lacking)).Str("first", lacking[0].Window.String()).
			Msg("the stream lacks rows of windows that are complete; they are asked for again")
	}
	return nil
}
