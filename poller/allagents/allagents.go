// Package allagents polls the events of all agents of a gateway's nodes, whoever signs them in.
//
//	node ◄──allagentevent── one goroutine per node ──► seat of each agent ──► record.Recorder
//
// Invariants:
//
//   - One poll per node is in flight, and the next begins after all is stored that the last one
//     brought: a poll takes its events away from everybody else, as one of a single agent does.
//   - An event is its workNo's. What names no agent, or is no event, is a dead letter.
//   - After a poll of unknown outcome each agent seen at that node in this ownership has a gap;
//     of the others nothing is known. An agent whose last owner did not stop in order has one
//     when first heard of.
//   - Whether the poll keeps agents signed in is not documented: whoever signs them in does.
//   - Gaps and back-off between polls are those of the polls of single agents.
package allagents

import (
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"sync"
	"time"

	"aiccbridge/internal/ccgateway"
	"aiccbridge/internal/retry"
	"aiccbridge/poller"
	"aiccbridge/poller/internal/insist"
	"aiccbridge/poller/record"
	"aiccbridge/poller/session"
	"aiccbridge/schemas"

	"github.com/cenkalti/backoff/v4"
	"golang.org/x/sync/errgroup"
)

const (
	defaultEventGap  = 200 * time.Millisecond // cec_07_1274: 200 to 500 ms between polls
	defaultIdleGap   = 400 * time.Millisecond
	defaultErrorGap  = 1100 * time.Millisecond // more than 1 s after a status other than 200
	maxErrorGap      = 15 * time.Second
	defaultHeartbeat = 5 * time.Minute
	upkeepEvery      = 20 * time.Second
	storesAtOnce     = 64 // agents of one answer
	codeWrongMode    = "000-001"
)

// errWrongMode says what to set where a gateway does not let all agents be polled.
var errWrongMode = errors.New("the gateway does not let all agents be polled at once (000-001): set EVENT_METHOD=AGENT_POLL and GET_EVENT_MODE=2 in the basic.properties of each node")

// errNobody is the error of a dead letter whose bytes name no agent, or stood where an event should.
var errNobody = errors.New("it is no event of an agent")

// Node is a node of the gateway.
type Node struct {
	Name string // for logs and alarms
	Poll func(ctx context.Context, ticket string) ccgateway.Poll
}

// Options are those of a tenant.
type Options struct {
	Nodes []Node
	// Ticket is the session that polls carry; "" and nil: none.
	Ticket func(ctx context.Context) string
	// Text returns what may be kept of what names no agent. nil: everything.
	Text func([]byte) []byte
	// Seat shows how the polls of a node stand.
	Seat func(node string) *session.Seat
}

// Desk has the tenant's agents in one ownership.
type Desk struct {
	o       Options
	pool    poller.Options
	record  *record.Tenant
	gapNext [2]time.Duration // after an answer without, and with events

	mu    sync.Mutex
	seats map[string]*seat
}

// seat is one agent's. The nodes take turns, should the agent sign in at another one.
type seat struct {
	agent string
	mu    sync.Mutex
	rec   *record.Recorder
	begun bool
}

// New returns the desk of an ownership, to be run once.
func New(o Options, pool poller.Options) *Desk {
	pool.ErrorGap, pool.Heartbeat = cmp.Or(pool.ErrorGap, defaultErrorGap), cmp.Or(pool.Heartbeat, defaultHeartbeat)
	return &Desk{
		o: o, pool: pool, record: record.NewTenant(pool.Record()), seats: map[string]*seat{},
		gapNext: [2]time.Duration{cmp.Or(pool.IdleGap, defaultIdleGap), cmp.Or(pool.EventGap, defaultEventGap)},
	}
}

// Loop cares for nobody: others do.
func (d *Desk) Loop(session.Agent, session.Parts) session.Runner { return idle{} }

type idle struct{}

func (idle) Run(intake, _ context.Context) { <-intake.Done() }

// Run polls all nodes until intake ends; the polls in flight end by themselves, and what they
// bring is stored until work ends. The error is a *record.Outgrown.
func (d *Desk) Run(intake, work context.Context) error {
	group, intake := errgroup.WithContext(intake)
	for _, n := range d.o.Nodes {
		group.Go(func() error { return d.poll(intake, work, n) })
	}
	if err := group.Wait(); err != nil {
		return err
	}
	return d.leave(work)
}

// node is the state of one node's loop.
type node struct {
	Node
	seen    map[string]*seat
	shown   *session.Seat
	trouble *insist.Trouble
	letters *insist.Trouble
	pauses  backoff.BackOff
	upkeep  time.Time // when it is due
}

// poll is the loop of one node. The error of work is none: the next owner says what is missing.
func (d *Desk) poll(intake, work context.Context, of Node) error {
	n := &node{Node: of, seen: map[string]*seat{}, shown: d.o.Seat(of.Name), trouble: insist.New(d.pool.Logger), letters: insist.New(d.pool.Logger),
		pauses: retry.NewBackOff(d.pool.ErrorGap*3/2, maxErrorGap), upkeep: time.Now().Add(upkeepEvery)}
	defer n.shown.Left()
	n.shown.Live()
	for intake.Err() == nil {
		ticket := ""
		if d.o.Ticket != nil {
			ticket = d.o.Ticket(work)
		}
		p := n.Poll(work, ticket)
		err := d.keep(work, n, p)
		if err == nil && time.Now().After(n.upkeep) {
			n.upkeep = time.Now().Add(upkeepEvery)
			err = d.each(work, n.seen, func(s *seat) error { return s.rec.Upkeep(work, d.pool.Heartbeat) })
		}
		if outgrown := (*record.Outgrown)(nil); errors.As(err, &outgrown) {
			return err
		}
		if err != nil {
			return nil // work ended
		}
		_ = retry.Wait(intake, d.pause(n, p)) // the loop looks
	}
	return nil
}

