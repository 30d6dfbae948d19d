package poller

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"time"
	"unicode/utf8"

	"aiccbridge/internal/ccgateway"
	"aiccbridge/internal/sabotage"
	"aiccbridge/schemas"
)

// maxOriginalBytes limits the foreign bytes in a dead letter, so that it stays
// below a server's usual message limit of 1 MiB even when every byte is escaped.
const maxOriginalBytes = 64 << 10

// publish numbers a message and stores it; the number is used up only when it is
// stored, so there are no holes. The error is that of the context, of building
// the message, or a *schemas.Permanent.
func (s *stint) publish(ctx context.Context, build func(origin) (schemas.Message, error)) error {
	m, err := build(s.origin(time.Now()))
	if err != nil {
		return err
	}
	if err := s.store(ctx, m); err != nil {
		return err
	}
	sabotage.Point("poll.stored")
	s.seat.seq++
	return nil
}

func (s *stint) origin(at time.Time) origin {
	return origin{
		tenant: s.pool.Tenant, agent: s.agent.ID, receivedAt: at,
		position: schemas.Position{Epoch: s.pool.Epoch, Seq: s.seat.seq + 1},
	}
}

// store blocks until m is stored, ctx ends, or the store says that it never will be.
func (s *stint) store(ctx context.Context, m schemas.Message) error {
	begun := time.Now()
	err := s.insist(ctx, &s.storing, "publish", func(ctx context.Context) error {
		return s.pool.Store.Publish(ctx, m)
	})
	if err == nil {
		s.pool.metrics.stored(begun)
	}
	return err
}

// storeEvents stores the events of a poll in their order. ends reports that one
// of them says this session is over.
func (s *stint) storeEvents(ctx context.Context, p ccgateway.Poll) (ends bool, err error) {
	for _, e := range p.Events {
		var event schemas.Event
		var over bool
		repeated := s.recent.again(s.pool.seed, e)
		err := s.publish(ctx, func(o origin) (schemas.Message, error) {
			o.receivedAt = p.ReceivedAt
			event, over = s.pool.normalise(e, o)
			event.Repeated = repeated
			return s.eventMessage(event)
		})
		switch {
		case err == nil:
		case ctx.Err() != nil:
			return false, ctx.Err()
		default: // nobody can store it as an event: keep its bytes, say that one is missing
			redacted, _ := json.Marshal(event) // at worst an empty original
			if err := s.bury(ctx, redacted, p, err); err != nil {
				return false, err
			}
			continue
		}
		s.pool.metrics.event(string(event.Group))
		if s.namesStranger(e) {
			continue
		}
		ends = ends || over && s.namesThisSession(e.Content)
		if repeated {
			continue // it says nothing new
		}
		s.learn(ctx, event)
		if err := s.infer(ctx, e, event); err != nil {
			return false, err
		}
	}
	return ends, nil
}

// infer stores a gap if the event just stored can't follow on those before.
func (s *stint) infer(ctx context.Context, e ccgateway.Event, stored schemas.Event) error {
	if s.pool.Privacy != nil { // which may take away what tells calls apart
		stored, _ = normalise(e, origin{agent: stored.Agent, receivedAt: stored.ReceivedAt, position: stored.Position})
	}
	f := s.sequence.Observe(stored)
	if !f.Any() {
		return nil
	}
	return s.storeGap(ctx, schemas.Gap{
		From: f.Since.UTC(), To: stored.ReceivedAt, Cause: schemas.GapInferred, Detail: f.String(),
		LastSeq: f.Seq, LastEp: s.pool.Epoch,
	})
}

// eventMessage makes the message of an event of the platform.
func (s *stint) eventMessage(e schemas.Event) (schemas.Message, error) {
	return s.pool.Names.EventMessage(e)
}

// namesStranger reports an event that names another agent than the polled one. It
// says nothing of the state and the session of ours.
func (s *stint) namesStranger(e ccgateway.Event) bool {
	if e.WorkNo == "" || e.WorkNo == s.agent.ID {
		return false
	}
	if s.stranger != e.WorkNo {
		s.stranger = e.WorkNo
		s.log.Warn().Str("named", e.WorkNo).Msg("events of the agent's queue name another agent; they are stored as the polled one's")
	}
	return true
}

