package reconcile

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
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

// heard is what is read of an agent's messages.
type heard struct {
	Agent      string           `json:"agent"`
	Type       string           `json:"type"`
	Group      schemas.Group    `json:"group"`
	Name       string           `json:"name"`
	State      schemas.State    `json:"state"`
	CallID     string           `json:"call_id"`
	TaskID     string           `json:"task_id"`
	Named      string           `json:"named_agent"`
	Via        schemas.Way      `json:"via"`
	Repeated   bool             `json:"repeated"`
	Proof      *schemas.Proof   `json:"reconstructed"` // it did not come live
	OccurredAt time.Time        `json:"occurred_at"`
	ReceivedAt time.Time        `json:"received_at"`
	At         time.Time        `json:"at"` // of a heartbeat
	From       time.Time        `json:"from"`
	To         time.Time        `json:"to"`
	Cause      schemas.GapCause `json:"cause"`
	MaxLost    int              `json:"max_lost"`
	schemas.Position
}

// when is the time of an event, and how much earlier it may have been.
func (h heard) when() (at time.Time, late time.Duration) {
	if !h.OccurredAt.IsZero() {
		return h.OccurredAt, 0
	}
	return h.ReceivedAt, hearing
}

// errEnough ends a reading.
var errEnough = errors.New("enough was read")

// look reads what was seen from some time before a window on, to a time.
func (r *Reconciler) look(ctx context.Context, w schemas.Window, until time.Time) (*live, error) {
	l := &live{until: until, seats: map[string]*seat{}, calls: map[place]*liveCall{}}
	err := r.o.Events(ctx, w.From.Add(-lead), func(m schemas.Stored) error {
		if m.StoredAt.After(until) {
			return errEnough
		}
		var h heard // of agents whose states are looked up no calls are seen
		if json.Unmarshal(m.Body, &h) == nil && h.Agent != "" && h.Via != schemas.WayMonitor {
			l.hear(m.Get("ce-type"), h)
		}
		return nil
	})
	if err != nil && !errors.Is(err, errEnough) {
		return nil, err
	}
	for _, c := range l.calls {
		c.settle()
	}
	return l, nil
}

func (l *live) hear(typ string, h heard) {
	s := l.seats[h.Agent]
	if s == nil {
		s = &seat{}
		l.seats[h.Agent] = s
	}
	switch typ {
	case schemas.TypeGap:
		s.follow(h.Position, h.To)
		s.gap(h)
	case schemas.TypeHeartbeat:
		s.follow(h.Position, h.At)
	case schemas.TypeEvent:
		s.follow(h.Position, h.ReceivedAt)
		if h.Type == schemas.EventSignedOut || h.Type == schemas.EventLeft {
			s.open = false
			if h.Type == schemas.EventSignedOut { // who is only left works on
				s.moments = append(s.moments, moment{at: h.ReceivedAt, state: schemas.StateSignedOut})
			}
			return
		}
		if h.Type == schemas.EventStatus && h.ReceivedAt.After(s.heard) { // it is asked for when the queue is empty
			s.heard = h.ReceivedAt
		}
		if h.Group == schemas.GroupSession || h.Named != "" || h.Repeated || h.Proof != nil {
			return
		}
		l.event(s, h)
	}
}

// follow notes that the agent was observed from its last message to this one, unless it was
// signed out meanwhile or messages are missing between the two.
func (s *seat) follow(p schemas.Position, at time.Time) {
	broken := p.Epoch == s.last.Epoch && p.Seq > s.last.Seq+1
	if !s.open || broken {
		s.stretches = append(s.stretches, span{at, at})
	}
	end := &s.stretches[len(s.stretches)-1]
	if at.After(end.to) {
		end.to = at
	}
	s.open, s.last = true, p
}

func (s *seat) gap(h heard) {
	g := gap{Position: h.Position, span: span{h.From, h.To}, at: h.To, cause: h.Cause, bounded: h.MaxLost == 1}
	earliest := h.From.Add(-queued)
	if s.occurred.After(earliest) {
		earliest = s.occurred
	}
	if earliest.Before(g.from) {
		g.from = earliest
	}
	s.gaps = append(s.gaps, g)
}

// event takes an event of the platform.
func (l *live) event(s *seat, h heard) {
	at, late := h.when()
	s.occurred = at
	if known := at.Add(-late); known.After(s.heard) {
		s.heard = known
	}
	name := string(h.Group) + "." + h.Name
	switch {
	case h.Group == schemas.GroupState && h.State != "":
		s.moments = append(s.moments, moment{at: at, what: string(h.State), state: h.State, late: late})
	case operated(name):
		s.moments = append(s.moments, moment{at: at, what: name, late: late})
	case name == "media.record":
		s.recordings = append(s.recordings, liveRecording{at: at, call: h.CallID, task: h.TaskID})
	case name == "media.stop_record_done":
		for i := len(s.recordings) - 1; i >= 0; i-- {
			if r := &s.recordings[i]; r.task == h.TaskID && r.over.IsZero() {
				r.over = at
				break
			}
		}
	}
	if h.CallID != "" && slices.Contains(ofCalls, h.Group) {
		l.call(place{h.Agent, h.CallID}, name, at, late)
	}
}

// ofCalls are the groups of events that show that an agent is in a call.
var ofCalls = []schemas.Group{schemas.GroupCall, schemas.GroupChat, schemas.GroupMedia}

// releases are the events that end an agent's part in a call.
var releases = []string{
	"call.call_release", "call.customer_release", "call.call_out_fail", "call.inside_call_fail", "call.connect_fail",
	"call.consult_fail", "call.no_answer", "call.abandon_call", "chat.disconnected",
}

func (l *live) call(p place, name string, at time.Time, late time.Duration) {
	c := l.calls[p]
	if c == nil {
		c = &liveCall{place: p, span: span{at, at}, late: late}
		l.calls[p] = c
	}
	if at.Before(c.from) {
		c.from = at
	}
	if at.After(c.to) {
		c.to = at
	}
	switch {
	case (name == "call.talking" || name == "chat.connected") && c.talking.IsZero():
		c.talking = at
	case slices.Contains(releases, name):
		c.releases = append(c.releases, at)
	}
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
