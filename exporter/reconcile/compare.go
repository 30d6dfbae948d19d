package reconcile

import (
	"cmp"
	"context"
	"math"
	"slices"
	"time"

	"aiccbridge/schemas"
	"aiccbridge/schemas/comparison"
)

// matcher compares one window.
type matcher struct {
	*Reconciler
	landscape
	file
	live *live
	// settled: what was over before that had its row in the window's file, if it has one.
	settled time.Time
	said    comparison.Statement
	found   []comparison.Finding
	closed  []closing
	others  map[schemas.Window]shelf // windows around this one that were read
	taken   map[*gap]bool            // gaps of one event at most that explain something already
}

// holds reports whether something that was seen live belongs to the window.
func (c *matcher) holds(at time.Time) bool {
	return !at.Before(c.said.Window.From) && at.Before(c.said.Window.To)
}

// unseen counts a row of which nothing was seen live, or not all (differs), between two times.
// It returns the gap that explains it, if one does.
func (c *matcher) unseen(f comparison.Finding, at span, whole, differs bool) *gap {
	seat := c.live.seats[f.Agent]
	any, all := seat.observed(at)
	if !any && !differs {
		c.said.NotObserved++
		return nil
	}
	if by := c.surely(at, whole); all && !seat.heard.After(by) {
		c.said.Unheard++
		return nil
	}
	if differs {
		c.said.Differ++
	} else {
		c.said.Recorded, c.said.OnlyRecorded = c.said.Recorded+1, c.said.OnlyRecorded+1
	}
	g := seat.gapIn(at, whole, c.taken)
	switch {
	case g != nil:
		f.By, f.Gap, f.Reconstructed = comparison.ExplainedByGap, g.Position, f.What == comparison.StateNotSeen && isState(f.Name)
		c.taken[g] = true
		c.said.Explained++
	case !all:
		f.By = comparison.ExplainedBySignOut
		c.said.Explained++
	default:
		c.said.Unexplained++
	}
	c.found = append(c.found, f)
	return g
}

// surely is until when an event of the agent is to have come that shows that what happened in a
// span would have come before it.
func (c *matcher) surely(at span, whole bool) time.Time {
	if whole {
		return at.to.Add(time.Second - c.o.Tolerance)
	}
	return at.from.Add(time.Second)
}

// rowless counts something seen live that has no row: it is missing, or may yet come.
func (c *matcher) rowless(f comparison.Finding, over time.Time, waits bool) {
	c.said.Live++
	if waits || over.IsZero() || over.After(c.settled) {
		c.said.Waiting++
		return
	}
	c.said.OnlyLive, c.said.Unexplained = c.said.OnlyLive+1, c.said.Unexplained+1
	c.found = append(c.found, f)
}

func (c *matcher) both() {
	c.said.Live, c.said.Recorded, c.said.Both = c.said.Live+1, c.said.Recorded+1, c.said.Both+1
}

// shelf is what a window beside the one that is compared has: rows by agents and calls, and
// operations by agents.
type shelf struct {
	calls      map[place]int
	operations map[string][]operation
}

// operation is what an agent did at a time.
type operation struct {
	what  string
	begin time.Time
}

func shelve(rows []row) shelf {
	s := shelf{map[place]int{}, map[string][]operation{}}
	for _, x := range rows {
		if x.Agent == "" {
			continue
		}
		if x.Call != "" {
			s.calls[place{x.Agent, x.Call}]++
		}
		if what := x.what(); what != "" {
			s.operations[x.Agent] = append(s.operations[x.Agent], operation{what, x.Begin})
		}
	}
	return s
}

// elsewhere are the windows around this one that touch a span. waits: one of these is not
// complete, and is to be looked at then.
func (c *matcher) elsewhere(ctx context.Context, s span) (all []shelf, waits bool, err error) {
	for _, w := range c.around(c.said.Kind, s, c.said.Window) {
		if w.completed.IsZero() {
			if waits = true; !slices.Contains(c.said.Pending, w.Window) {
				c.said.Pending = append(c.said.Pending, w.Window)
			}
			continue
		}
		x, known := c.others[w.Window]
		if !known {
			f, err := c.read(ctx, c.said.Kind, w.Window)
			if err != nil {
				return nil, false, err
			}
			x = shelve(f.rows)
			c.others[w.Window] = x
			c.said.Sources = append(c.said.Sources, schemas.CallSource{Kind: c.said.Kind, Window: w.Window, CompletedAt: w.completed})
		}
		all = append(all, x)
	}
	return all, waits, nil
}

// part is what rows tell of an agent's part in a call.
type part struct {
	place
	span
	talk span // zero: there was none
	row  string
	odd  bool // its times may be those of another hour
}

