package truthcheck

import (
	"cmp"
	"encoding/json"
	"maps"
	"slices"
	"strings"
	"time"

	"aiccbridge/internal/platformsim/truth"
	"aiccbridge/schemas"
)

// agentStream is what the stream holds of one agent, in its order.
type agentStream struct {
	numbers []number
	events  []storedEvent
	gaps    []gap
}

// number is the position of a message. A heartbeat may share that of the
// message before it.
type number struct {
	schemas.Position
	heartbeat bool
}

type storedEvent struct {
	schemas.Position
	key        uint64 // hash of type and content
	occurredMS int64  // 0: not known
	receivedAt time.Time
	eventType  string
}

// agentBody is what is read of the bodies on an agent's subjects.
type agentBody struct {
	Agent string `json:"agent"`
	schemas.Position

	Type       string          `json:"type"`
	OccurredAt time.Time       `json:"occurred_at"`
	ReceivedAt time.Time       `json:"received_at"`
	Content    json.RawMessage `json:"content"`

	From    time.Time `json:"from"`
	To      time.Time `json:"to"`
	MaxLost int       `json:"max_lost"`

	LastSeq   uint64 `json:"last_seq"`
	LastEpoch uint64 `json:"last_epoch"`

	Cause schemas.GapCause `json:"cause"`
}

func (c *Checker) agentMessage(m schemas.Stored) error {
	b, err := decode[agentBody](m)
	if err != nil {
		return err
	}
	id, typ := m.Get("ce-id"), m.Get("ce-type")
	if c.ids[id] {
		c.report.Events.RepeatedIDs++
		c.bad.add("agent %s: the id %s comes again as message %d", b.Agent, id, m.Sequence)
	}
	c.ids[id] = true
	s := c.agent(polled(id, b.Agent))
	s.numbers = append(s.numbers, number{b.Position, typ == schemas.TypeHeartbeat})
	switch {
	case typ == schemas.TypeGap:
		s.gaps = append(s.gaps, gap{b.From.Add(-gapSlack), b.To.Add(gapSlack), b.MaxLost, b.Cause == schemas.GapInferred,
			b.Cause == schemas.GapStoreDamaged, schemas.Position{Epoch: b.LastEpoch, Seq: b.LastSeq}})
	case typ == schemas.TypeEvent && !strings.HasPrefix(b.Type, "bridge."):
		c.platformEvent(s, b)
	}
	return nil
}

func (c *Checker) platformEvent(s *agentStream, b agentBody) {
	e := storedEvent{Position: b.Position, receivedAt: b.ReceivedAt, eventType: b.Type}
	if !b.OccurredAt.IsZero() {
		e.occurredMS = b.OccurredAt.UnixMilli()
	}
	var clear bool
	if e.key, clear = c.contents.read(b.Type, b.Content); clear {
		c.report.Events.Unredacted++
		c.bad.add("agent %s: event %d.%d (%s) holds a credential", b.Agent, b.Epoch, b.Seq, b.Type)
	}
	s.events = append(s.events, e)
}

func (c *Checker) agent(id string) *agentStream {
	s := c.agents[id]
	if s == nil {
		s = &agentStream{}
		c.agents[id] = s
	}
	return s
}

// polled is the agent whose poll brought a message: the one in its id
// (epoch.agent.seq), because an event may name another one.
func polled(id, named string) string {
	if parts := strings.SplitN(id, ".", 3); len(parts) == 3 {
		if agent, err := schemas.DecodeToken(parts[1]); err == nil {
			return agent
		}
	}
	return named
}

func (c *Checker) compareEvents(t truth.Snapshot, r *EventReport, p *problems) {
	popped := map[string][]truth.Event{}
	for _, e := range t.Events {
		popped[e.Agent] = append(popped[e.Agent], e)
	}
	agents := map[string]bool{}
	for agent := range popped {
		agents[agent] = true
	}
	for agent := range c.agents {
		agents[agent] = true
	}
	for _, agent := range slices.Sorted(maps.Keys(agents)) {
		s := c.agents[agent]
		if s == nil {
			s = &agentStream{}
		}
		r.Popped += len(popped[agent])
		r.Stored += len(s.events)
		r.Gaps += len(s.gaps)
		s.checkNumbers(agent, r, p)
		c.compareAgent(agent, popped[agent], s, r, p)
	}
}

