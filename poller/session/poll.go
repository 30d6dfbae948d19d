package session

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"

	"aiccbridge/internal/ccgateway"
	"aiccbridge/internal/sabotage"
	"aiccbridge/poller/internal/aside"
	"aiccbridge/poller/record"
	"aiccbridge/schemas"
)

// lastChance is for storing what was popped, after the end of work.
const lastChance = 3 * time.Second

const (
	codeNoPermission = "000-003"
	codeWrongMode    = "000-001"
)

// errNoEvent is the error of a dead letter whose bytes stood where an event should.
var errNoEvent = errors.New("item of the answer is no event")

// turn is what one poll leads to: the next one after a pause, or the end.
type turn struct {
	good  bool
	ended *record.SessionContent // nil: the session goes on
	next  time.Time              // not before
}

// poll is the loop's step: it paces, pollOnce works.
func (l *Loop) poll(intake, work context.Context) (phase, error) {
	t, err := l.pollOnce(work)
	if err == nil && t.ended == nil {
		err = l.betweenPolls(work, t.good)
	}
	switch {
	case err != nil:
		return "", err
	case t.ended != nil:
		l.ending = *t.ended
		return phaseEnded, nil
	}
	return l.until(intake, work, t)
}

// until waits for the next poll, and heeds meanwhile what is said of the session.
func (l *Loop) until(intake, work context.Context, t turn) (phase, error) {
	for {
		err := l.attend(work)
		switch {
		case err != nil:
			return "", err
		case l.custody.Withdrawn():
			return phaseReturning, nil
		case l.rest(intake, t.next) != nil:
			return phaseLeaving, nil
		case l.told():
		case t.good:
			return phasePolling, nil
		default:
			return phaseRetrying, nil
		}
	}
}

// pollOnce polls, stores what came, keeps a new GUID, and judges. The request
// runs under work: the end of intake must not cancel it.
func (l *Loop) pollOnce(ctx context.Context) (turn, error) {
	guid := l.custody.GUID()
	sabotage.Point("poll.before_send")
	p := l.contact.during(func() ccgateway.Poll { return l.gateway.Poll(ctx) })
	l.pace.askedAt = p.SentAt
	l.custody.Polled(p.SentAt)
	l.tenant.counts.poll(p.Outcome.String())
	if len(p.Events) > 0 {
		sabotage.Point("poll.answered")
	}
	l.judge(p)
	over, err := false, ctx.Err()
	if len(p.Events)+len(p.Bad) > 0 || p.MayHaveLost {
		err = aside.Run(func() (err error) {
			over, err = l.keep(ctx, p)
			return err
		})
	}
	if err != nil {
		return turn{}, err
	}
	if err := l.custody.Keep(ctx); err != nil {
		return turn{}, err
	}
	l.custody.RotatedSince(guid)
	if len(p.Events) > 0 {
		sabotage.Point("poll.acked")
	}
	switch p.Outcome {
	case ccgateway.OutcomeEvent, ccgateway.OutcomeEmpty:
		return l.goodPoll(p, over), nil
	}
	l.record.Forget() // around a switchover the platform repeats itself
	switch p.Outcome {
	case ccgateway.OutcomeSessionEnded:
		return l.sessionEnded(ctx, p, guid)
	}
	return l.badPoll(p), nil
}

// judge notes whether the gateway was asked with success. What can't be stored afterwards is
// not the gateway's fault.
func (l *Loop) judge(p ccgateway.Poll) {
	switch {
	case p.Outcome == ccgateway.OutcomeEvent || p.Outcome == ccgateway.OutcomeEmpty:
		l.seat.polled()
	case p.Err != nil:
		l.seat.failed(p.Err)
	default:
		l.seat.failed(errors.New(outcomeOf(p)))
	}
}

// outcomeOf is a poll's outcome with its code.
func outcomeOf(p ccgateway.Poll) string { return strings.TrimSpace(p.Outcome.String() + " " + p.Code) }

// keep stores what a poll brought or lost. It returns nil only when all is stored.
// What was popped exists nowhere else, so it gets lastChance after the end of work.
// over reports an event which says that this session is over.
func (l *Loop) keep(ctx context.Context, p ccgateway.Poll) (over bool, err error) {
	if ctx.Err() != nil && p.Outcome != ccgateway.OutcomeEvent {
		return false, ctx.Err() // cut by the end of work; the next owner says so
	}
	ctx, cancel := outlive(ctx, lastChance)
	defer cancel()
	got := record.Receipt{Asked: p.SentAt, At: p.ReceivedAt}
	for _, e := range p.Events {
		ends, err := l.record.Event(ctx, e, got)
		if err != nil {
			return false, err
		}
		l.delivered(e.Raw)
		over = over || ends && record.SameSession(e.Content, l.loginTime)
	}
	for _, item := range p.Bad {
		if err := l.record.DeadLetter(ctx, item, got, errNoEvent); err != nil {
			return false, err
		}
		l.delivered(item)
	}
	if !p.MayHaveLost {
		return over, nil
	}
	l.custody.MayHaveMissed()
	detail := fmt.Sprint(p.Outcome)
	if p.Err != nil {
		detail = p.Err.Error()
	}
	if len(p.Body) > 0 {
		return over, l.record.DeadLetter(ctx, p.Body, got, errors.New(detail))
	}
	return over, l.record.Gap(ctx, schemas.GapPollUnknown, p.SentAt, p.ReceivedAt, detail, 1)
}

