package planner

import (
	"cmp"
	"errors"
	"fmt"
	"time"

	"aiccbridge/schemas"
)

// Pace is what can be changed while the planner runs. The fields are those of [Options], with
// the same defaults.
type Pace struct {
	Budget         string
	Spacing        time.Duration
	MaxOutstanding int
	Overdue        time.Duration
	BackfillShare  int
	// Extracts bring their kinds' Settle and SweepAgain; everything else of them stays, and so
	// does the time at which windows that are written down already are due first.
	Extracts []Extract
}

func (p Pace) withDefaults() (Pace, error) {
	if p.Spacing < 0 || p.MaxOutstanding < 0 || p.Overdue < 0 || p.BackfillShare < 0 || p.BackfillShare > 100 {
		return p, errors.New("planner: spacing, outstanding extracts and overdue must not be negative, and a share at most 100")
	}
	p.Spacing = cmp.Or(p.Spacing, 15*time.Second)
	p.MaxOutstanding = cmp.Or(p.MaxOutstanding, 3)
	p.Overdue = cmp.Or(p.Overdue, 15*time.Minute)
	p.BackfillShare = cmp.Or(p.BackfillShare, 50)
	for _, x := range p.Extracts {
		if err := x.validate(); err != nil {
			return p, fmt.Errorf("planner: %w", err)
		}
	}
	return p, nil
}

// tick is how often the ledger is looked over by default.
func (p Pace) tick() time.Duration { return min(time.Second, max(p.Spacing, 100*time.Millisecond)) }

// ChangePace checks another pace. take has the planner go on with it, from its next look over
// the ledger on; another Budget also ends the pause that a refusal of the old access key began.
// Safe for concurrent use.
func (p *Planner) ChangePace(pace Pace) (take func(), err error) {
	pace, err = pace.withDefaults()
	return func() { p.paces.Store(&pace) }, err
}

// adopt takes the pace that was set last.
func (p *Planner) adopt() {
	pace := p.paces.Swap(nil)
	if pace == nil {
		return
	}
	if pace.Budget != p.o.Budget {
		p.quiet, p.open = time.Now().Add(pace.Spacing), time.Time{}
		p.lane = p.quiet
		p.live.backOff.Reset()
		p.behind.backOff.Reset()
	}
	if p.o.Tick == (Pace{Spacing: p.o.Spacing}).tick() { // nobody asked for another one
		p.o.Tick = pace.tick()
	}
	p.patient = max(p.patient, p.o.Overdue, pace.Overdue)
	p.o.Budget, p.o.Spacing, p.o.MaxOutstanding, p.o.Overdue, p.o.BackfillShare = pace.Budget, pace.Spacing, pace.MaxOutstanding, pace.Overdue, pace.BackfillShare
	for i := range p.o.Extracts {
		own := &p.o.Extracts[i]
		for _, x := range pace.Extracts {
			if x.Kind == own.Kind {
				p.settled[x.Kind] = max(p.settled[x.Kind], own.Settle)
				own.Settle, own.SweepAgain = x.Settle, x.SweepAgain
				p.extracts[x.Kind] = *own
			}
		}
	}
	p.publish()
}

// latest is until when a window may wait that no wrong clock has written: by the pace of now, or
// by one before that waited longer. asked is for its request, fresh when it is due first.
func (p *Planner) latest(x Extract, e schemas.WindowEntry) (asked time.Duration, fresh time.Time) {
	x.Settle = max(x.Settle, p.settled[x.Kind])
	return max(p.o.Overdue, p.patient) << doublings(e.Attempts-1), x.freshAt(e.Window)
}

// begin makes the planner know nothing but the ledger: somebody else may have planned since.
// The tenant's last request, whoever sent it, counts for the time between two.
func (p *Planner) begin(now time.Time) {
	p.started, p.open = now, time.Time{}
	clear(p.next)
	clear(p.stated)
	p.seen = 0
	p.orphans, p.nextOrphans, p.nextRecheck = nil, time.Time{}, time.Time{}
	p.o.Ledger.Each(p.o.Tenant, func(e schemas.WindowEntry) {
		if e.RequestedAt.After(now) {
			return
		}
		if next := e.RequestedAt.Add(p.o.Spacing); next.After(p.quiet) {
			p.quiet = next
		}
		if next := e.RequestedAt.Add(p.between()); e.Backfill != "" && next.After(p.lane) {
			p.lane = next
		}
	})
}