// checkNumbers looks for holes, repeats and disorder in (epoch, seq).
func (s *agentStream) checkNumbers(agent string, r *EventReport, p *problems) {
	highest := map[uint64]uint64{}
	for _, n := range s.numbers {
		if n.Seq < highest[n.Epoch] {
			r.Misordered++
			p.add("agent %s: message %d.%d comes after %d.%d", agent, n.Epoch, n.Seq, n.Epoch, highest[n.Epoch])
		}
		highest[n.Epoch] = max(highest[n.Epoch], n.Seq)
	}
	sorted := slices.Clone(s.numbers)
	slices.SortStableFunc(sorted, func(a, b number) int { return byPosition(a.Position, b.Position) })
	last := schemas.Position{}
	for _, n := range sorted {
		if n.Epoch != last.Epoch {
			last = schemas.Position{Epoch: n.Epoch}
		}
		switch {
		case n.Seq == last.Seq && !n.heartbeat:
			r.RepeatedIDs++
			p.add("agent %s: two messages have the number %d.%d", agent, n.Epoch, n.Seq)
		case n.Seq > last.Seq+1 && !slices.ContainsFunc(s.gaps, func(g gap) bool { return g.explains(last, n.Position) }):
			r.Holes += int(n.Seq - last.Seq - 1)
			p.add("agent %s: no message has a number between %d.%d and %d.%d", agent, n.Epoch, last.Seq, n.Epoch, n.Seq)
		}
		last.Seq = n.Seq
	}
}

func byPosition(a, b schemas.Position) int {
	return cmp.Or(cmp.Compare(a.Epoch, b.Epoch), cmp.Compare(a.Seq, b.Seq))
}

func (c *Checker) compareAgent(agent string, popped []truth.Event, s *agentStream, r *EventReport, p *problems) {
	stored := slices.Clone(s.events)
	slices.SortStableFunc(stored, func(a, b storedEvent) int { return byPosition(a.Position, b.Position) })
	keys := make([]uint64, len(popped))
	known := make(map[uint64]bool, len(popped))
	for i, e := range popped {
		keys[i], _ = c.contents.read(e.Type, e.Content)
		known[keys[i]] = true
	}
	of := pair(popped, keys, stored)
	for j, i := range of {
		e := stored[j]
		switch {
		case i >= 0:
		case known[e.key]:
			r.Duplicated++
			p.add("agent %s: event %d.%d (%s) is stored once too often", agent, e.Epoch, e.Seq, e.eventType)
		default:
			r.Foreign++
			p.add("agent %s: event %d.%d (%s) was never popped like that", agent, e.Epoch, e.Seq, e.eventType)
		}
	}
	c.checkOrder(agent, stored, of, r, p)
	missed := lost(agent, popped, of)
	for _, g := range s.gaps {
		if !g.inferred {
			continue
		}
		r.Inferred++
		if !slices.ContainsFunc(missed, func(e LostEvent) bool { return g.covers(e.At) }) {
			r.Unfounded++
			p.add("agent %s: a gap until %s is inferred, but nothing was lost in it", agent, g.to.Add(-gapSlack).UTC().Format(time.RFC3339Nano))
		}
	}
	for _, e := range explain(missed, s.gaps) {
		r.Lost = append(r.Lost, e)
		if !e.Explained {
			r.UnexplainedLost++
			p.add("agent %s: event %d (%s), popped at %s, is neither stored nor in a gap", agent, e.N, e.Type, e.At.UTC().Format(time.RFC3339Nano))
		}
	}
}

// checkOrder looks for events that are not in the order of their pops. An owner of the past
// may have one on its way when another owner begins.
func (c *Checker) checkOrder(agent string, stored []storedEvent, of []int, r *EventReport, p *problems) {
	within := 0
	for from := 0; from < len(stored); {
		to := from + 1
		for to < len(stored) && stored[to].Epoch == stored[from].Epoch {
			to++
		}
		within += disorder(of[from:to])
		from = to
	}
	late := max(disorder(of)-within, 0)
	if r.Late += late; late > 0 && c.owners {
		late = 0
	}
	if r.Misordered += within; within+late > 0 {
		p.add("agent %s: %d events are not in the order in which they were popped", agent, within+late)
	}
}

func lost(agent string, popped []truth.Event, of []int) (out []LostEvent) {
	found := make([]bool, len(popped))
	for _, i := range of {
		if i >= 0 {
			found[i] = true
		}
	}
	for i, e := range popped {
		if !found[i] {
			out = append(out, LostEvent{Agent: agent, N: e.N, Type: e.Type, At: e.At, Fault: e.Fault})
		}
	}
	return out
}
