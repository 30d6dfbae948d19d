package poller

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"aiccbridge/internal/ccgateway"
	"aiccbridge/internal/retry"
	"aiccbridge/internal/sabotage"
	"aiccbridge/schemas"

	"github.com/cenkalti/backoff/v4"
)

// pollState is what the loop remembers from poll to poll.
type pollState struct {
	goodAt      time.Time // of the last good poll, or of the session's begin
	covered     time.Time // all that the platform queued until then was fetched
	askedAt     time.Time // when the last poll was sent
	more        bool      // the last poll brought events; there may be more
	fails       int       // bad polls in a row
	denied      bool      // the last poll was answered with 401 or 403
	newer       bool      // 000-003 was already answered with a newer GUID
	recovering  time.Time // since when a site switchover goes on; zero: it does not
	asks        int       // how often the gateway may yet be asked where the agent stands; 0: no need
	doubt       bool      // a new GUID may have been missed
	doubtedGUID string    // the GUID at the time of the poll of unknown outcome
	pauses      backoff.BackOff
}

func (p *pollState) reset(now time.Time) {
	p.goodAt, p.covered, p.more = now, now, false
	p.fails, p.denied, p.newer, p.recovering = 0, false, false, time.Time{}
	p.pauses.Reset()
}

// errNoEvent is the error of a dead letter whose bytes stood where an event should.
var errNoEvent = errors.New("item of the answer is no event")

// outlive returns a context that ends the given time after ctx.
func outlive(ctx context.Context, d time.Duration) (context.Context, context.CancelFunc) {
	longer, cancel := context.WithCancel(context.WithoutCancel(ctx))
	stop := context.AfterFunc(ctx, func() { time.AfterFunc(d, cancel) })
	return longer, func() {
		stop()
		cancel()
	}
}

// turn is what one poll leads to: the next one after a pause, or the end.
type turn struct {
	good  bool
	ended *sessionContent // nil: the session goes on
	next  time.Time       // not before
}

// poll is the loop's step: it paces, pollOnce works.
func (s *stint) poll(ctx context.Context) (phase, error) {
	t, err := s.pollOnce(ctx)
	if err == nil && t.ended == nil {
		err = s.betweenPolls(ctx, t.good)
	}
	switch {
	case err != nil:
		return "", err
	case t.ended != nil:
		s.ending = *t.ended
		return phaseEnded, nil
	case retry.Wait(s.intake, time.Until(t.next)) != nil:
		return phaseLeaving, nil
	case t.good:
		return phasePolling, nil
	}
	return phaseRetrying, nil
}

// pollOnce polls, stores what came, keeps a new GUID, and judges. The request
// runs under work: the end of intake must not cancel it.
func (s *stint) pollOnce(ctx context.Context) (turn, error) {
	guid := s.kept.guid
	sabotage.Point("poll.before_send")
	p := s.listened(func() ccgateway.Poll { return s.seat.session.Poll(ctx) })
	s.polls.askedAt = p.SentAt
	s.pool.metrics.poll(p.Outcome.String())
	if len(p.Events) > 0 {
		sabotage.Point("poll.answered")
	}
	over, err := s.keep(ctx, p)
	if err != nil {
		return turn{}, err
	}
	if err := s.keepTicket(ctx); err != nil {
		return turn{}, err
	}
	s.rotates = s.rotates || s.kept.guid != guid
	if len(p.Events) > 0 {
		sabotage.Point("poll.acked")
	}
	switch p.Outcome {
	case ccgateway.OutcomeEvent, ccgateway.OutcomeEmpty:
		return s.goodPoll(p, over), nil
	}
	s.sequence.Forget() // around a switchover the platform repeats itself
	switch p.Outcome {
	case ccgateway.OutcomeSessionEnded:
		return s.sessionEnded(ctx, p, guid)
	}
	return s.badPoll(p), nil
}

// keep stores what a poll brought or lost. It returns nil only when all is stored.
// What was popped exists nowhere else, so it gets lastChance after the end of work.
func (s *stint) keep(ctx context.Context, p ccgateway.Poll) (over bool, err error) {
	if ctx.Err() != nil && p.Outcome != ccgateway.OutcomeEvent {
		return false, ctx.Err() // cut by the end of work; the next owner says so
	}
	ctx, cancel := outlive(ctx, lastChance)
	defer cancel()
	if over, err = s.storeEvents(ctx, p); err != nil {
		return false, err
	}
	for _, item := range p.Bad {
		if err := s.bury(ctx, item, p, errNoEvent); err != nil {
			return false, err
		}
	}
	if !p.MayHaveLost {
		return over, nil
	}
	s.polls.doubt, s.polls.doubtedGUID = true, s.kept.guid
	detail := fmt.Sprint(p.Outcome)
	if p.Err != nil {
		detail = p.Err.Error()
	}
	if len(p.Body) > 0 {
		return over, s.bury(ctx, p.Body, p, errors.New(detail))
	}
	return over, s.recordGap(ctx, schemas.GapPollUnknown, p.SentAt, p.ReceivedAt, detail, 1)
}

func (s *stint) goodPoll(p ccgateway.Poll, over bool) turn {
	s.polls.reset(p.ReceivedAt)
	s.polls.more = p.Outcome == ccgateway.OutcomeEvent
	s.polling.over(s.log, "polling works again")
	if over {
		return turn{ended: &sessionContent{Cause: CauseShutdownService}}
	}
	gap := s.pool.IdleGap
	if p.Outcome == ccgateway.OutcomeEvent {
		gap = s.pool.EventGap
	}
	return turn{good: true, next: p.ReceivedAt.Add(gap)}
}

