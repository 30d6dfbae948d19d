package record

import (
	"context"
	"encoding/json"
	"time"

	"aiccbridge/internal/ccgateway"
	"aiccbridge/internal/foreign"
	"aiccbridge/schemas"
)

// Receipt is when something was received: what the platform may have taken from a
// queue for us was taken between Asked and At.
type Receipt struct {
	Asked, At time.Time
	// Late says that it is of a session that another one of the agent has followed: it does not
	// tell where the agent stands, nor in which order events come.
	Late bool
}

// Event stores an event of the agent's queue. ends reports that it says that a session
// of the agent is over; which one, its content may tell. One that no store takes
// becomes a dead letter and a gap. The error is the context's.
func (r *Recorder) Event(ctx context.Context, e ccgateway.Event, got Receipt) (ends bool, err error) {
	var plain, published schemas.Event
	repeated := r.recent.again(r.tenant.seed, e)
	err = r.publish(ctx, func(o origin) (schemas.Message, error) {
		o.receivedAt = got.At
		plain, ends = normalise(e, o)
		plain.Repeated = repeated
		published = r.tenant.conceal().event(plain, e.Content)
		return r.tenant.options.Names.EventMessage(published)
	})
	switch {
	case err == nil:
	case ctx.Err() != nil:
		return false, ctx.Err()
	default: // nobody can store it as an event: keep its bytes, say that one is missing
		redacted, _ := json.Marshal(published) // at worst an empty original
		return false, r.DeadLetter(ctx, redacted, got, err)
	}
	r.tenant.counts.event(string(published.Group))
	r.sight.heard(published)
	if heard := r.tenant.options.Heard; heard != nil && !repeated {
		heard(r.agent, got.At)
	}
	switch {
	case r.namesStranger(e):
		return false, nil
	case repeated || got.Late: // it says nothing new, or nothing of now
		return ends, nil
	}
	r.Standing.learn(ctx, published)
	return ends, r.infer(ctx, plain)
}

// infer stores a gap if the event just stored can't follow on those before.
func (r *Recorder) infer(ctx context.Context, plain schemas.Event) error {
	f := r.order.Observe(plain)
	if !f.Any() {
		return nil
	}
	return r.storeGap(ctx, schemas.Gap{
		From: f.Since.UTC(), To: plain.ReceivedAt, Cause: schemas.GapInferred, Detail: f.String(),
		LastSeq: f.Seq, LastEp: r.tenant.options.Epoch,
	})
}

// namesStranger reports an event that names another agent than the one whose queue it
// was in. It says nothing of the state and the session of ours.
func (r *Recorder) namesStranger(e ccgateway.Event) bool {
	if e.WorkNo == "" || e.WorkNo == r.agent {
		return false
	}
	if r.stranger != e.WorkNo {
		r.stranger = e.WorkNo
		r.log.Warn().Str("named", e.WorkNo).Msg("events of the agent's queue name another agent; they are stored as the polled one's")
	}
	return true
}

// SameSession compares the loginTime in the content of AgentOther_ShutdownService with that
// of a sign-in; the event of an earlier session may come late. Without either time it counts
// as the same.
func SameSession(content json.RawMessage, loginTime time.Time) bool {
	c, err := foreign.ParseObject(content)
	if loginTime.IsZero() || err != nil {
		return true
	}
	named := c.Maybe("loginTime").Moment()
	return named.IsZero() || named.UnixMilli() == loginTime.UnixMilli()
}
