package gateway

import (
	"context"
	"encoding/json"
	"io"
	"net/http"
	"time"

	"aiccbridge/internal/platformsim/fault"
	"aiccbridge/internal/platformsim/gateway/wire"
	"aiccbridge/internal/platformsim/world"
)

// poll is GET agentevent/{agentid} (page cec_07_1274).
func (g *Gateway) poll(w http.ResponseWriter, r *http.Request) {
	// Only once the body is read does the server notice a client that leaves.
	if _, err := io.Copy(io.Discard, r.Body); err != nil {
		g.answer(w, "000-006", wire.Pair{})
		return
	}
	s := g.entered(w, r, wire.Pair{})
	if s == nil {
		return
	}
	if s.posting != nil || g.o.AllAgents {
		g.answer(w, "000-001", wire.Pair{})
		return
	}
	if g.o.Faults.First(occasion(r, agentEvent), unknownType) != nil {
		s.first(g.stranger())
	}
	p, f, out := s.next(r.Context(), func() *fault.Rule { return g.afterwards(r) })
	switch out {
	case clientGone:
		cut(w) // or the gateway stops: an empty 200 would be a lie
		return
	case sessionOver:
		g.farewell(w, s)
		return
	}
	s.rotate(w.Header())
	if out == gotNothing {
		g.answer(w, "0", g.o.Shape.NoEvent())
		return
	}
	g.hand(w, r, p, f)
}

// hand sends an event that was taken, whole or damaged.
func (g *Gateway) hand(w http.ResponseWriter, r *http.Request, p popped, f *fault.Rule) {
	body := g.o.Shape.Envelope("0", wire.Member("event", g.o.Shape.Event(p.session.agent, p.Event)))
	whole := r.Context().Err() == nil
	if f != nil {
		whole = g.damage(w, r, f, body) && whole
	} else {
		whole = send(w, jsonType, body) == nil && whole
	}
	if !whole {
		g.o.Truth.Cut(p.session.agent, p.n)
	}
}

// stranger is an event of an unknown type.
func (g *Gateway) stranger() world.Event {
	return world.Event{
		At: g.o.Now(), Type: "AgentFuture_Something_New",
		Content: json.RawMessage(`{"level":3,"parts":[{"a":"1"},{"a":2}],"note":null}`),
	}
}

// farewell answers a session that was ended from outside: once with the
// event, if wished, then with the code.
func (g *Gateway) farewell(w http.ResponseWriter, s *session) {
	if g.o.ShutdownEvent && g.layGhost(s) {
		s.mu.Lock()
		s.queue = append(s.queue, s.shutdown())
		p := s.pop(nil)
		s.mu.Unlock()
		if send(w, jsonType, g.o.Shape.Envelope("0", wire.Member("event", g.o.Shape.Event(s.agent, p.Event)))) != nil {
			g.o.Truth.Cut(s.agent, p.n)
		}
		return
	}
	g.answer(w, s.endCode(), wire.Pair{})
}

// layGhost reports, once, that s was displaced and has not been told.
func (g *Gateway) layGhost(s *session) bool {
	st := g.slot(s.agent)
	if st == nil {
		return false
	}
	st.mu.Lock()
	defer st.mu.Unlock()
	if st.ghost != s || s.told {
		return false
	}
	s.told = true
	return true
}

func (s *session) endCode() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.ended
}

// maxAllAgents bounds one answer of allagentevent.
const maxAllAgents = 1000

// pollAll is GET agentevent/allagentevent: a list of events of all agents,
// with the GUID of any of them.
func (g *Gateway) pollAll(w http.ResponseWriter, r *http.Request) {
	if !g.o.AllAgents {
		g.answer(w, "000-001", wire.Pair{})
		return
	}
	value := r.Header.Get("Guid")
	var who *session
	for _, s := range g.sessions() {
		if s.knows(value, g.o.Now()) {
			who = s
		}
	}
	if who == nil {
		g.answer(w, "000-003", wire.Pair{})
		return
	}
	if g.o.AnyRequestCounts {
		who.seen()
	}
	list := g.collect(r.Context(), who.node)
	if r.Context().Err() != nil && len(list) == 0 {
		return
	}
	who.rotate(w.Header())
	if len(list) == 0 {
		g.answer(w, "0", g.o.Shape.NoEvent())
		return
	}
	items := make([][]byte, len(list))
	for i, p := range list {
		items[i] = g.o.Shape.Event(p.session.agent, p.Event)
	}
	if send(w, jsonType, g.o.Shape.Envelope("0", wire.Member("event", wire.Array(items)))) != nil {
		for _, p := range list {
			g.o.Truth.Cut(p.session.agent, p.n)
		}
	}
}

// collect takes what all queues of a node hold, waiting for the first event step by
// step, at most for the hold.
func (g *Gateway) collect(ctx context.Context, at node) []popped {
	step := time.NewTicker(g.o.WaitInterval)
	defer step.Stop()
	for n := 0; ; n++ {
		var list []popped
		for _, s := range g.sessions() {
			if s.node != at || s.posting != nil {
				continue
			}
			if g.o.AllAgentsCounts {
				s.seen()
			}
			for len(list) < maxAllAgents {
				p, _, out, _ := s.take(ctx, func() *fault.Rule { return nil })
				if out != gotEvent {
					break
				}
				list = append(list, p)
			}
		}
		if len(list) > 0 || g.o.NoHold || n >= g.o.WaitTimes {
			return list
		}
		select {
		case <-ctx.Done():
			return nil
		case <-step.C:
		}
	}
}
