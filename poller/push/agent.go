package push

import (
	"context"
	"errors"
	"strings"
	"time"

	"aiccbridge/internal/ccgateway"
	"aiccbridge/internal/retry"
	"aiccbridge/poller/internal/insist"
	"aiccbridge/poller/record"
	"aiccbridge/poller/session"
	"aiccbridge/poller/session/custody"
	"aiccbridge/poller/session/entrance"
	"aiccbridge/schemas"

	"github.com/rs/zerolog"
)

// Gateway is what a session is kept alive with, beside what a poll needs.
type Gateway interface {
	session.Gateway
	Handshake(ctx context.Context, serviceToken string) error
	Heartbeat(ctx context.Context) (loginTime time.Time, err error)
}

// Loop keeps one agent signed in whose events are pushed, for as long as the agent is wanted:
//
//	starting ── a session that goes on ──► live ── heartbeats, each 30 s (pushUrl: 60 s) ──┐
//	   │                                    ▲ ▲                                            │
//	   └─► signing in ── signed in ─────────┘ └────────────────────────────────────────────┤
//	        ▲  │ wrong password, locked, …                                                 │
//	        │  └─► halted until the agent is described otherwise                           │
//	        └── ended ◄── 100-006, 000-003, …, a pushed ShutdownService, 240 s without ────┘
//
//	live, signing in, halted ── intake ends ──► left: signed out, or left to be resumed
//
// An agent without password is signed in, and cared for, by others.
type Loop struct {
	desk     *Desk
	seat     *seat
	agent    session.Agent
	gateway  Gateway
	custody  *custody.Custody
	entrance *entrance.Entrance
	shown    *session.Seat
	changes  <-chan session.Agent
	log      zerolog.Logger
	beating  *insist.Trouble

	loginTime time.Time // zero: resumed, or not told
	since     time.Time // the session's begin, here
	good      time.Time // of the last heartbeat that was answered well
}

// Loop returns the loop of an agent, to be run once. Its recorder is the desk's.
func (d *Desk) Loop(a session.Agent, p session.Parts) session.Runner {
	d.mu.Lock()
	s := d.seat(a.ID)
	d.mu.Unlock()
	s.mu.Lock()
	s.cared = a.Password != ""
	s.mu.Unlock()
	log := d.log.With().Str("agent", a.ID).Logger()
	l := &Loop{
		desk: d, seat: s, agent: a, shown: p.Seat, changes: p.Changes, log: log, beating: insist.New(log),
		gateway: p.Gateway.(Gateway), // the desk's owner sees to it
	}
	l.custody = custody.New(custody.Options{
		Tenant: d.o.Tenant, Agent: a.ID, Epoch: d.o.Epoch, Entries: d.o.Sessions, Seal: d.o.Seal, Logger: log,
	}, l.gateway, s.record)
	door := entrance.Options{Force: d.o.ForceSignIn, ErrorGap: d.o.ErrorGap, After: p.SignInAfter, Logger: log}
	l.entrance = entrance.New(door, l.gateway, l.signInWith)
	return l
}

// Run keeps the agent signed in until intake ends. When work ends everything is cut.
func (l *Loop) Run(intake, work context.Context) {
	if l.agent.Password == "" {
		<-intake.Done()
		return
	}
	defer l.shown.Left()
	err := l.begin(work)
	for err == nil && intake.Err() == nil {
		if l.custody.Live() {
			err = l.live(intake, work)
		} else {
			err = l.signIn(intake, work)
		}
	}
	if err == nil {
		err = l.leave(work)
	}
	if errors.Is(err, custody.ErrFenced) {
		l.shown.Failed(err)
		l.shown.Halted()
		l.log.Error().Err(err).Msg("agent is not kept signed in: its session entry has the same or a higher epoch; it belongs to another bridge")
		<-intake.Done()
	}
}

