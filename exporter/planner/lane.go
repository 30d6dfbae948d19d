package planner

import (
	"context"
	"time"

	"github.com/cenkalti/backoff/v4"

	"aiccbridge/internal/retry"
	"aiccbridge/internal/trouble"
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

// manner is how requests of one lane fare.
type manner struct {
	backOff  backoff.BackOff
	refusals trouble.Episode
}

func newManner() *manner { return &manner{backOff: retry.NewBackOff(2*time.Second, 15*time.Minute)} }

// choose is the window to ask for: a live one whenever one is due; otherwise one of a
// backfill, when its share of the requests allows. So a live window waits for the time between
// two requests at most.
func (p *Planner) choose(live, backfills lane, now time.Time) (schemas.WindowEntry, bool) {
	if !live.at.IsZero() {
		return live.next, true
	}
	return backfills.next, !backfills.at.IsZero() && !now.Before(p.lane)
}

// sent notes that a window was asked for.
func (p *Planner) sent(e schemas.WindowEntry, now time.Time) {
	p.quiet = now.Add(p.o.Spacing)
	if e.Backfilling() {
		p.lane = now.Add(p.between())
		p.taken(p.behind)
		return
	}
	p.newest = !p.newest
	p.taken(p.live)
}

// failed holds requests off after err. What keeps a backfill's window from being asked for holds
// up no live one, unless the platform refuses the key or wants less of it: it may have no data of
// so long ago, and says so as of anything else that it cannot do.
func (p *Planner) failed(ctx context.Context, e schemas.WindowEntry, err error, now time.Time) error {
	if refused := failure(err); e.Backfilling() && !refused.Local && !untaken(refused.Class) {
		p.quiet = now.Add(p.o.Spacing)
		p.lane = now.Add(max(p.holdOff(p.behind, err), p.between()))
		return nil
	}
	p.quiet = now.Add(p.holdOff(p.live, err))
	return p.holdOthersOff(ctx, err, p.quiet)
}

// between is the least time between two requests of backfills.
func (p *Planner) between() time.Duration {
	return p.o.Spacing * 100 / time.Duration(p.o.BackfillShare)
}

// room is how many extracts of backfills may be under way.
func (p *Planner) room() int { return max(1, p.o.MaxOutstanding*p.o.BackfillShare/100) }
