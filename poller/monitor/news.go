package monitor

import (
	"context"
	"time"

	"golang.org/x/sync/errgroup"

	"aiccbridge/internal/cccms"
	"aiccbridge/poller/record"
	"aiccbridge/schemas"
)

// news is that an agent is in another state.
type news struct {
	seat  *seat
	agent cccms.Agent // State NotSaid: not in the list
	state schemas.State
	cause record.UnknownCause // of who is not in the list
	when  span
	asked time.Time // when the look was asked for that showed it
}

// compare finds what is new in a list, by the agents' ids, and notes of the others that they
// were seen in their states.
func (m *Monitor) compare(list cccms.List, asked, answered time.Time) map[string]*news {
	all, there := map[string]*news{}, make(map[string]bool, len(list.Agents))
	empty := len(list.Agents) == 0
	whole := list.Whole && (!empty || m.empty) // an empty list may be a failure: the second one counts
	m.empty = empty
	for _, a := range list.Agents {
		there[a.ID] = true
		s := m.seat(a.ID)
		if s == nil {
			continue
		}
		if state := StateOf(a.State); state != s.state {
			n := &news{seat: s, agent: a, state: state, asked: asked, when: s.changed(state, answered)}
			n.when = n.when.within(began(a, asked, answered))
			all[a.ID] = n
			continue
		}
		s.shown, s.before = asked, ""
	}
	for id, s := range m.seats {
		cause := record.UnknownNotConfigured
		if !whole {
			cause = record.UnknownUnseen
		}
		if !there[id] && s.state != schemas.StateUnknown && (whole || m.unseen(s, answered)) {
			all[id] = &news{
				seat: s, agent: cccms.Agent{ID: id, State: cccms.NotSaid, Reason: -1}, state: schemas.StateUnknown,
				cause: cause, asked: asked, when: s.changed(schemas.StateUnknown, answered),
			}
		}
	}
	return all
}

// unseen reports that no look has shown the agent for two intervals.
func (m *Monitor) unseen(s *seat, now time.Time) bool {
	last := s.shown
	if last.Before(m.began) {
		last = m.began
	}
	return !now.Before(last.Add(2 * m.o.Interval))
}

// changed is when the agent came to a state in which he was not seen before. Nothing is known to
// have changed for one who is where he was before looks failed.
func (s *seat) changed(state schemas.State, answered time.Time) span {
	if state == s.before {
		return span{}
	}
	after := s.shown
	if after.IsZero() { // another owner saw it
		after = s.record.Standing.Known().Since
	}
	return span{after, answered}
}

// refine asks of those in other states since when they are. What can't be had is no harm.
func (m *Monitor) refine(ctx context.Context, all map[string]*news) {
	var ids []string
	for id, n := range all {
		if n.agent.State != cccms.NotSaid && n.agent.For < 0 {
			ids = append(ids, id)
		}
	}
	if len(ids) == 0 {
		return
	}
	ctx, cancel := context.WithTimeout(ctx, m.o.Interval)
	defer cancel()
	asked := time.Now()
	details, err := m.o.Platform.Details(ctx, ids)
	answered := time.Now()
	if err != nil {
		m.o.Logger.Debug().Err(err).Msg("platform does not say since when agents are in their states")
		return
	}
	for _, d := range details {
		if n := all[d.ID]; n != nil && d.State == n.agent.State { // who has gone on meanwhile is seen next time
			n.agent = d
			n.when = n.when.within(began(d, asked, answered))
		}
	}
}

// publish stores what is new. The error is work's.
func (m *Monitor) publish(work context.Context, all map[string]*news, now time.Time) error {
	group := errgroup.Group{}
	group.SetLimit(atOnce)
	for _, n := range all {
		group.Go(func() error {
			s := n.seat
			content := contentOf(n.agent, s.state)
			if n.agent.State == cccms.NotSaid {
				content = record.SeenContent{Was: s.state, Cause: n.cause}
			}
			seen := record.Seen{State: n.state, After: n.when.after, Before: n.when.before, At: now, Content: content}
			if err := s.record.Saw(work, seen); err != nil {
				return err
			}
			s.state, s.before, s.shown = n.state, "", n.asked
			return nil
		})
	}
	return group.Wait()
}