// begin claims the agent, and goes on with the session that its last owner left.
func (l *Loop) begin(ctx context.Context) error {
	entry, err := l.custody.Load(ctx)
	if err != nil {
		return err
	}
	if entry.Epoch > l.desk.o.Epoch || entry.Epoch == l.desk.o.Epoch && entry.Polling {
		return custody.ErrFenced
	}
	return l.seat.with(ctx, func() error {
		if entry.Epoch == l.desk.o.Epoch {
			l.seat.record.Continue(entry.LastSeq)
		}
		l.seat.record.Follow(schemas.Position{Epoch: entry.Epoch, Seq: entry.LastSeq})
		l.seat.patience = l.desk.inlet.patience(l.desk.inlet.o.PushURL)
		if err := l.seat.begin(ctx); err != nil {
			return err
		}
		if l.seat.last.Mark == "" && l.seat.last.Epoch > 0 { // it is polled, or was handed over
			l.custody.Decline()
		} else if l.custody.TakeOver() {
			return l.resume(ctx)
		}
		if entry.Epoch > 0 && entry.GUID != "" { // what waited was dropped with the session
			if err := l.seat.record.Gap(ctx, schemas.GapSession, entry.UpdatedAt, time.Now(), "the session left alive was not resumed in time", 0); err != nil {
				return err
			}
		}
		l.seat.record.Standing.Forget(ctx)
		return l.custody.Save(ctx)
	})
}

// resume goes on with the session just taken over; the first heartbeat shows whether it is
// alive. What was pushed meanwhile and not taken comes again, but to a pushUrl.
func (l *Loop) resume(ctx context.Context) error {
	l.goLive(time.Time{})
	if err := l.custody.Save(ctx); err != nil {
		return err
	}
	l.log.Info().Msg("agent's session resumed")
	l.seat.record.Standing.Doubt()
	if last := l.seat.last; l.desk.inlet.o.PushURL && last.Epoch > 0 {
		if err := l.seat.record.Gap(ctx, schemas.GapSession, last.At, time.Now(), "what comes to a pushUrl while nobody takes it is not repeated for long", 0); err != nil {
			return err
		}
	}
	return l.seat.record.Announce(ctx, schemas.EventResumed, nil)
}

// goLive begins with a session; the turn is had.
func (l *Loop) goLive(loginTime time.Time) {
	now := time.Now()
	l.since, l.good, l.loginTime = now, now, loginTime
	l.seat.forgetOver() // of the session before
	l.custody.Begin()
	l.shown.Live()
}

// signInWith is a sign-in that asks for pushes, with a token of its own.
func (l *Loop) signInWith() ccgateway.SignIn {
	in := l.agent.SignIn()
	in.Push = l.desk.inlet.pushTo(l.agent.ID, time.Now())
	return in
}

// signIn tries once. It is not cancelled by the end of intake: half a sign-in would leave a
// session that nobody knows.
func (l *Loop) signIn(intake, work context.Context) error {
	l.shown.Tries()
	if l.entrance.Wait(intake) != nil {
		return nil
	}
	select {
	case changed := <-l.changes:
		l.agent = changed
	default:
	}
	begun := time.Now()
	in, forced, err := l.entrance.Try(work)
	switch {
	case err == nil:
		return l.signedIn(intake, work, in, forced, begun)
	case work.Err() != nil:
		return work.Err()
	}
	l.shown.Failed(err)
	if l.entrance.Failed(err) {
		l.halt(intake)
	}
	return nil
}

func (l *Loop) signedIn(intake, work context.Context, in ccgateway.SignedIn, forced bool, begun time.Time) error {
	l.entrance.Succeeded(in, forced)
	err := l.seat.with(work, func() error {
		l.goLive(in.LoginTime)
		l.seat.told(begun)
		l.custody.Take()
		if err := l.custody.Save(work); err != nil {
			return err
		}
		content := record.SessionContent{Forced: forced, MediaType: in.MediaType, Server: in.ServerName}
		return l.seat.record.Announce(work, schemas.EventSignedIn, &content)
	})
	if err == nil {
		l.entrance.Ready(work, intake)
		err = work.Err()
	}
	return err
}

// halt waits until the agent has another password or phone: wrong ones lock an account.
func (l *Loop) halt(intake context.Context) {
	l.shown.Halted()
	for {
		select {
		case <-intake.Done():
			return
		case changed := <-l.changes:
			mended := changed.Password != l.agent.Password || changed.Phone != l.agent.Phone
			if l.agent = changed; mended {
				l.log.Info().Msg("agent has another password or phone; its sign-in is tried again")
				l.entrance.Begin()
				return
			}
		}
	}
}

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

// end says that the session is over, and that what the bridge had not taken went with it.
func (l *Loop) end(ctx context.Context, why record.SessionContent) error {
	err := l.seat.with(ctx, func() error {
		if err := l.seat.given(ctx, 0, "the session ended while pushes were not taken"); err != nil {
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
		if err := l.seat.record.Announce(ctx, event, content); err != nil {
			return err
		}
		if over {
			return l.custody.Over(ctx, string(record.CauseStopped), "")
		}
		return l.custody.Release(ctx)
	})
}
