package ask

import (
	"bytes"
	"context"
	"errors"
	"slices"
	"strconv"
	"strings"
	"time"

	"aiccbridge/schemas"
)

// live reads the events: first those that name the call, of all agents; then what else its
// agents did meanwhile.
func (q Questions) live(ctx context.Context, s *story) error {
	s.spans = map[string]*stay{}
	err := q.eventsOf(ctx, q.Names.Agents(s.Tenant), s.From, s.To, func(m schemas.Stored) error {
		if m.Get("ce-type") != schemas.TypeEvent || !bytes.Contains(m.Body, []byte(`"`+s.CallID+`"`)) {
			return nil
		}
		e, err := read[schemas.Event](m)
		if err == nil {
			s.named(e, q.where(m))
		}
		return err
	})
	for agent, stay := range s.spans {
		if err != nil {
			break
		}
		err = q.beside(ctx, s, agent, *stay)
	}
	return err
}

// where is where an agent's message is.
func (q Questions) where(m schemas.Stored) string {
	return q.Names.Stream(schemas.StreamEvents) + "/" + strconv.FormatUint(m.Sequence, 10)
}

// eventsOf reads the messages of agents that were made between two times.
func (q Questions) eventsOf(ctx context.Context, filter string, from, to time.Time, f func(schemas.Stored) error) error {
	err := q.Hub.ReadSince(ctx, schemas.StreamEvents, filter, from, func(m schemas.Stored) error {
		made, _ := time.Parse(time.RFC3339Nano, m.Get("ce-time"))
		if m.StoredAt.After(to.Add(late)) && made.After(to) {
			return errEnough
		}
		return f(m)
	})
	if errors.Is(err, errEnough) {
		return nil
	}
	return err
}

// named takes an event that names the call: as its own or, as orgCallId say, as another one.
func (s *story) named(e schemas.Event, where string) {
	at := occurred(e)
	m := Moment{At: at, Source: SourceEvent, Agent: e.Agent, What: inWords(e), Type: e.Type, Where: where}
	if e.CallID != s.CallID {
		m.Call = e.CallID
	}
	if e.Type == "AgentEvent_Offline_Queue_Call" {
		s.Linked = append(s.Linked, Link{How: "offline_callback", Agent: e.Agent, CallID: m.Call})
	}
	s.spans[e.Agent] = s.spans[e.Agent].with(at)
	s.Moments = append(s.Moments, m)
}

// occurred is when an event occurred, or was received where the platform sends no times.
func occurred(e schemas.Event) time.Time {
	if e.OccurredAt.IsZero() {
		return e.ReceivedAt
	}
	return e.OccurredAt
}

// beside takes what an agent of the call did meanwhile, and first behind it: states, and
// consultations; and what of it may be missing.
func (q Questions) beside(ctx context.Context, s *story, agent string, during stay) error {
	next := false // its next state has come
	return q.eventsOf(ctx, q.Names.Agent(s.Tenant, agent), during.from, during.to.Add(behind), func(m schemas.Stored) error {
		switch m.Get("ce-type") {
		case schemas.TypeEvent:
			e, err := read[schemas.Event](m)
			if err == nil && e.CallID != s.CallID {
				s.meanwhile(e, q.where(m), during, &next)
			}
			return err
		case schemas.TypeGap:
			g, err := read[schemas.Gap](m)
			if err == nil && g.From.Before(during.to) && g.To.After(during.from) {
				s.tell(g.From, SourceGap, agent, "events may be missing until "+g.To.Format("15:04:05.000")+" ("+string(g.Cause)+")", "")
			}
			return err
		}
		return nil
	})
}

// meanwhile takes an event of an agent that names another call, or none.
func (s *story) meanwhile(e schemas.Event, where string, during stay, next *bool) {
	at := occurred(e)
	after := at.After(during.to)
	switch {
	case at.Before(during.from) || after && *next:
	case e.CallID == "" && e.State != "":
		*next = after // to wrap up, say
		s.Moments = append(s.Moments, Moment{At: at, Source: SourceEvent, Agent: e.Agent, What: inWords(e), Type: e.Type, Where: where})
	case !after && e.CallID != "" && e.CallRole == "assistant":
		s.link(e, at, where)
	}
}

// link takes a consultation.
func (s *story) link(e schemas.Event, at time.Time, where string) {
	s.Moments = append(s.Moments, Moment{At: at, Source: SourceEvent, Agent: e.Agent, What: inWords(e), Type: e.Type, Call: e.CallID, Where: where})
	if l := (Link{CallID: e.CallID, How: "consultation", Agent: e.Agent}); !slices.Contains(s.Linked, l) {
		s.Linked = append(s.Linked, l)
	}
}

func (s *stay) with(at time.Time) *stay {
	if s == nil {
		return &stay{at, at}
	}
	if at.Before(s.from) {
		s.from = at
	}
	if at.After(s.to) {
		s.to = at
	}
	return s
}

// inWords is what an event says.
func inWords(e schemas.Event) string {
	text := strings.ReplaceAll(e.Name, "_", " ")
	if e.State != "" && string(e.State) != e.Name {
		text += ", " + strings.ReplaceAll(string(e.State), "_", " ")
	}
	if e.CallRole == "assistant" {
		text += " (consultation)"
	}
	if e.Reason != "" {
		text += ", reason " + e.Reason
	}
	return text
}
