package main

import (
	"encoding/json"
	"maps"
	"strings"
	"sync"
	"time"

	"aiccbridge/schemas"
)

// tally counts what a consumer sees on the streams: agents by state, events,
// windows, rows, and what belongs to each call. It is safe for concurrent use.
type tally struct {
	mu      sync.Mutex
	states  map[string]schemas.State // agent → state
	events  int
	gaps    int
	windows map[schemas.Kind]int
	rows    map[schemas.Kind]int
	calls   map[string]*callTally
	last    string // the newest event, in words
}

// callTally is what the streams hold of one call.
type callTally struct {
	Events int
	Agents map[string]bool
	Rows   map[schemas.Kind]int
}

func newTally() *tally {
	return &tally{
		states: map[string]schemas.State{}, windows: map[schemas.Kind]int{},
		rows: map[schemas.Kind]int{}, calls: map[string]*callTally{},
	}
}

func (t *tally) call(id string) *callTally {
	c := t.calls[id]
	if c == nil {
		c = &callTally{Agents: map[string]bool{}, Rows: map[schemas.Kind]int{}}
		t.calls[id] = c
	}
	return c
}

// add counts one message. What does not decode is not counted: the comparison
// with the truth will tell.
func (t *tally) add(m schemas.Stored) error {
	t.mu.Lock()
	defer t.mu.Unlock()
	switch typ := m.Get("ce-type"); {
	case typ == schemas.TypeEvent:
		var e schemas.Event
		if json.Unmarshal(m.Body, &e) == nil {
			t.event(e)
		}
	case typ == schemas.TypeGap:
		t.gaps++
	case typ == schemas.TypeWindowComplete:
		t.windows[kindOfSubject(m.Subject)]++
	case strings.HasPrefix(typ, schemas.TypeRow):
		kind := schemas.Kind(strings.TrimPrefix(typ, schemas.TypeRow))
		t.rows[kind]++
		var row struct {
			CallID string `json:"call_id"`
		}
		if json.Unmarshal(m.Body, &row) == nil && row.CallID != "" {
			t.call(row.CallID).Rows[kind]++
		}
	}
	return nil
}

func (t *tally) event(e schemas.Event) {
	if e.State != "" {
		t.states[e.Agent] = e.State
	}
	if strings.HasPrefix(e.Type, "bridge.") {
		return
	}
	t.events++
	t.last = "agent " + e.Agent + " " + string(e.Group) + "." + e.Name
	if e.CallID != "" {
		c := t.call(e.CallID)
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

// picture is a tally at one moment.
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

func (t *tally) picture(now time.Time) picture {
	t.mu.Lock()
	defer t.mu.Unlock()
	p := picture{
		at: now, states: map[schemas.State]int{}, events: t.events, gaps: t.gaps, last: t.last,
		windows: maps.Clone(t.windows), rows: maps.Clone(t.rows),
	}
	for _, s := range t.states {
		p.states[s]++
	}
	return p
}

// story picks the call that the streams know best: rows of every kind, then the
// most events.
func (t *tally) story() (id string, best callTally, ok bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	for call, c := range t.calls {
		if len(c.Rows) > len(best.Rows) || len(c.Rows) == len(best.Rows) && (c.Events > best.Events || c.Events == best.Events && call < id) {
			id, best, ok = call, *c, true
		}
	}
	return id, best, ok
}