// pause is how long to wait after a poll; it says so when polls fail, or work again.
func (d *Desk) pause(n *node, p ccgateway.Poll) time.Duration {
	switch p.Outcome {
	case ccgateway.OutcomeEvent, ccgateway.OutcomeEmpty:
		n.pauses.Reset()
		n.shown.Good()
		n.trouble.Over("polls of all agents work again")
		if p.Outcome == ccgateway.OutcomeEvent {
			return d.gapNext[1]
		}
		return d.gapNext[0]
	}
	err := p.Err
	if p.Code == codeWrongMode {
		err = errWrongMode
	}
	n.shown.Failed(fmt.Errorf("node %s: %w", n.Name, err))
	n.trouble.On(cmp.Or(p.Code, p.Outcome.String()), err, "poll of all agents failed; trying again")
	return max(d.pool.ErrorGap, n.pauses.NextBackOff())
}

// keep stores what a poll brought, each agent's events in their order, and what it may have lost.
func (d *Desk) keep(ctx context.Context, n *node, p ccgateway.Poll) error {
	got := record.Receipt{Asked: p.SentAt, At: p.ReceivedAt}
	lists := map[string][]ccgateway.Event{}
	for _, e := range p.Events {
		if e.WorkNo == "" {
			p.Bad = append(p.Bad, e.Raw)
			continue
		}
		lists[e.WorkNo] = append(lists[e.WorkNo], e)
		n.seen[e.WorkNo] = d.seat(e.WorkNo)
	}
	if p.MayHaveLost && len(p.Body) > 0 {
		p.Bad = append(p.Bad, p.Body)
	}
	for _, item := range p.Bad {
		if err := d.letter(ctx, n, item, got.At); err != nil {
			return err
		}
	}
	here := map[string]*seat{}
	for agent := range lists {
		here[agent] = n.seen[agent]
	}
	err := d.each(ctx, here, func(s *seat) error {
		for _, e := range lists[s.agent] {
			if _, err := s.rec.Event(ctx, e, got); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil || !p.MayHaveLost {
		return err
	}
	detail := fmt.Sprintf("the poll of all agents of a node: %s", cmp.Or(p.Err, errors.New(p.Outcome.String())))
	return d.each(ctx, n.seen, func(s *seat) error {
		return s.rec.Gap(ctx, schemas.GapPollUnknown, got.Asked, got.At, detail, 0)
	})
}

func (d *Desk) seat(agent string) *seat {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.seats[agent] == nil {
		d.seats[agent] = &seat{agent: agent, rec: d.record.Recorder(agent, 0)}
	}
	return d.seats[agent]
}

// each calls f for seats, several at a time, each of which has been taken up.
func (d *Desk) each(ctx context.Context, seats map[string]*seat, f func(*seat) error) error {
	group := errgroup.Group{}
	group.SetLimit(storesAtOnce)
	for _, s := range seats {
		group.Go(func() error {
			s.mu.Lock()
			defer s.mu.Unlock()
			if err := s.begin(ctx); err != nil {
				return err
			}
			return f(s)
		})
	}
	return group.Wait()
}

// begin takes the agent up, once, and says what may be lost if the last owner did not stop.
func (s *seat) begin(ctx context.Context) error {
	if s.begun {
		return nil
	}
	last, err := s.rec.TakeUp(ctx)
	if err == nil && last.Epoch > 0 && !last.Final() && s.rec.Seq() == 0 {
		err = s.rec.Gap(ctx, schemas.GapUnclean, last.At, time.Now(), "the last owner did not release the agent", 0)
	}
	s.begun = err == nil
	return err
}

// letter keeps what is nobody's, for as long as it takes. One that can't be stored for good is in
// the log; the error is the context's.
func (d *Desk) letter(ctx context.Context, n *node, item json.RawMessage, at time.Time) error {
	kept := []byte(item)
	if d.o.Text != nil {
		kept = d.o.Text(kept)
	}
	sum := sha256.Sum256(kept)
	letter := schemas.NewDeadLetter(d.pool.Tenant, schemas.ReasonUndecodable, "poll of all agents: "+errNobody.Error(), at.UTC())
	letter.Keep(kept)
	m, err := d.pool.Names.DeadLetterMessage(letter, "allagents."+hex.EncodeToString(sum[:16]))
	if err == nil {
		err = n.letters.Insist(ctx, "publish", func(ctx context.Context) error { return d.pool.Store.Publish(ctx, m) })
	}
	return insist.Forgive(ctx, d.pool.Logger, err, "dead letter can't be stored")
}

// leave says of all who were heard of that this owner stops in order; one who was cut off does
// not. Who had signed out stays so.
func (d *Desk) leave(ctx context.Context) error {
	if ctx.Err() != nil {
		return nil
	}
	_ = d.each(ctx, d.seats, func(s *seat) error { // what fails does so because work ended
		if s.rec.Seq() == 0 {
			return nil
		}
		var content *record.SessionContent
		if s.rec.Standing.SignedOut() {
			out := record.AgentSignedOut
			content = &record.SessionContent{AgentState: &out}
		}
		return s.rec.Announce(ctx, schemas.EventLeft, content)
	})
	return nil
}
