package reconcile

import (
	"cmp"
	"context"
	"maps"
	"slices"
	"strings"
	"time"

	"aiccbridge/schemas"
	"aiccbridge/schemas/comparison"
)

// operations are the types of operations that an event tells of, too (cec_07_0838): the state
// that they begin, or the event's group and name. Others tell of what no event does, or of
// calls, which are compared by their records.
var operations = map[int]string{
	2: string(schemas.StateReady), 3: string(schemas.StateNotReady), 26: string(schemas.StateRest), 27: string(schemas.StateWrapup),
	10: "call.conference", 38: "call.hold",
}

// operated reports an event of which there is an operation.
func operated(name string) bool {
	for _, what := range operations {
		if what == name {
			return true
		}
	}
	return false
}

// closing is what only an operation tells of, in a gap.
type closing struct {
	row  row
	what string
	gap  *gap
}

// states compares agent operations with the state events that were seen.
func (c *matcher) states(ctx context.Context) error {
	rows := slices.DeleteFunc(slices.Clone(c.rows), func(x row) bool { return x.what() == "" || x.Agent == "" || x.Begin.IsZero() })
	slices.SortFunc(rows, func(a, b row) int { return cmp.Or(a.Begin.Compare(b.Begin), cmp.Compare(a.id, b.id)) })
	seen := c.match(rows)
	for i, x := range rows {
		if seen[i] {
			c.both()
		} else {
			c.stateUnseen(x)
		}
	}
	c.gaps()
	return c.rowlessStates(ctx)
}

// what an operation tells of; "": of nothing that an event tells.
func (r row) what() string {
	if r.OpType == nil {
		return ""
	}
	return operations[*r.OpType]
}

// pair is an operation and an event that may be of the same.
type pair struct {
	row   int
	event *moment
	apart time.Duration
}

// match finds the operations of which an event told: those that are nearest to one another
// first, each event once.
func (c *matcher) match(rows []row) (seen []bool) {
	var pairs []pair
	for i, x := range rows {
		s := c.live.seats[x.Agent]
		if s == nil {
			continue
		}
		for j := range s.moments {
			m := &s.moments[j]
			apart := m.from(x.Begin)
			if x.vague() {
				apart = min(apart, m.from(x.Begin.Add(-time.Hour)), m.from(x.Begin.Add(time.Hour)))
			}
			if m.what == x.what() && apart <= c.o.Tolerance {
				pairs = append(pairs, pair{i, m, apart})
			}
		}
	}
	slices.SortStableFunc(pairs, func(a, b pair) int { return cmp.Compare(a.apart, b.apart) })
	seen = make([]bool, len(rows))
	for _, p := range pairs {
		if !seen[p.row] && !p.event.used {
			seen[p.row], p.event.used = true, true
		}
	}
	return seen
}

// from is how far an event is from a time in whole seconds.
func (m moment) from(second time.Time) time.Duration {
	return max(0, second.Sub(m.at), m.at.Sub(second.Add(time.Second+m.late)))
}

// stateUnseen counts an operation of which no event told. One within a gap closes it.
func (c *matcher) stateUnseen(x row) {
	at := span{x.Begin, x.Begin.Add(c.o.Tolerance)}
	seat := c.live.seats[x.Agent]
	if _, all := seat.observed(at); !all || x.vague() { // clocks changed: nobody knows when it was
		c.said.NotObserved++
		return
	}
	f := comparison.Finding{What: comparison.StateNotSeen, Agent: x.Agent, CallID: x.Call, At: x.Begin, Row: x.id, Name: x.what()}
	if g := c.unseen(f, at, false, false); g != nil {
		c.closed = append(c.closed, closing{x, x.what(), g})
	}
}

// isState reports whether an operation tells of a state.
func isState(what string) bool { return !strings.Contains(what, ".") }

// gaps names those of the window, and what the operations tell of each.
func (c *matcher) gaps() {
	for agent, s := range c.live.seats {
		for i := range s.gaps {
			g := &s.gaps[i]
			if !c.holds(g.at) {
				continue
			}
			f := comparison.Finding{What: comparison.Gap, Agent: agent, At: g.at, Name: string(g.cause), Gap: g.Position}
			for _, x := range c.closed {
				if x.gap == g {
					f.Missing = append(f.Missing, x.what)
				}
			}
			c.said.Gaps++
			if len(f.Missing) > 0 {
				c.said.Closed++
			}
			c.found = append(c.found, f)
		}
	}
}

// rowlessStates are those that were seen to begin in the window, and no operation tells of.
// One that changes nothing, or lasts no longer than the tolerance, needs none.
func (c *matcher) rowlessStates(ctx context.Context) error {
	w := span{c.said.Window.From, c.said.Window.To}
	for _, agent := range slices.Sorted(maps.Keys(c.live.seats)) {
		s, before := c.live.seats[agent], schemas.State("")
		for _, m := range s.moments {
			same := m.state != "" && m.state == before
			if m.state != "" {
				before = m.state
			}
			over := s.next(m.at)
			brief := !over.IsZero() && over.Sub(m.at) <= c.o.Tolerance
			if m.what == "" || m.used || same || brief || m.state == schemas.StateOnCall || !c.holds(m.at) {
				continue
			}
			beside, waits, err := c.beside(ctx, w, agent, m)
			switch {
			case err != nil:
				return err
			case !beside:
				c.rowless(comparison.Finding{What: comparison.StateNoRow, Agent: agent, At: m.at, Name: m.what}, over, waits)
			}
		}
	}
	return nil
}

// beside reports whether the operation of a state at an edge of the window is in the file
// beside it, and whether that is yet to come.
func (c *matcher) beside(ctx context.Context, w span, agent string, m moment) (found, waits bool, err error) {
	near := span{m.at.Add(-m.late), m.at}.wider(c.o.Tolerance)
	if w.holds(near.from) && near.to.Before(w.to) {
		return false, false, nil
	}
	others, waits, err := c.elsewhere(ctx, near)
	for _, o := range others {
		found = found || slices.ContainsFunc(o.operations[agent], func(x operation) bool {
			return x.what == m.what && near.overlaps(span{x.begin, x.begin.Add(time.Second)})
		})
	}
	return found, waits, err
}
