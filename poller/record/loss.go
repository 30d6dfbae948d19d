package record

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"time"
	"unicode/utf8"

	"aiccbridge/poller/internal/insist"
	"aiccbridge/schemas"
)

// Gap says that events between from and to may be lost, most of them at most (0: nobody
// knows). detail is for people and may quote the platform. What came before
// proves nothing any more, and the gateway is to be asked where the agent stands. A gap
// that can't be stored for good is in the log; the error is the context's.
func (r *Recorder) Gap(ctx context.Context, cause schemas.GapCause, from, to time.Time, detail string, most int) error {
	r.Forget()
	r.Standing.Doubt()
	g := schemas.Gap{
		From: from.UTC(), To: to.UTC(), Cause: cause, Detail: r.tenant.conceal().text(detail), MaxLost: most,
		LastSeq: r.seq, LastEp: r.tenant.options.Epoch,
	}
	if r.seq == 0 { // nothing of this epoch yet: the owner before
		g.LastSeq, g.LastEp = r.before.Seq, r.before.Epoch
	}
	return r.storeGap(ctx, g)
}

func (r *Recorder) storeGap(ctx context.Context, g schemas.Gap) error {
	err := r.publish(ctx, func(o origin) (schemas.Message, error) {
		g.Tenant, g.Agent, g.Position = o.tenant, o.agent, o.position
		return r.tenant.options.Names.GapMessage(g)
	})
	if err == nil {
		r.tenant.counts.gap(string(g.Cause))
		r.sight.lost(g)
	}
	return insist.Forgive(ctx, r.log, err, "gap record can't be stored")
}

// DeadLetter stores what can't be read as a dead letter, and the gap that goes with it.
// body may hold anything; no more than [schemas.MaxOriginalBytes] of it are kept. One
// that can't be stored for good is in the log; the error is the context's.
func (r *Recorder) DeadLetter(ctx context.Context, body []byte, got Receipt, cause error) error {
	o, conceal := r.origin(got.At), r.tenant.conceal()
	letter := schemas.NewDeadLetter(o.tenant, reasonOf(cause),
		fmt.Sprintf("%s of agent %s: %s (%d bytes, at most %d kept)", r.brings(), r.agent, conceal.text(cause.Error()), len(body), schemas.MaxOriginalBytes),
		got.At.UTC())
	letter.Original = original(conceal.original(body))
	// It has the number of the gap record that follows, so the two can be matched.
	m, err := r.tenant.options.Names.DeadLetterMessage(letter, positionID(o))
	if err == nil {
		err = r.store(ctx, m)
	}
	if err != nil && ctx.Err() == nil {
		r.log.Error().Err(err).Msg("dead letter can't be stored")
	}
	return r.Gap(ctx, schemas.GapUndecodable, got.Asked, got.At, cause.Error(), 1)
}

// brings is what brings the agent's events.
func (r *Recorder) brings() string {
	if r.Via == schemas.WayPush {
		return "push"
	}
	return "poll"
}

// reasonOf is why the store can never take a message as it is.
func reasonOf(cause error) schemas.Reason {
	var p *schemas.Permanent
	if errors.As(cause, &p) && p.Reason == schemas.ReasonOversized {
		return p.Reason
	}
	return schemas.ReasonUndecodable
}

// positionID is the id of the message that o will number: epoch.agent.seq.
func positionID(o origin) string {
	return fmt.Sprintf("%d.%s.%d", o.position.Epoch, schemas.EncodeToken(o.agent), o.position.Seq)
}

// original is body as the JSON of a dead letter: itself, or a JSON string; bytes
// that are no text become a data URL, because a JSON string would alter them.
// Credentials are masked. It exists nowhere else, so of a large one the beginning is
// kept, and not nothing as [schemas.DeadLetter.Keep] would have it.
func original(body []byte) json.RawMessage {
	body = mask(body)
	body = body[:min(len(body), schemas.MaxOriginalBytes)]
	if utf8.Valid(body) {
		return schemas.Quote(body)
	}
	return schemas.Quote([]byte("data:application/octet-stream;base64," + base64.StdEncoding.EncodeToString(body)))
}

// Losses stores the gaps of what the store has lost, if there are any. The agent's state
// and the order of what comes are not in doubt for that. The error is the context's.
func (r *Recorder) Losses(ctx context.Context) error {
	o := r.tenant.options
	if o.Losses == nil {
		return nil
	}
	filter := o.Names.Agent(o.Tenant, r.agent)
	for _, g := range o.Losses.Unsaid(filter) {
		if err := r.storeGap(ctx, g); err != nil {
			return err
		}
		o.Losses.Said(filter)
	}
	return nil
}
