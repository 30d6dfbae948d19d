package reconcile

import (
	"context"
	"encoding/json"
	"errors"
	"slices"
	"time"

	"aiccbridge/schemas"
)

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