// sessionEnded handles the answers after which polling must stop. Only 000-003
// may have come from a GUID that was just replaced: with a newer one known, one
// more poll decides.
func (s *stint) sessionEnded(ctx context.Context, p ccgateway.Poll, used string) (turn, error) {
	if p.Code == codeNoPermission && !s.polls.newer {
		found, err := s.newerGUID(ctx, used)
		if err != nil {
			return turn{}, err
		}
		if found {
			s.polls.newer = true
			return turn{next: p.ReceivedAt.Add(s.pool.EventGap)}, nil
		}
	}
	return s.ended(p, causeOf(p)), nil
}

// newerGUID reports whether another GUID than the one used is known: from the
// answer itself, or from the bucket, where another system may have put it.
func (s *stint) newerGUID(ctx context.Context, used string) (bool, error) {
	if s.kept.guid != used {
		return true, nil
	}
	side, cancel := context.WithTimeout(ctx, sideLimit)
	defer cancel()
	e, revision, err := s.peekEntry(side)
	switch {
	case ctx.Err() != nil:
		return false, ctx.Err()
	case err != nil:
		return false, nil
	case e.Epoch > s.pool.Epoch:
		return false, errFenced
	}
	t, ok := s.handed(e.GUID)
	if !ok {
		return false, nil
	}
	s.adopt(t)
	s.revision = revision
	return s.kept.guid != used, s.saveEntry(ctx)
}

func causeOf(p ccgateway.Poll) Cause {
	switch {
	case p.Code == codeWrongMode:
		return CauseWrongMode
	case p.Class == ccgateway.ClassAuth:
		return CauseAuth
	case strings.HasPrefix(p.Code, "105-"):
		return CauseRecovery
	}
	return CauseNotSignedIn
}

func (s *stint) ended(p ccgateway.Poll, cause Cause) turn {
	message := p.Message
	if message == "" && p.Err != nil {
		message = p.Err.Error()
	}
	return turn{ended: &sessionContent{Cause: cause, Code: p.Code, Message: message}}
}

// badPoll counts a poll that was neither good nor the end, and paces the next.
func (s *stint) badPoll(p ccgateway.Poll) turn {
	now := time.Now()
	st := &s.polls
	st.more = false
	s.polling.on(s.log, strings.TrimSpace(p.Outcome.String()+" "+p.Code), p.Err, "poll failed; trying again")
	if switchover(p.Code) {
		if st.recovering.IsZero() {
			st.recovering = now
		}
		if now.Sub(st.recovering) > recoverWithin {
			return s.ended(p, CauseRecovery)
		}
		return turn{next: now.Add(s.pool.ErrorGap)}
	}
	denied := p.Outcome == ccgateway.OutcomeHTTPError && p.Class == ccgateway.ClassAuth
	if denied && st.denied {
		return s.ended(p, CauseAuth)
	}
	st.denied = denied
	st.fails++
	if st.fails > maxFails || now.Sub(st.goodAt) > s.pool.MaxSilence {
		return s.ended(p, CauseLost)
	}
	pause := min(max(st.pauses.NextBackOff(), s.pool.ErrorGap), maxErrorGap)
	return turn{next: now.Add(pause)}
}

// switchover reports the codes of a site switchover (disaster recovery) that pass.
func switchover(code string) bool {
	return code == "000-004" || code == "105-002" || code == "105-003"
}

// betweenPolls does what is due, quickly: the entry's refresh, the heartbeat, and
// after a good poll what a bad one left open. Nothing here but the loss of the
// agent stops it.
func (s *stint) betweenPolls(ctx context.Context, good bool) error {
	if time.Since(s.savedAt) >= refreshAfter {
		if err := s.refresh(ctx); err != nil {
			return err
		}
		if s.knownStale {
			s.writeState(ctx)
		}
	}
	if good && s.polls.asks > 0 && !s.polls.more && s.pool.asking.Allow() {
		if err := s.askStatus(ctx); err != nil {
			return err
		}
		if err := s.keepTicket(ctx); err != nil { // this answer, too, may tell a new GUID
			return err
		}
	}
	if good && s.polls.doubt {
		if err := s.renewGUID(ctx); err != nil {
			return err
		}
	}
	if good && s.skillsDue {
		side, cancel := context.WithTimeout(ctx, sideLimit)
		s.resetSkills(side)
		cancel()
	}
	return s.beat(ctx)
}

// renewGUID follows a poll of unknown outcome, as soon as the gateway answers
// again. The lost answer may have told a new GUID, without which the old one dies
// within 120 s. In a session whose GUID rotates and was not replaced since, ask for
// another.
func (s *stint) renewGUID(ctx context.Context) error {
	s.polls.doubt = false
	if !s.rotates || s.kept.guid != s.polls.doubtedGUID {
		return nil
	}
	side, cancel := context.WithTimeout(ctx, sideLimit)
	defer cancel()
	if err := s.seat.session.UpdateGUID(side); err != nil {
		s.log.Warn().Err(err).Msg("guid is not renewed; the session may end within two minutes")
	}
	return s.keepTicket(ctx)
}
