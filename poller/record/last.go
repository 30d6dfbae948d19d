package record

import (
	"context"
	"encoding/json"
	"fmt"
	"time"

	"aiccbridge/internal/retry"
	"aiccbridge/schemas"
)

// lastLimit is for looking up the last message of an agent.
const lastLimit = 5 * time.Second

// Last is what the agent's last message in the stream says.
type Last struct {
	schemas.Position
	Type  string           `json:"type"`  // of an event; "" for anything else
	Cause schemas.GapCause `json:"cause"` // of a gap; "" for anything else

	// At is when its owner had last heard of the agent, by its own clock: when the event
	// came, or a gap ended. A spool may bring a message to the stream much later.
	At time.Time `json:"-"`
	// Mark is what [Recorder.Mark] had put on it; "": nothing.
	Mark string `json:"-"`
}

// Final reports that no session was polled after the message: one that ends a
// session, or a gap that an owner wrote as it began, without getting one.
func (l Last) Final() bool {
	return l.Left() || l.Type == schemas.EventSignedOut ||
		l.Cause == schemas.GapUnclean || l.Cause == schemas.GapSession
}

// Left reports that its owner stopped and left the session alive.
func (l Last) Left() bool { return l.Type == schemas.EventLeft }

// Last returns the agent's last message in the stream, of whatever owner, if it can be
// had within a few seconds.
func (r *Recorder) Last(ctx context.Context) (last Last, ok bool) {
	last, err := r.Look(ctx)
	return last, err == nil && last.Epoch > 0
}

// Look is Last that tells whether there is none, the zero value, or it could not be had.
func (r *Recorder) Look(ctx context.Context) (Last, error) {
	o := r.tenant.options
	if o.LastStored == nil {
		return Last{}, nil
	}
	side, cancel := context.WithTimeout(ctx, lastLimit)
	defer cancel()
	m, ok, err := o.LastStored(side, o.Names.Agent(o.Tenant, r.agent))
	var said struct {
		Last
		Received time.Time `json:"received_at"` // of an event
		At       time.Time `json:"at"`          // of a heartbeat
		To       time.Time `json:"to"`          // of a gap
	}
	if err != nil || !ok || json.Unmarshal(m.Body, &said) != nil || said.Epoch == 0 {
		return Last{}, err
	}
	said.Last.At, said.Last.Mark = m.StoredAt, m.Get(schemas.HeaderPushed)
	for _, at := range []time.Time{said.Received, said.At, said.To} {
		if !at.IsZero() && at.Before(said.Last.At) {
			said.Last.At = at
		}
	}
	return said.Last, nil
}

// lookFor is for how long [Recorder.TakeUp] waits for an agent's last message: well below what
// the platform bears in silence.
const lookFor = 45 * time.Second

// TakeUp has the recorder follow on the agent's last message, and recalls where the agent
// stands: for ways whose agents are not known before they are heard of. What can't be read is
// waited for, but not for ever: then it is as if there were none. The error is a *[Outgrown],
// or the context's.
func (r *Recorder) TakeUp(ctx context.Context) (last Last, err error) {
	for begun := time.Now(); ; {
		if last, err = r.Look(ctx); err == nil {
			break
		}
		if time.Since(begun) > lookFor {
			r.log.Warn().Err(err).Msg("agent's last message can't be read; what was stored by another bridge may be stored again")
			break
		}
		if err := retry.Wait(ctx, time.Second); err != nil {
			return last, err
		}
	}
	epoch := r.tenant.options.Epoch
	if last.Epoch > epoch {
		return last, &Outgrown{Epoch: last.Epoch}
	}
	if last.Epoch == epoch {
		r.Continue(last.Seq)
	}
	r.Follow(last.Position)
	r.Standing.Recall(ctx)
	return last, r.Losses(ctx)
}

// Upkeep does what is due beside events: the state written that was not, lost messages said,
// and, of an agent who is signed in, a heartbeat so often; negative: none. The error is the
// context's.
func (r *Recorder) Upkeep(ctx context.Context, heartbeat time.Duration) error {
	r.Standing.Refresh(ctx)
	if err := r.Losses(ctx); err != nil {
		return err
	}
	switch now := time.Now(); {
	case heartbeat < 0 || !r.Standing.SignedIn():
		return nil
	case r.beatAt.IsZero():
		r.beatAt = now.Add(heartbeat)
		return nil
	case now.Before(r.beatAt):
		return nil
	default:
		r.beatAt = now.Add(heartbeat)
		return r.Heartbeat(ctx)
	}
}

// Outgrown says that an agent was had under the same epoch as that of this ownership, or a higher
// one: another one is needed, above it.
type Outgrown struct{ Epoch uint64 }

func (o *Outgrown) Error() string {
	return fmt.Sprintf("an agent was had under epoch %d, which is not below this ownership's", o.Epoch)
}
