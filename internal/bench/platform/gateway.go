package platform

import (
	"context"
	"fmt"
	"strconv"
	"sync"
	"sync/atomic"
	"time"
)

// Hold is how long an idle poll is held.
const Hold = 10 * time.Second

// gateway has every agent that is asked for. An event is made when it is handed out, so
// that its age is that of the answer.
type gateway struct {
	polls, events atomic.Int64
	flood         atomic.Bool // every poll has an event
	short         atomic.Bool // idle polls are answered at once

	mu     sync.Mutex
	agents map[string]*agent
	order  []*agent // as they came
	polled int      // agents that have been polled since the last reset
	since  time.Time
	newest time.Time     // when the last of them came
	joined chan struct{} // closed with each
	letGo  chan struct{} // closed to answer the polls that are held
	gaps   []float64     // seconds from an answer with an event to the next poll
}

type agent struct {
	id      string
	waiting chan struct{} // has a signal for each event that is to be handed out; room for a few
	seen    time.Time     // first poll since the last reset, of the gateway's
	said    time.Time     // when an event was answered and no poll has come since
	serial  int
}

func newGateway() *gateway {
	return &gateway{agents: map[string]*agent{}, since: time.Now(), joined: make(chan struct{}), letGo: make(chan struct{})}
}

// come notes a poll.
func (g *gateway) come(id string, now time.Time) (a *agent, letGo <-chan struct{}) {
	g.polls.Add(1)
	g.mu.Lock()
	defer g.mu.Unlock()
	a = g.agents[id]
	if a == nil {
		a = &agent{id: id, waiting: make(chan struct{}, 4)}
		g.agents[id] = a
		g.order = append(g.order, a)
	}
	if !a.said.IsZero() {
		g.gaps = append(g.gaps, now.Sub(a.said).Seconds())
		a.said = time.Time{}
	}
	if a.seen.Before(g.since) {
		a.seen, g.newest = now, now
		g.polled++
		close(g.joined)
		g.joined = make(chan struct{})
	}
	return a, g.letGo
}

// poll waits for an event and returns the answer's body.
func (g *gateway) poll(ctx context.Context, id string) string {
	const nothing = `{"message":"","retcode":"0"}`
	a, letGo := g.come(id, time.Now())
	if g.short.Load() {
		return nothing
	}
	if !g.flood.Load() {
		idle := time.NewTimer(Hold)
		defer idle.Stop()
		select {
		case <-a.waiting:
		case <-idle.C:
			return nothing
		case <-letGo:
			return nothing
		case <-ctx.Done():
			return nothing
		}
	}
	g.events.Add(1)
	now := time.Now()
	g.mu.Lock()
	a.serial++
	n := a.serial
	g.mu.Unlock()
	return event(id, n, now)
}

// setFlood has an event ready for every poll, also for those that are held.
func (g *gateway) setFlood(on bool) {
	g.flood.Store(on)
	g.short.Store(false)
	g.mu.Lock()
	defer g.mu.Unlock()
	for _, a := range g.order {
		select {
		case <-a.waiting: // what is left of another load
		default:
		}
		if on {
			a.waiting <- struct{}{}
		}
	}
}

// release answers the polls that are held, and further ones at once, until there is another
// load: who stops waits for his polls.
func (g *gateway) release() {
	g.short.Store(true)
	g.flood.Store(false)
	g.mu.Lock()
	defer g.mu.Unlock()
	close(g.letGo)
	g.letGo = make(chan struct{})
}

// answered notes that an event has been sent.
func (g *gateway) answered(id string) {
	now := time.Now()
	g.mu.Lock()
	if a := g.agents[id]; a != nil {
		a.said = now
	}
	g.mu.Unlock()
}

// Stamp begins what an event's content says of when it was handed out: nanoseconds.
const Stamp = `"bench":"`

// event is the n-th of an agent: calls, in turn with states.
func event(id string, n int, now time.Time) string {
	call := fmt.Sprintf(`"callid":"%d-%d"`, now.Unix()/60, n/5)
	kinds := [...][2]string{
		{"AgentEvent_Ringing", `"caller":"5550100","called":"5550199","feature":7,` + call},
		{"AgentEvent_Talking", `"caller":"5550100","called":"5550199","feature":7,` + call},
		{"AgentEvent_Customer_Release", `"number":"5550100",` + call},
		{"AgentState_Work", `"reason":"0"`},
		{"AgentState_Ready", `"reason":"0"`},
	}
	k := kinds[n%len(kinds)]
	return `{"message":"","retcode":"0","event":{"eventType":"` + k[0] + `","eventGenTime":` + strconv.FormatInt(now.UnixMilli(), 10) +
		`,"workNo":"` + id + `","content":{` + k[1] + `,` + Stamp + strconv.FormatInt(now.UnixNano(), 10) + `"}}}`
}

// produce makes events at a rate, for the agents in turn, until ctx ends.
func (g *gateway) produce(ctx context.Context, rate int) {
	const step = 2 * time.Millisecond
	tick := time.NewTicker(step)
	defer tick.Stop()
	start, made, next := time.Now(), 0, 0
	for {
		select {
		case <-ctx.Done():
			return
		case now := <-tick.C:
			g.mu.Lock()
			order := g.order
			g.mu.Unlock()
			for due := int(now.Sub(start).Seconds() * float64(rate)); made < due && len(order) > 0; made++ {
				next = (next + 1) % len(order)
				select {
				case order[next].waiting <- struct{}{}:
				default: // it has more than it takes
				}
			}
		}
	}
}

// reset begins a new count of agents and of gaps.
func (g *gateway) reset() {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.since, g.polled, g.gaps = time.Now(), 0, nil
	for _, a := range g.agents {
		a.said = time.Time{}
	}
}

// await returns when the n-th agent was first polled since the last reset.
func (g *gateway) await(ctx context.Context, n int) (time.Time, error) {
	for {
		g.mu.Lock()
		polled, newest, joined := g.polled, g.newest, g.joined
		g.mu.Unlock()
		if polled >= n {
			return newest, nil
		}
		select {
		case <-joined:
		case <-ctx.Done():
			return time.Time{}, fmt.Errorf("%d of %d agents are polled: %w", polled, n, ctx.Err())
		}
	}
}
