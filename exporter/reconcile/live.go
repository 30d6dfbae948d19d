package reconcile

import (
	"cmp"
	"slices"
	"time"

	"aiccbridge/schemas"
)

const (
	// lead is how long before a window live events are read: an agent that is observed has
	// said something since, if only by a heartbeat.
	lead = 15 * time.Minute
	// lag is how long after the last that the files have of a window they are read.
	lag = 10 * time.Minute
	// queued is how long before a gap the event may have happened that was lost in it: it may
	// have waited in the platform's queue.
	queued = 2 * time.Minute
	// hearing is how much later than it happened an event is received: where the platform
	// sends no times, that is all that is known.
	hearing = 5 * time.Second
)

// span is a stretch of time with both ends.
type span struct{ from, to time.Time }

func (s span) holds(t time.Time) bool { return !t.Before(s.from) && !t.After(s.to) }

func (s span) overlaps(o span) bool { return !s.from.After(o.to) && !o.from.After(s.to) }

// wider is the span with so much more at each end.
func (s span) wider(by time.Duration) span { return span{s.from.Add(-by), s.to.Add(by)} }

// place is an agent's part in a call.
type place struct{ agent, call string }

// live is what was seen of a tenant's agents around a window.
type live struct {
	until time.Time // as far as it was read
	seats map[string]*seat
	calls map[place]*liveCall
}

// seat is what was seen of one agent.
type seat struct {
	stretches  []span // in which it was observed without a break, as far as is known
	open       bool   // the last stretch goes on
	last       schemas.Position
	occurred   time.Time // when its last event happened
	heard      time.Time // what happened before has been taken from the platform's queue: its order is that of time
	gaps       []gap
	moments    []moment // states, holds and conferences, in their order
	recordings []liveRecording
}

// gap is a gap record, and when what was lost in it may have happened.
type gap struct {
	schemas.Position
	span
	at      time.Time // its end
	cause   schemas.GapCause
	bounded bool // one event was lost at most
}

// moment is something that operations tell of, too.
type moment struct {
	at    time.Time
	what  string        // "ready", or "call.hold"
	state schemas.State // "": it is no state
	late  time.Duration // it may have happened so much earlier
	used  bool          // an operation tells of it
}

// liveCall is what was seen of an agent's part in a call.
type liveCall struct {
	place
	span          // of its events
	talking, over time.Time
	releases      []time.Time
	late          time.Duration
}

// liveRecording is a recording that began.
type liveRecording struct {
	at, over time.Time // over: zero when its end was not seen
	call     string
	task     string
	used     bool
}

// settle finds the release that ended the talk, or the call.
func (c *liveCall) settle() {
	slices.SortFunc(c.releases, time.Time.Compare)
	for _, at := range c.releases {
		if c.over.IsZero() || c.over.Before(c.talking) {
			c.over = at
		}
	}
	if c.over.Before(c.talking) {
		c.over = time.Time{}
	}
}

// observed reports whether the agent was observed at all in a span, and all the time.
func (s *seat) observed(at span) (any, all bool) {
	if s == nil {
		return false, false
	}
	for _, x := range s.stretches {
		any = any || x.overlaps(at)
		all = all || x.holds(at.from) && x.holds(at.to)
	}
	return any, all
}

// gapIn is a gap in which what is missing in a span may have been lost; whole: more than one
// event is. Of those in which one event was lost at most it is none of taken.
func (s *seat) gapIn(at span, whole bool, taken map[*gap]bool) (found *gap) {
	bounded := 0
	for i := range s.gaps {
		g := &s.gaps[i]
		switch {
		case !g.wider(time.Second).overlaps(at):
		case !g.bounded:
			return g
		case whole || found == nil && !taken[g]: // the first: what follows is of later ones
			found = g
			bounded++
		}
	}
	if whole && bounded < 2 {
		return nil
	}
	return found
}

// next is when the agent's state changed after a time; zero: it is not known.
func (s *seat) next(after time.Time) (at time.Time) {
	for _, m := range s.moments {
		if m.state != "" && m.at.After(after) && (at.IsZero() || m.at.Before(at)) {
			at = m.at
		}
	}
	return at
}

// agents counts those who were observed in a window.
func (l *live) agents(w schemas.Window) (n int) {
	for _, s := range l.seats {
		if any, _ := s.observed(span{w.From, w.To}); any {
			n++
		}
	}
	return n
}

// whole is a call up to when it was over for its agent: at its release. Where none was seen, a
// later state says nothing, as states change within calls, too: the call goes on until a later
// one of the agent was over, and for [reach] at most.
func (l *live) whole(c *liveCall) span {
	if !c.over.IsZero() {
		return c.span.with(span{c.from, c.over})
	}
	s := c.till(reach)
	for _, later := range l.calls {
		if later.agent == c.agent && later.from.After(c.to) && !later.over.IsZero() && later.over.Before(s.to) {
			s.to = later.over
		}
	}
	return s
}

// sortedCalls are the calls by their begin.
func (l *live) sortedCalls() []*liveCall {
	all := make([]*liveCall, 0, len(l.calls))
	for _, c := range l.calls {
		all = append(all, c)
	}
	slices.SortFunc(all, func(a, b *liveCall) int {
		return cmp.Or(a.from.Compare(b.from), cmp.Compare(a.call, b.call), cmp.Compare(a.agent, b.agent))
	})
	return all
}
