package planner

import (
	"context"
	"errors"
	"time"

	"aiccbridge/schemas"
)

// orphanLook is how often it is looked for files that no worker will get any more.
const orphanLook = time.Minute

// adoptOrphans fails windows whose files were handed over and have gone: the server gave
// them up while no bridge listened, or somebody made the workers' consumer anew. Found idle
// twice, a look apart, nobody is at work on a window that was ready before both. Files that
// somebody imports are never handed over.
func (p *Planner) adoptOrphans(ctx context.Context, now time.Time) error {
	if p.o.Idle == nil || now.Before(p.nextOrphans) {
		return nil
	}
	p.nextOrphans = now.Add(orphanLook)
	ready := map[string]schemas.WindowEntry{}
	p.o.Ledger.Each(p.o.Tenant, func(e schemas.WindowEntry) {
		if _, ours := p.extracts[e.Kind]; ours && e.State == schemas.WindowReady && e.Via != schemas.ViaManual && e.ReadyAt.Before(now.Add(-orphanLook)) {
			ready[e.Key()] = e
		}
	})
	before := p.orphans
	p.orphans = nil
	if len(ready) == 0 {
		return nil
	}
	if idle, err := p.o.Idle(ctx); err != nil || !idle {
		return nil // what cannot be looked at is looked at again; the window is overdue in the end
	}
	p.orphans = ready
	gone := &schemas.Permanent{Reason: schemas.ReasonAttempts, Err: errors.New("its file waits for no worker any more, and none has it")}
	for key, e := range ready {
		if was, ok := before[key]; !ok || was.ResponseID != e.ResponseID || !was.ReadyAt.Equal(e.ReadyAt) {
			continue
		}
		if err := p.o.Ledger.GiveUp(ctx, key, e.ResponseID, gone, now); err != nil {
			return err
		}
	}
	return nil
}