// parts puts rows together by agents and calls, in the order of their begin.
func parts(rows []row) (all []*part) {
	by := map[place]*part{}
	for _, x := range rows {
		s := x.span()
		if x.Agent == "" || x.Call == "" || s.from.IsZero() {
			continue
		}
		p := by[place{x.Agent, x.Call}]
		if p == nil {
			p = &part{place: place{x.Agent, x.Call}, span: s, row: x.id}
			by[p.place], all = p, append(all, p)
		}
		p.span, p.odd = p.span.with(s), p.odd || x.vague()
		if !x.CallBegin.IsZero() && !x.CallEnd.IsZero() {
			p.talk = p.talk.with(span{x.CallBegin, x.CallEnd})
		}
	}
	slices.SortFunc(all, func(a, b *part) int {
		return cmp.Or(a.from.Compare(b.from), cmp.Compare(a.call, b.call), cmp.Compare(a.agent, b.agent))
	})
	return all
}

// with is the span of both.
func (s span) with(o span) span {
	if s.from.IsZero() || o.from.Before(s.from) {
		s.from = o.from
	}
	if o.to.After(s.to) {
		s.to = o.to
	}
	return s
}

// calls compares call detail records with the calls that were seen.
func (c *matcher) calls(ctx context.Context) error {
	known := map[place]bool{}
	for _, p := range parts(c.rows) {
		known[p.place] = true
		f := comparison.Finding{What: comparison.CallNotSeen, Agent: p.agent, CallID: p.call, At: p.from, Row: p.row}
		if seen := c.live.calls[p.place]; seen != nil {
			c.both()
			if !p.odd {
				c.talk(p, seen, f)
			}
			continue
		}
		if p.odd {
			c.said.NotObserved++
			continue
		}
		c.unseen(f, p.span.till(c.o.Tolerance), true, false)
	}
	return c.rowlessCalls(ctx, known)
}

// till is the span with so much more at its end.
func (s span) till(more time.Duration) span { return span{s.from, s.to.Add(more)} }

// talk compares what was seen of a call with its record.
func (c *matcher) talk(p *part, seen *liveCall, f comparison.Finding) {
	answered, at := !p.talk.from.IsZero(), p.span
	f.What = comparison.CallPartly
	if answered && seen.talking.IsZero() {
		f.Missing, at = append(f.Missing, "talking"), span{p.talk.from, p.talk.from}
	}
	if seen.over.IsZero() {
		f.Missing, at = append(f.Missing, "release"), at.with(span{p.to, p.to.Add(c.o.Tolerance)})
	}
	if len(f.Missing) == 1 && f.Missing[0] == "release" {
		at = span{p.to, p.to.Add(c.o.Tolerance)}
	}
	if len(f.Missing) > 0 {
		if _, all := c.live.seats[p.agent].observed(at); all {
			c.unseen(f, at, false, true)
		}
		return
	}
	if seen.talking.IsZero() {
		return
	}
	live, rows := seen.over.Sub(seen.talking), p.talk.to.Sub(p.talk.from)
	if (live - rows).Abs() <= c.o.Tolerance {
		return
	}
	f.What, f.Live, f.Rows = comparison.TalkDiffers, seconds(live), seconds(rows)
	c.unseen(f, p.span.till(c.o.Tolerance), false, true)
}

// seconds has one digit behind the point.
func seconds(d time.Duration) float64 { return math.Round(d.Seconds()*10) / 10 }

// rowlessCalls looks for the rows of calls that were seen to begin in the window, and that its
// file does not have: they may be in a window beside it.
func (c *matcher) rowlessCalls(ctx context.Context, known map[place]bool) error {
	var lone []*liveCall
	var where span
	for _, x := range c.live.sortedCalls() {
		if c.holds(x.from) && !known[x.place] {
			lone, where = append(lone, x), where.with(c.live.whole(x))
		}
	}
	if len(lone) == 0 {
		return nil
	}
	others, waits, err := c.elsewhere(ctx, span{where.from.Add(-reach), where.to.Add(c.o.Tolerance)})
	if err != nil {
		return err
	}
	for _, x := range lone {
		if slices.ContainsFunc(others, func(o shelf) bool { return o.calls[x.place] > 0 }) {
			continue
		}
		c.rowless(comparison.Finding{What: comparison.CallNoRow, Agent: x.agent, CallID: x.call, At: x.from}, c.live.whole(x).to, waits && c.mayBeIn(x))
	}
	return nil
}

// goesOn reports whether the end of a call that began in the window was not seen, as far as
// was read.
func (c *matcher) goesOn() bool {
	for _, x := range c.live.calls {
		if c.holds(x.from) && x.over.IsZero() {
			return true
		}
	}
	return false
}

// mayBeIn reports whether a window that is not complete may have a call.
func (c *matcher) mayBeIn(x *liveCall) bool {
	return slices.ContainsFunc(c.said.Pending, func(w schemas.Window) bool {
		return span{w.From, w.To}.overlaps(c.live.whole(x).wider(c.o.Tolerance))
	})
}