// delivered tells that what stood for an event is stored.
func (l *Loop) delivered(raw json.RawMessage) {
	o := l.tenant.options
	o.Observer.Delivered(l.agent.ID, raw, schemas.Position{Epoch: o.Epoch, Seq: l.record.Seq()})
}

// outlive returns a context that ends the given time after ctx.
func outlive(ctx context.Context, d time.Duration) (context.Context, context.CancelFunc) {
	longer, cancel := context.WithCancel(context.WithoutCancel(ctx))
	stop := context.AfterFunc(ctx, func() { time.AfterFunc(d, cancel) })
	return longer, func() {
		stop()
		cancel()
	}
}

func (l *Loop) goodPoll(p ccgateway.Poll, over bool) turn {
	next := l.pace.good(p)
	l.polling.Over("polling works again")
	if over {
		return turn{ended: &record.SessionContent{Cause: record.CauseShutdownService}}
	}
	return turn{good: true, next: next}
}

// sessionEnded handles the answers after which polling must stop. Only 000-003
// may have come from a GUID that was just replaced: with a newer one known, one
// more poll decides.
func (l *Loop) sessionEnded(ctx context.Context, p ccgateway.Poll, used string) (turn, error) {
	if p.Code == codeNoPermission && !l.pace.oneMore {
		found, err := l.custody.Newer(ctx, used)
		if err != nil {
			return turn{}, err
		}
		if found {
			l.pace.oneMore = true
			return turn{next: p.ReceivedAt.Add(l.tenant.options.EventGap)}, nil
		}
	}
	return ended(p, causeOf(p)), nil
}

func causeOf(p ccgateway.Poll) record.Cause {
	switch {
	case p.Code == codeWrongMode:
		return record.CauseWrongMode
	case p.Class == ccgateway.ClassAuth:
		return record.CauseAuth
	case strings.HasPrefix(p.Code, "105-"):
		return record.CauseRecovery
	}
	return record.CauseNotSignedIn
}

func ended(p ccgateway.Poll, cause record.Cause) turn {
	message := p.Message
	if message == "" && p.Err != nil {
		message = p.Err.Error()
	}
	return turn{ended: &record.SessionContent{Cause: cause, Code: p.Code, Message: message}}
}

// badPoll paces after a poll that was neither good nor the end, or makes it the end.
func (l *Loop) badPoll(p ccgateway.Poll) turn {
	l.polling.On(outcomeOf(p), p.Err, "poll failed; trying again")
	next, over := l.pace.bad(p)
	if over != "" {
		return ended(p, over)
	}
	return turn{next: next}
}

// betweenPolls does what is due, quickly: the entry's refresh, the heartbeat, and
// after a good poll what a bad one left open. Nothing here but the loss of the
// agent stops it.
func (l *Loop) betweenPolls(ctx context.Context, good bool) error {
	if l.custody.RefreshDue() {
		if err := aside.Run(func() error { return l.custody.Refresh(ctx) }); err != nil {
			return err
		}
	}
	if l.pace.tidyDue() {
		l.record.Standing.Refresh(ctx)
	}
	if err := l.record.Losses(ctx); err != nil {
		return err
	}
	if good {
		if err := l.catchUp(ctx); err != nil {
			return err
		}
	}
	if l.pace.beatDue() {
		return aside.Run(func() error { return l.record.Heartbeat(ctx) })
	}
	return nil
}

// catchUp does after a good poll what was left open.
func (l *Loop) catchUp(ctx context.Context) error {
	if l.record.Standing.InDoubt() && !l.pace.more && l.tenant.options.Limits.asking.Allow() {
		if err := aside.Run(func() error { return l.askStatus(ctx) }); err != nil {
			return err
		}
		if err := l.custody.Keep(ctx); err != nil { // this answer, too, may tell a new GUID
			return err
		}
	}
	if err := l.confirm(ctx); err != nil {
		return err
	}
	if err := l.custody.Renew(ctx); err != nil {
		return err
	}
	if l.entrance.SkillsDue() {
		side, cancel := context.WithTimeout(ctx, sideLimit)
		defer cancel()
		l.entrance.ResetSkills(side)
	}
	return nil
}

// askStatus publishes where the agent stands, as the gateway sees it, after a gap
// or a session resumed and behind what waited in the queue. It is no replacement for
// what was lost: that stays the gap's business. What fails is tried again after the
// next good poll, a few times.
func (l *Loop) askStatus(ctx context.Context) error {
	side, cancel := context.WithTimeout(ctx, sideLimit)
	defer cancel()
	status, err := l.gateway.Status(side)
	switch {
	case ctx.Err() != nil:
		return ctx.Err()
	case err != nil:
		l.record.Standing.NotTold(err)
		return nil
	}
	l.record.Standing.Told()
	return l.record.Announce(ctx, schemas.EventStatus, &record.SessionContent{AgentState: &status.State, Working: &status.Working})
}
