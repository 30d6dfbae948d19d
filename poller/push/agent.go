package push

import (
	"context"
	"errors"
	"time"

	"aiccbridge/internal/ccgateway"
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
	l.seat.hears(l.seat.last.At.Add(-givesUpAfter)) // what was on its way then is not known
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
	l.seat.lives()
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
		l.seat.hears(begun)
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
