package session

import (
	"context"
	"errors"
	"time"

	"aiccbridge/internal/ccgateway"
	"aiccbridge/internal/retry"
	"aiccbridge/poller/internal/aside"
	"aiccbridge/poller/internal/insist"
	"aiccbridge/poller/record"
	"aiccbridge/poller/session/custody"
	"aiccbridge/poller/session/entrance"
	"aiccbridge/schemas"

	"github.com/rs/zerolog"
)

// phase is where an agent is in its life; the drawing is in the package comment.
type phase string

const (
	phaseStarting  phase = "starting"
	phaseSigningIn phase = "signing_in"
	phasePolling   phase = "polling"
	phaseRetrying  phase = "retrying"
	phasePushed    phase = "pushed" // of a [Seat]: no loop here polls the agent
	phaseEnded     phase = "ended"
	phaseWaiting   phase = "waiting"
	phaseReturning phase = "returning"
	phaseHalted    phase = "halted"
	phaseLeaving   phase = "leaving"
	phaseFenced    phase = "fenced"
	phaseStopped   phase = "stopped"
)

const (
	lookAgain   = 10 * time.Second // how often an agent without password looks for a GUID
	lookAtLeast = 5 * time.Minute  // the same where it is told of changes
	drainWithin = 5 * time.Second  // before a sign-out: no further poll is begun after that
)

// errWrongMode is why an agent is halted that may not be polled.
var errWrongMode = errors.New("the gateway does not let the agent be polled (000-001): set EVENT_METHOD and GET_EVENT_MODE")

// Loop is one stay of an agent in the wanted set, from its start until it is no longer
// wanted as it was.
type Loop struct {
	tenant  *Tenant
	agent   Agent
	gateway Gateway
	record  *record.Recorder
	contact *Contact
	changes <-chan Agent

	custody  *custody.Custody
	entrance *entrance.Entrance
	pace     *pace

	log     zerolog.Logger
	polling *insist.Trouble
	seat    *seat
	sight   *sight // what a monitor shows

	phase     phase
	looked    uint64                // up to which revision the agent's entry was looked at, if not written
	liveSince time.Time             // the session's begin, here
	loginTime time.Time             // zero: resumed, or not told
	ending    record.SessionContent // why the session ended
}

// Loop returns the loop of an agent, to be run once.
func (t *Tenant) Loop(a Agent, p Parts) *Loop {
	log := t.logger(a.ID)
	l := &Loop{
		tenant: t, agent: a, gateway: p.Gateway, record: p.Record, contact: p.Contact, changes: p.Changes,
		custody: custody.New(t.options.custody(a, p.Gateway, log), p.Gateway, p.Record),
		pace:    newPace(t.options),
		log:     log, polling: insist.New(log), seat: &seat{board: t.counts.board, agent: a.ID},
	}
	door := entrance.Options{Force: t.options.ForceSignIn, ErrorGap: t.options.ErrorGap, After: p.SignInAfter, Logger: log}
	l.entrance = entrance.New(door, p.Gateway, func() ccgateway.SignIn { return l.agent.SignIn() })
	return l
}

// Run goes from phase to phase until the agent is left. When intake ends no poll is begun
// any more; the one in flight ends by itself and what it brings is stored. When work ends
// everything is cut at once. Both are to end together at the latest.
func (l *Loop) Run(intake, work context.Context) {
	sight, end := l.tenant.options.Sights.begin(l.agent.ID)
	defer end()
	l.sight = sight
	for next := phaseStarting; ; {
		l.enter(next)
		if next == phaseStopped {
			return
		}
		var err error
		if next, err = l.step(intake, work, next); err != nil {
			next = l.cut(err)
		}
	}
}

func (l *Loop) enter(next phase) {
	if l.phase == next {
		return
	}
	l.tenant.counts.moved(l.phase, next)
	l.seat.moved(next)
	l.log.Debug().Str("phase", string(next)).Msg("agent changed phase")
	l.phase = next
}

// step does one thing and says what is next. An error ends the loop without
// another word to the gateway or the store. Calls of the gateway run under work only.
func (l *Loop) step(intake, work context.Context, now phase) (phase, error) {
	if intake.Err() != nil && now != phaseLeaving && now != phaseFenced && now != phaseEnded {
		return phaseLeaving, nil
	}
	switch now {
	case phasePolling, phaseRetrying:
		return l.poll(intake, work)
	case phaseHalted:
		return l.halt(intake), nil
	case phaseFenced:
		<-intake.Done()
		return phaseStopped, nil
	}
	var next phase
	err := aside.Run(func() (err error) {
		next, err = l.change(intake, work, now)
		return err
	})
	return next, err
}

// change is a step that changes what the agent is to the gateway or to the store.
func (l *Loop) change(intake, work context.Context, now phase) (phase, error) {
	switch now {
	case phaseStarting:
		return l.start(intake, work)
	case phaseSigningIn:
		return l.signIn(intake, work)
	case phaseEnded:
		return l.end(work)
	case phaseWaiting:
		return l.await(intake, work)
	case phaseReturning:
		return l.giveBack(work)
	default:
		return l.leave(work)
	}
}

// cut ends a loop that has no right, or no time, to say goodbye.
func (l *Loop) cut(err error) phase {
	l.contact.clear()
	if errors.Is(err, custody.ErrFenced) {
		l.seat.failed(err)
		l.tenant.options.Observer.Fenced(l.agent.ID)
		l.log.Error().Uint64("epoch", l.tenant.options.Epoch).Err(err).
			Msg("agent is not polled: its session entry has the same or a higher epoch; it belongs to another bridge, or the epoch did not grow")
		return phaseFenced
	}
	return phaseStopped
}

