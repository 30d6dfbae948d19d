package record

import (
	"cmp"
	"context"
	"encoding/json"
	"time"

	"aiccbridge/poller/internal/insist"
	"aiccbridge/schemas"
	"aiccbridge/schemas/events"
)

// Seen is a state that nobody told: the platform was asked where the agent stands.
type Seen struct {
	State schemas.State
	// After and Before bound when it began: zero where nothing is known.
	After, Before time.Time
	At            time.Time // when it was seen
	Content       SeenContent
	// Proof is for an agent whose events come live: it says why this one did not. nil: they
	// never do.
	Proof *schemas.Proof
}

// SeenContent is the content of an event of that kind.
type SeenContent struct {
	CTIState *int          `json:"ctiState,omitempty"` // the platform's number (cec_07_0697); nil: it said none
	Reason   string        `json:"reason,omitempty"`   // of a rest or a sign-out, the platform's number
	Was      schemas.State `json:"was,omitempty"`      // the state before
	Cause    UnknownCause  `json:"cause,omitempty"`    // why the state is unknown
}

// UnknownCause says why a state that was looked for is unknown.
type UnknownCause string

// The causes.
const (
	UnknownUnseen        UnknownCause = "looks_failed"   // the platform gave no answer for two intervals
	UnknownNotConfigured UnknownCause = "not_configured" // it lists all agents, and not this one
	UnknownNoLiveState   UnknownCause = "no_live_state"  // it says what no live event says: studying, or adjusting
)

// Saw stores a state that was seen, with via monitor. One that can't be stored for good is in
// the log; the error is the context's.
func (r *Recorder) Saw(ctx context.Context, s Seen) error {
	var event schemas.Event
	err := r.publish(ctx, func(o origin) (schemas.Message, error) {
		info, _ := events.Lookup(schemas.EventSeen(s.State))
		content, err := json.Marshal(s.Content)
		if err != nil {
			return schemas.Message{}, err
		}
		event = r.tenant.conceal().sessionEvent(schemas.Event{
			Tenant: o.tenant, Agent: o.agent, Type: info.Type, Group: info.Group, Name: info.Name, State: s.State, Reason: cmp.Or(s.Content.Reason, string(s.Content.Cause)),
			OccurredAfter: s.After.UTC(), OccurredBefore: s.Before.UTC(), ReceivedAt: s.At.UTC(),
			Via: schemas.WayMonitor, Reconstructed: s.Proof, Position: o.position, Content: content,
		})
		return r.tenant.options.Names.EventMessage(event)
	})
	if err == nil {
		r.tenant.counts.event(string(event.Group))
		if heard := r.tenant.options.Heard; heard != nil && s.Proof == nil {
			heard(r.agent, s.At)
		}
		r.sight.heard(event)
		r.Standing.learn(ctx, event)
	}
	return insist.Forgive(ctx, r.log, err, "state that was seen can't be stored")
}

// Known is where the agent stands.
func (s *Standing) Known() schemas.AgentState { return s.known }

// GoOn takes what the last owner of the agent knew, as it is in the bucket.
func (s *Standing) GoOn(k schemas.AgentState) {
	if k.State != "" && k.Agent == s.known.Agent {
		s.known = k
	}
}

// fresh is for how long a look proves nothing against an event: the monitor may be late.
const fresh = 5 * time.Second

// Look is where the monitor saw an agent whose events come live.
type Look struct {
	Nr              uint64 // of the looks that showed something; the one after this has the next
	Asked, Answered time.Time
	State           schemas.State
	// After and Before bound when the state began, as the platform says: zero where it does not.
	After, Before time.Time
	Content       SeenContent // Was is filled in
}

// sight is what looks have shown of an agent since something was stored of it.
type sight struct {
	told     time.Time     // when the last event came that was stored
	held     time.Time     // the agent was in the state that is known; zero: not known when
	differed Look          // the last look, if it showed another state; Nr 0: it did not
	gaps     []schemas.Gap // since then, the last of them
}

// heard notes an event that was stored: what was seen before counts no more.
func (s *sight) heard(e schemas.Event) {
	s.told, s.differed = e.ReceivedAt, Look{}
	if e.State == "" {
		return
	}
	s.held, s.gaps = e.ReceivedAt, nil
	if at := e.OccurredAt; !at.IsZero() && at.Before(s.held) {
		s.held = at
	}
}

// lost notes a gap.
func (s *sight) lost(g schemas.Gap) {
	const most = 16
	if s.gaps = append(s.gaps, g); len(s.gaps) > most {
		s.gaps = s.gaps[1:]
	}
}

// Confirm holds a look against what is known of the agent. What the look shows is stored if the
// one before showed it as well, and no event has told it: with via monitor, and what proves it.
// One is no proof, and none is newer than an event that came less than five seconds before it.
// The caller has found the agent's queue empty since. The error is the context's.
func (r *Recorder) Confirm(ctx context.Context, l Look) (Confirmed, error) {
	s, known := &r.sight, r.Standing.known.State
	before := s.differed
	s.differed = Look{}
	switch {
	case l.State == schemas.StateUnknown:
		return LookSaysNothing, nil
	case l.Asked.Sub(s.told) < fresh:
		return LookTooOld, nil
	case l.State == known:
		s.held, s.gaps = l.Asked, nil
		return LookConfirms, nil
	case before.Nr == 0 || before.Nr+1 != l.Nr || before.State != l.State:
		s.differed = l
		return LookDiffers, nil
	}
	after, until := s.held, before.Answered
	if after.IsZero() { // another owner knew it
		after = r.Standing.known.Since
	}
	if before.After.After(after) && before.After.Before(until) {
		after = before.After
	}
	if before.Before.After(after) && before.Before.Before(until) {
		until = before.Before
	}
	proof := &schemas.Proof{Source: schemas.ProofMonitor, LookedAt: before.Asked.UTC()}
	for _, g := range s.gaps {
		if !g.To.Before(after) && !g.From.After(until) {
			proof.Gap = &schemas.Position{Epoch: g.Epoch, Seq: g.Seq}
		}
	}
	content := l.Content
	content.Was = known
	return LookHeals, r.Saw(ctx, Seen{State: l.State, After: after, Before: until, At: l.Answered, Content: content, Proof: proof})
}

// Confirmed is what came of a look.
type Confirmed string

// What may come of a look.
const (
	LookConfirms    Confirmed = "confirmed" // it shows what is known
	LookDiffers     Confirmed = "differed"  // it shows another state, for the first time
	LookHeals       Confirmed = "healed"    // for the second time: the state is stored
	LookTooOld      Confirmed = "overtaken" // an event is newer, or hardly older
	LookSaysNothing Confirmed = "nothing"   // it shows what no live event says
)
