package planner

import (
	"time"

	"aiccbridge/schemas"
)

// lane is what a look over the ledger finds of live windows, or of those of backfills.
type lane struct {
	next        schemas.WindowEntry // to be asked for first
	at          time.Time           // since when it is due; zero: nothing is
	outstanding int                 // extracts under way
	newest      bool                // the newest window is next, else the one due for longest
}

// consider takes a window that is due since at for the next, if it is. In turns the one that
// has been due for longest and the newest, live windows need not wait for the end of a long
// history.
func (l *lane) consider(e schemas.WindowEntry, at time.Time) {
	earlier := at.Before(l.at) || at.Equal(l.at) && e.Window.From.Before(l.next.Window.From)
	if l.newest {
		earlier = e.Window.From.After(l.next.Window.From)
	}
	if l.at.IsZero() || earlier {
		l.next, l.at = e, at
	}
}

// choose is the window to ask for: a live one whenever one is due; otherwise one of a
// backfill, when its share of requests and of extracts under way allows. So a live window
// waits for the time between two requests at most.
func (p *Planner) choose(live, backfills lane, now time.Time) (schemas.WindowEntry, bool) {
	if !live.at.IsZero() {
		return live.next, true
	}
	open := backfills.outstanding < max(1, p.o.MaxOutstanding*p.o.BackfillShare/100) && !now.Before(p.lane)
	return backfills.next, open && !backfills.at.IsZero()
}

// sent notes that a window was asked for.
func (p *Planner) sent(e schemas.WindowEntry, now time.Time) {
	p.quiet = now.Add(p.o.Spacing)
	if e.Backfilling() {
		p.lane = now.Add(p.between())
		return
	}
	p.newest = !p.newest
}

// between is the least time between two requests of backfills.
func (p *Planner) between() time.Duration {
	return p.o.Spacing * 100 / time.Duration(p.o.BackfillShare)
}
