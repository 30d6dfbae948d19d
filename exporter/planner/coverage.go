package planner

import (
	"context"
	"slices"
	"time"

	"aiccbridge/schemas"
)

// maxHoles bounds a statement; the ledger has the rest.
const maxHoles = 100

// coverage says up to when a kind is complete, and which windows before the last
// complete one are not. A window counts once its first extract is complete, also
// while it is swept again, and also without rows before that is confirmed: the
// statement is about what the platform has given, and stays true. ok is false when
// there is nothing to say yet.
func coverage(tenant string, kind schemas.Kind, entries []schemas.WindowEntry, now time.Time) (c schemas.Coverage, ok bool) {
	if entries = planned(entries); len(entries) == 0 {
		return c, false
	}
	from := entries[0].Window.From
	c = schemas.Coverage{Tenant: tenant, Kind: kind, From: from, CompleteTo: from, At: now.UTC()}
	var open []schemas.Hole
	for _, e := range entries {
		switch {
		case e.CompletedAt.IsZero():
			open = append(open, schemas.Hole{Window: e.Window, State: string(e.State), Reason: string(e.Reason)})
		case len(open) == 0 && e.Window.From.Equal(c.CompleteTo):
			c.CompleteTo = e.Window.To
		default:
			c.Holes = append(c.Holes, open...) // a later window is complete
			open = open[:0]
		}
	}
	// Windows after the last complete one are no holes, their time has not come.
	c.Holes = c.Holes[:min(len(c.Holes), maxHoles)]
	return c, true
}

// planned leaves out the windows of imported files that lie before the planner's own: where
// somebody imports history, extraction does not begin there.
func planned(entries []schemas.WindowEntry) []schemas.WindowEntry {
	first := slices.IndexFunc(entries, func(e schemas.WindowEntry) bool { return !e.Unplanned })
	if first < 0 {
		return nil
	}
	return entries[first:]
}

// state publishes each kind's coverage when it has moved. A restart states it
// once more.
func (p *Planner) state(ctx context.Context, now time.Time) error {
	changes := p.o.Ledger.Changes()
	if changes == p.seen {
		return nil
	}
	for _, x := range p.o.Extracts {
		c, ok := coverage(p.o.Tenant, x.Kind, p.o.Ledger.Entries(p.o.Tenant, x.Kind), now)
		last, known := p.stated[x.Kind]
		if !ok || known && last.CompleteTo.Equal(c.CompleteTo) && slices.EqualFunc(last.Holes, c.Holes, sameHole) {
			continue
		}
		m, err := p.o.Names.CoverageMessage(c)
		if err != nil {
			return err
		}
		if err := p.o.Publisher.Publish(ctx, m); err != nil {
			return err
		}
		p.stated[x.Kind] = c
	}
	p.seen = changes
	return nil
}

// sameHole compares the window only: a hole that is asked for again is no news.
func sameHole(a, b schemas.Hole) bool {
	return a.Window.From.Equal(b.Window.From) && a.Window.To.Equal(b.Window.To)
}