// halt waits until something is mended: the agent has another password or phone. With the same
// ones nothing is tried: wrong passwords lock an account.
func (l *Loop) halt(intake context.Context) phase {
	for {
		select {
		case <-intake.Done():
			return phaseLeaving
		case changed := <-l.changes:
			mended := changed.Password != l.agent.Password || changed.Phone != l.agent.Phone
			l.agent = changed
			if !mended {
				continue
			}
			l.log.Info().Msg("agent has another password or phone; its sign-in is tried again")
			l.entrance.Begin()
			return l.signedOut()
		}
	}
}

// takeChange goes on with what the agent is described as by now.
func (l *Loop) takeChange() {
	select {
	case changed := <-l.changes:
		l.agent = changed
	default:
	}
}

// signIn tries once. The call is not cancelled by the end of intake: half a
// sign-in would leave a session that nobody knows.
func (l *Loop) signIn(intake, work context.Context) (phase, error) {
	if l.entrance.Wait(intake) != nil {
		return phaseLeaving, nil
	}
	l.takeChange()
	answer, forced, err := l.entrance.Try(work)
	switch {
	case err == nil:
		return l.signedIn(intake, work, answer, forced)
	case work.Err() != nil:
		return "", work.Err()
	}
	l.seat.failed(err)
	if l.entrance.Failed(err) {
		return phaseHalted, nil
	}
	return phaseSigningIn, nil
}

// signedIn keeps the new session, says so, and makes the agent ready for calls.
func (l *Loop) signedIn(intake, work context.Context, in ccgateway.SignedIn, forced bool) (phase, error) {
	l.entrance.Succeeded(in, forced)
	l.goLive(time.Now(), in.LoginTime)
	l.custody.Take()
	if err := l.custody.Save(work); err != nil {
		return "", err
	}
	content := record.SessionContent{Forced: forced, MediaType: in.MediaType, Server: in.ServerName}
	if err := l.record.Announce(work, schemas.EventSignedIn, &content); err != nil {
		return "", err
	}
	l.entrance.Ready(work, intake)
	return phasePolling, work.Err()
}

// goLive begins with a session whose queue was last asked at the given time.
// loginTime is zero if the session is not new.
func (l *Loop) goLive(asked, loginTime time.Time) {
	l.liveSince, l.loginTime = time.Now(), loginTime
	l.custody.Begin()
	l.pace.begin(l.liveSince, asked)
	l.record.Forget()
	l.contact.at(asked)
}

// end says that the session is over, and what went with it, and decides what
// follows.
func (l *Loop) end(ctx context.Context) (phase, error) {
	why := l.ending
	if l.pace.queueLost() {
		if err := l.record.Gap(ctx, schemas.GapSession, l.pace.covered, time.Now(), "the session ended after polls that brought nothing", 0); err != nil {
			return "", err
		}
	}
	if err := l.release(ctx, schemas.EventSignedOut, &why); err != nil {
		return "", err
	}
	l.log.Warn().Str("cause", string(why.Cause)).Msg("agent's session ended")
	if why.Cause == record.CauseWrongMode && !l.agent.handedOver() {
		l.seat.failed(errWrongMode)
		l.log.Error().Msg("gateway does not let the agent be polled (000-001): set EVENT_METHOD and GET_EVENT_MODE for polling by agent in the gateway's basic.properties, then restart the bridge")
		return phaseHalted, nil
	}
	l.entrance.Ended(time.Since(l.liveSince))
	return l.signedOut(), nil
}

// release ends the session on our side: the event first, then the entry.
func (l *Loop) release(ctx context.Context, eventType string, content *record.SessionContent) error {
	if err := l.record.Announce(ctx, eventType, content); err != nil {
		return err
	}
	l.contact.clear()
	if eventType == schemas.EventSignedOut {
		l.tenant.options.Observer.Ended(l.agent.ID)
		return l.custody.Over(ctx, string(content.Cause), content.Code)
	}
	return l.custody.Release(ctx)
}

// leave is the orderly end: sign out, or leave the session to who resumes it.
func (l *Loop) leave(ctx context.Context) (phase, error) {
	if !l.custody.Live() {
		return phaseStopped, nil
	}
	if l.tenant.options.SignOutOnShutdown && !l.agent.handedOver() {
		if over, err := l.drain(ctx); over || err != nil {
			return phaseEnded, err
		}
		err := l.gateway.SignOut(ctx)
		if err == nil {
			return phaseStopped, l.release(ctx, schemas.EventSignedOut, &record.SessionContent{Cause: record.CauseStopped})
		}
		l.log.Warn().Err(err).Msg("agent can't be signed out; its session is left alive")
	}
	return phaseStopped, l.release(ctx, schemas.EventLeft, nil)
}

// drain polls on while polls bring events: the gateway drops the queue at the
// sign-out. over reports that the session ended meanwhile.
func (l *Loop) drain(ctx context.Context) (over bool, err error) {
	for begun := time.Now(); l.pace.more && time.Since(begun) < drainWithin; {
		if err := retry.Wait(ctx, l.tenant.options.EventGap); err != nil {
			return false, err
		}
		t, err := l.pollOnce(ctx)
		if err != nil {
			return false, err
		}
		if t.ended != nil {
			l.ending = *t.ended
			return true, nil
		}
	}
	return false, nil
}
