package push

import (
	"context"
	"errors"
	"strings"
	"time"

	"aiccbridge/internal/ccgateway"
	"aiccbridge/internal/retry"
	"aiccbridge/poller/record"
	"aiccbridge/schemas"
)

// live sends heartbeats until the session or intake ends.
func (l *Loop) live(intake, work context.Context) error {
	pauses := retry.NewBackOff(2*l.desk.o.ErrorGap, maxErrorGap)
	next := time.NewTimer(0) // at once: the session may be an old one, and its token
	defer next.Stop()
	if !l.loginTime.IsZero() {
		next.Reset(l.desk.inlet.heartbeatEvery())
	}
	for {
		select {
		case <-intake.Done():
			return nil
		case over := <-l.seat.over:
			if record.SameSession(over.event.Content, l.loginTime) {
				return l.end(work, record.SessionContent{Cause: record.CauseShutdownService})
			}
			// Of the session before, late: it was stored, and the state may not be the agent's.
			if err := l.seat.with(work, func() error { l.seat.record.Standing.Doubt(); return nil }); err != nil {
				return err
			}
			continue
		case <-next.C:
		}
		err := l.heartbeat(work)
		if why, over := l.judge(err); over {
			return l.end(work, why)
		}
		if work.Err() != nil {
			return work.Err()
		}
		pause := max(l.desk.o.ErrorGap, pauses.NextBackOff())
		if err == nil {
			pauses.Reset()
			pause = l.desk.inlet.heartbeatEvery()
			if err := l.between(work); err != nil {
				return err
			}
		}
		next.Reset(pause)
	}
}

const (
	maxErrorGap = 15 * time.Second  // leaves room for several tries within the 120 s
	maxSilence  = 240 * time.Second // without a good heartbeat the session is given up
	giveUpSlack = 30 * time.Second  // a push takes its time, and so does the one after
)

// heartbeat sends one, and renews the token with it where the dialect can.
func (l *Loop) heartbeat(ctx context.Context) error {
	if l.desk.inlet.o.PushURL {
		_, err := l.gateway.Heartbeat(ctx)
		return err
	}
	now := time.Now()
	token := l.desk.inlet.tokens.issue(l.agent.ID, now)
	err := l.gateway.Handshake(ctx, token)
	if err == nil {
		l.seat.told(now)
	}
	return err
}

// judge says whether a heartbeat that was answered so is the last.
func (l *Loop) judge(err error) (why record.SessionContent, over bool) {
	if err == nil {
		l.good = time.Now()
		l.seat.lives()
		l.shown.Good()
		l.beating.Over("heartbeats are answered again")
		return why, false
	}
	l.shown.Failed(err)
	var code *ccgateway.CodeError
	if errors.As(err, &code) && (code.Class == ccgateway.ClassGone || code.Class == ccgateway.ClassAuth) {
		return record.SessionContent{Cause: causeOf(code), Code: code.Code, Message: code.Message}, true
	}
	kind := "no answer"
	if code != nil {
		kind = code.Code
	}
	l.beating.On(kind, err, "heartbeat failed; trying again")
	if time.Since(l.good) > maxSilence {
		return record.SessionContent{Cause: record.CauseLost, Message: err.Error()}, true
	}
	return why, false
}

func causeOf(code *ccgateway.CodeError) record.Cause {
	switch {
	case code.Class == ccgateway.ClassAuth:
		return record.CauseAuth
	case strings.HasPrefix(code.Code, "105-"):
		return record.CauseRecovery
	}
	return record.CauseNotSignedIn
}

// between does what is due after a heartbeat: a new GUID is kept, the state asked for where it
// is in doubt, skills reset that were not.
func (l *Loop) between(ctx context.Context) error {
	if l.entrance.SkillsDue() {
		l.entrance.ResetSkills(ctx)
	}
	return l.seat.with(ctx, func() error { // the entry has the number of the last message
		if err := l.custody.Keep(ctx); err != nil {
			return err
		}
		if l.custody.RefreshDue() {
			if err := l.custody.Refresh(ctx); err != nil {
				return err
			}
		}
		return l.askStatus(ctx)
	})
}

// askStatus publishes where the agent stands, as the gateway sees it, after a gap or a session
// resumed; the turn is had.
func (l *Loop) askStatus(ctx context.Context) error {
	if !l.seat.record.Standing.InDoubt() {
		return nil
	}
	status, err := l.gateway.Status(ctx)
	if err != nil {
		l.seat.record.Standing.NotTold(err)
		return ctx.Err()
	}
	l.seat.record.Standing.Told()
	return l.seat.record.Announce(ctx, schemas.EventStatus, &record.SessionContent{AgentState: &status.State, Working: &status.Working})
}

// end says that the session is over, and that what the bridge had not taken went with it. A push
// that says so is the last of those that were on their way; otherwise the gateway may have ended
// the session because none arrived here, for so long and no longer.
func (l *Loop) end(ctx context.Context, why record.SessionContent) error {
	err := l.seat.with(ctx, func() (err error) {
		if why.Cause == record.CauseShutdownService {
			err = l.seat.given(ctx, 0, "the session ended while pushes were not taken")
		} else {
			err = l.seat.lost(ctx, l.good.Add(-givesUpAfter-giveUpSlack))
		}
		if err != nil {
			return err
		}
		if err := l.seat.record.Announce(ctx, schemas.EventSignedOut, &why); err != nil {
			return err
		}
		return l.custody.Over(ctx, string(why.Cause), why.Code)
	})
	if err != nil {
		return err
	}
	l.log.Warn().Str("cause", string(why.Cause)).Msg("agent's session ended")
	l.entrance.Ended(time.Since(l.since))
	return nil
}

// leave is the orderly end: sign out, or leave the session to who resumes it.
func (l *Loop) leave(ctx context.Context) error {
	if !l.custody.Live() {
		return nil
	}
	content, event, over := (*record.SessionContent)(nil), schemas.EventLeft, false
	if l.desk.o.SignOutOnShutdown {
		err := l.gateway.SignOut(ctx)
		if over = err == nil; over {
			content, event = &record.SessionContent{Cause: record.CauseStopped}, schemas.EventSignedOut
		} else {
			l.log.Warn().Err(err).Msg("agent can't be signed out; its session is left alive")
		}
	}
	return l.seat.with(ctx, func() error {
		if over {
			if err := l.seat.given(ctx, 0, "the agent was signed out while pushes were not taken"); err != nil {
				return err
			}
		}
		if err := l.seat.record.Announce(ctx, event, content); err != nil {
			return err
		}
		if over {
			return l.custody.Over(ctx, string(record.CauseStopped), "")
		}
		return l.custody.Release(ctx)
	})
}
