package view

import (
	"encoding/json"
	"fmt"
	"maps"
	"strings"
	"sync"
	"time"

	"aiccbridge/schemas"
)

// Stats counts what a consumer sees on the streams: agents by state, events,
// windows, rows, and what belongs to each call. It is safe for concurrent use.
type Stats struct {
	since time.Time

	mu      sync.Mutex
	states  map[string]schemas.State // agent → state
	events  int
	gaps    int
	windows map[schemas.Kind]int
	rows    map[schemas.Kind]int
	calls   map[string]*callStats
	last    string // the newest event, in words
}

// callStats is what the streams hold of one call.
type callStats struct {
	Events int
	Agents map[string]bool
	Rows   map[schemas.Kind]int
}

// NewStats returns stats of no message, which begin now.
func NewStats() *Stats {
	return &Stats{
		since: time.Now(), states: map[string]schemas.State{}, windows: map[schemas.Kind]int{},
		rows: map[schemas.Kind]int{}, calls: map[string]*callStats{},
	}
}

func (s *Stats) call(id string) *callStats {
	c := s.calls[id]
	if c == nil {
		c = &callStats{Agents: map[string]bool{}, Rows: map[schemas.Kind]int{}}
		s.calls[id] = c
	}
	return c
}

// Add counts one message. What does not decode is not counted: the comparison
// with the truth will tell.
func (s *Stats) Add(m schemas.Stored) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	switch typ := m.Get("ce-type"); {
	case typ == schemas.TypeEvent:
		var e schemas.Event
		if json.Unmarshal(m.Body, &e) == nil {
			s.event(e)
		}
	case typ == schemas.TypeGap:
		s.gaps++
	case typ == schemas.TypeWindowComplete:
		s.windows[kindOfSubject(m.Subject)]++
	case strings.HasPrefix(typ, schemas.TypeRow):
		kind := schemas.Kind(strings.TrimPrefix(typ, schemas.TypeRow))
		s.rows[kind]++
		var row struct {
			CallID string `json:"call_id"`
		}
		if json.Unmarshal(m.Body, &row) == nil && row.CallID != "" {
			s.call(row.CallID).Rows[kind]++
		}
	}
	return nil
}

func (s *Stats) event(e schemas.Event) {
	if e.State != "" {
		s.states[e.Agent] = e.State
	}
	if strings.HasPrefix(e.Type, "bridge.") {
		return
	}
	s.events++
	s.last = "agent " + e.Agent + " " + string(e.Group) + "." + e.Name
	if e.CallID != "" {
		c := s.call(e.CallID)
		c.Events++
		c.Agents[e.Agent] = true
	}
}

func kindOfSubject(subject string) schemas.Kind {
	if tokens := strings.Split(subject, "."); len(tokens) > 4 {
		return schemas.Kind(tokens[4])
	}
	return ""
}

// picture is the stats at one moment.
type picture struct {
	at      time.Time
	states  map[schemas.State]int
	events  int
	gaps    int
	windows map[schemas.Kind]int
	rows    map[schemas.Kind]int
	last    string
}

// sameAs reports whether nothing has arrived since before.
func (p picture) sameAs(before picture) bool {
	return p.events == before.events && p.gaps == before.gaps && maps.Equal(p.windows, before.windows) &&
		maps.Equal(p.rows, before.rows) && maps.Equal(p.states, before.states)
}

func (s *Stats) picture(now time.Time) picture {
	s.mu.Lock()
	defer s.mu.Unlock()
	p := picture{
		at: now, states: map[schemas.State]int{}, events: s.events, gaps: s.gaps, last: s.last,
		windows: maps.Clone(s.windows), rows: maps.Clone(s.rows),
	}
	for _, state := range s.states {
		p.states[state]++
	}
	return p
}

// Story tells of the call that the streams know best, in a sentence on two lines: rows of every
// kind, then the most events. It is empty when there is no call.
func (s *Stats) Story() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	id, best := "", callStats{}
	for call, c := range s.calls {
		if len(c.Rows) > len(best.Rows) || len(c.Rows) == len(best.Rows) && (c.Events > best.Events || c.Events == best.Events && call < id) {
			id, best = call, *c
		}
	}
	if id == "" {
		return ""
	}
	return fmt.Sprintf("One call, %s: %s with %s,\nand rows %s.", id, count(best.Events, "event"), count(len(best.Agents), "agent"), byKind(best.Rows))
}