// namesThisSession compares the loginTime of AgentOther_ShutdownService with that
// of our sign-in; the event of an earlier session may come late. Without either
// time it counts as ours.
func (s *stint) namesThisSession(content json.RawMessage) bool {
	var c struct {
		LoginTime json.RawMessage `json:"loginTime"`
	}
	if s.loginTime.IsZero() || json.Unmarshal(content, &c) != nil || len(c.LoginTime) == 0 {
		return true
	}
	var ms int64
	if _, err := fmt.Sscanf(string(trimQuotes(c.LoginTime)), "%d", &ms); err != nil || ms <= 0 {
		return true
	}
	return ms == s.loginTime.UnixMilli()
}

func trimQuotes(b []byte) []byte {
	if len(b) >= 2 && b[0] == '"' && b[len(b)-1] == '"' {
		return b[1 : len(b)-1]
	}
	return b
}

// bury stores what can't be read as a dead letter, and the gap that goes with it.
func (s *stint) bury(ctx context.Context, body []byte, p ccgateway.Poll, cause error) error {
	o := s.origin(p.ReceivedAt)
	letter := schemas.DeadLetter{
		Tenant: s.pool.Tenant, Reason: reasonOf(cause), Attempts: 1,
		Error:   fmt.Sprintf("poll of agent %s: %s (%d bytes, at most %d kept)", s.agent.ID, s.pool.concealText(cause.Error()), len(body), maxOriginalBytes),
		FirstAt: p.ReceivedAt.UTC(), LastAt: p.ReceivedAt.UTC(), Original: original(s.pool.concealOriginal(body)),
	}
	// It has the number of the gap record that follows, so the two can be matched.
	m, err := s.pool.Names.DeadLetterMessage(letter, positionID(o))
	if err == nil {
		err = s.store(ctx, m)
	}
	if err != nil && ctx.Err() == nil {
		s.log.Error().Err(err).Msg("dead letter can't be stored")
	}
	return s.recordGap(ctx, schemas.GapUndecodable, p.SentAt, p.ReceivedAt, cause.Error(), 1)
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
// Credentials are masked.
func original(body []byte) json.RawMessage {
	body = mask(body)
	body = body[:min(len(body), maxOriginalBytes)]
	if utf8.Valid(body) {
		return schemas.Quote(body)
	}
	return schemas.Quote([]byte("data:application/octet-stream;base64," + base64.StdEncoding.EncodeToString(body)))
}

// recordGap says that events between from and to may be lost. What came before
// proves nothing any more, and the gateway is to be asked where the agent stands.
func (s *stint) recordGap(ctx context.Context, cause schemas.GapCause, from, to time.Time, detail string, most int) error {
	s.sequence.Forget()
	s.polls.asks = askAttempts
	g := schemas.Gap{
		From: from.UTC(), To: to.UTC(), Cause: cause, Detail: s.pool.concealText(detail), MaxLost: most,
		LastSeq: s.seat.seq, LastEp: s.pool.Epoch,
	}
	if s.seat.seq == 0 { // nothing of this epoch yet: the owner before
		g.LastSeq, g.LastEp = s.before.Seq, s.before.Epoch
	}
	return s.storeGap(ctx, g)
}

func (s *stint) storeGap(ctx context.Context, g schemas.Gap) error {
	err := s.publish(ctx, func(o origin) (schemas.Message, error) {
		g.Tenant, g.Agent, g.Position = o.tenant, o.agent, o.position
		return s.pool.Names.GapMessage(g)
	})
	if err == nil {
		s.pool.metrics.gap(string(g.Cause))
	}
	return s.forgive(ctx, err, "gap record can't be stored")
}

// announce stores one of the bridge's own session events.
func (s *stint) announce(ctx context.Context, eventType string, content *sessionContent) error {
	var event schemas.Event
	err := s.publish(ctx, func(o origin) (_ schemas.Message, err error) {
		if event, err = s.pool.sessionEvent(eventType, content, o); err != nil {
			return schemas.Message{}, err
		}
		return s.pool.Names.EventMessage(event)
	})
	if err == nil {
		s.pool.metrics.event(string(event.Group))
		s.learn(ctx, event)
	}
	return s.forgive(ctx, err, "session event can't be stored")
}

// forgive keeps an error that no retry mends from stopping the agent: it is
// logged, and polling goes on.
func (s *stint) forgive(ctx context.Context, err error, what string) error {
	if err == nil || ctx.Err() != nil {
		return ctx.Err()
	}
	s.log.Error().Err(err).Msg(what)
	return nil
}
