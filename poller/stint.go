package poller

import (
	"context"
	"errors"
	"time"

	"aiccbridge/internal/ccgateway"
	"aiccbridge/internal/retry"
	"aiccbridge/schemas"

	"github.com/cenkalti/backoff/v4"
	"github.com/rs/zerolog"
)

// phase is where an agent is in its life; the drawing is in the package comment.
type phase string

const (
	phaseStarting  phase = "starting"
	phaseSigningIn phase = "signing_in"
	phasePolling   phase = "polling"
	phaseRetrying  phase = "retrying"
	phaseEnded     phase = "ended"
	phaseWaiting   phase = "waiting"
	phaseHalted    phase = "halted"
	phaseLeaving   phase = "leaving"
	phaseFenced    phase = "fenced"
	phaseStopped   phase = "stopped"
)

// stint is one stay of an agent in the pool, from its start until it is no longer
// wanted as it was. All of it runs in one goroutine.
type stint struct {
	pool  *Pool
	seat  *seat
	agent Agent
	// intake ends: nothing new. work ends: drop everything. Calls of the gateway
	// run under work only.
	intake, work context.Context
	log          zerolog.Logger
	phase        phase

	// Kept in the bucket SESSIONS.
	key      string
	entry    schemas.Session
	revision uint64
	savedAt  time.Time
	guid     string // whose sealed form is in entry
	replaced string // sealed form of the GUID before
	before   schemas.Position

	// The session.
	live      bool // signed in, as far as we know
	liveSince time.Time
	loginTime time.Time // zero: resumed, or not told
	rotates   bool      // the GUID changed during the session (AUTHMODE 2)
	skillsDue bool      // skills are not reset yet
	ending    sessionContent

	// The way in.
	force        bool // the next sign-in throws the other session out
	forced       bool // that was done once; never again in this stint
	signInPauses backoff.BackOff
	signInAt     time.Time // not before

	polls pollState

	// What the agent is doing.
	known       schemas.AgentState
	knownStale  bool // not written to the bucket STATE yet
	heartbeatAt time.Time

	polling, signing, storing, keeping trouble
	late                               []ccgateway.Event // see breakage.storeLate
}

func newStint(p *Pool, s *seat, a Agent, intake, work context.Context) *stint {
	return &stint{
		pool: p, seat: s, agent: a, intake: intake, work: work,
		log: agentLogger(p.Logger, a.ID),
		key: schemas.AgentKey(p.Tenant, a.ID),
		known: schemas.AgentState{
			Tenant: p.Tenant, Agent: a.ID, State: schemas.StateUnknown,
		},
		signInPauses: retry.NewBackOff(2*p.ErrorGap, maxSignInGap),
		polls:        pollState{pauses: retry.NewBackOff(p.ErrorGap*3/2, maxErrorGap)},
	}
}

// run goes from phase to phase until the stint is over.
func (s *stint) run() {
	for next := phaseStarting; ; {
		s.enter(next)
		if next == phaseStopped {
			return
		}
		var err error
		if next, err = s.step(next); err != nil {
			next = s.cut(err)
		}
	}
}

func (s *stint) enter(next phase) {
	if s.phase == next {
		return
	}
	s.pool.metrics.moved(s.phase, next)
	s.log.Debug().Str("phase", string(next)).Msg("agent changed phase")
	s.phase = next
}

// step does one thing and says what is next. An error ends the stint without
// another word to the gateway or the store.
func (s *stint) step(now phase) (phase, error) {
	if s.intake.Err() != nil && now != phaseLeaving && now != phaseFenced {
		return phaseLeaving, nil
	}
	switch now {
	case phaseStarting:
		return s.begin(s.work)
	case phaseSigningIn:
		return s.signIn(s.work)
	case phasePolling, phaseRetrying:
		return s.poll(s.work)
	case phaseEnded:
		return s.end(s.work)
	case phaseWaiting:
		return s.await(s.work)
	case phaseHalted:
		<-s.intake.Done()
		return phaseLeaving, nil
	case phaseFenced:
		<-s.intake.Done()
		return phaseStopped, nil
	default:
		return s.leave(s.work)
	}
}

// cut ends a stint that has no right, or no time, to say goodbye.
func (s *stint) cut(err error) phase {
	if errors.Is(err, errFenced) {
		s.log.Error().Uint64("epoch", s.pool.Epoch).Err(err).
			Msg("agent is not polled: its session entry has the same or a higher epoch; it belongs to another bridge, or the epoch did not grow")
		return phaseFenced
	}
	return phaseStopped
}

// begin claims the agent and finds out whether there is a session to go on with.
func (s *stint) begin(ctx context.Context) (phase, error) {
	if err := s.loadEntry(ctx); err != nil {
		return "", err
	}
	s.before = schemas.Position{Epoch: s.entry.Epoch, Seq: s.entry.LastSeq}
	switch {
	case s.entry.Epoch > s.pool.Epoch, s.entry.Epoch == s.pool.Epoch && s.entry.Polling:
		// Of an owner with our own epoch that did not stop cleanly the last number
		// is not known; used again, it would be taken for a repeat and dropped.
		return "", errFenced
	case s.entry.Epoch == s.pool.Epoch:
		s.seat.seq = max(s.seat.seq, s.entry.LastSeq)
	}
	s.recallState(ctx)
	if s.entry.Polling {
		if err := s.recordUncleanStop(ctx); err != nil {
			return "", err
		}
	}
	sealed, age := s.entry.GUID, time.Since(s.entry.UpdatedAt)
	s.entry.Polling, s.entry.GUID, s.replaced = false, "", sealed
	if sealed != "" && (age < resumeWithin || s.agent.Password == "") && s.adopt(sealed) {
		return s.resume(ctx)
	}
	s.forgetState(ctx)
	return s.signedOut(), s.saveEntry(ctx)
}

// recordUncleanStop says that the last owner did not. Its entry may be 30 s old;
// the last message stored makes the bounds exact, if it can be had.
func (s *stint) recordUncleanStop(ctx context.Context) error {
	now := time.Now()
	from := s.entry.UpdatedAt
	if last, at, ok := s.lastStored(ctx); ok {
		if last.Epoch > s.before.Epoch || last.Epoch == s.before.Epoch && last.Seq > s.before.Seq {
			s.before = last
		}
		if at.After(from) {
			from = at
		}
	}
	if from.IsZero() || from.After(now) {
		from = now
	}
	return s.recordGap(ctx, schemas.GapUnclean, from, now, "the last owner did not release the agent", 0)
}

// signedOut is the phase of an agent without session.
func (s *stint) signedOut() phase {
	if s.agent.Password == "" {
		return phaseWaiting
	}
	return phaseSigningIn
}

// resume goes on with the GUID just adopted; the first poll shows whether the
// session is still alive.
func (s *stint) resume(ctx context.Context) (phase, error) {
	s.goLive(time.Time{})
	if err := s.saveEntry(ctx); err != nil {
		return "", err
	}
	s.polls.doubt = true // the state may have changed since; ask
	return phasePolling, s.announce(ctx, schemas.EventResumed, nil)
}

func (s *stint) goLive(loginTime time.Time) {
	now := time.Now()
	s.live, s.liveSince, s.loginTime, s.rotates = true, now, loginTime, false
	s.polls.reset(now)
	s.heartbeatAt = now.Add(s.pool.Heartbeat)
	s.entry.Polling = true
}

// await looks whether another system handed a GUID over.
func (s *stint) await(ctx context.Context) (phase, error) {
	if retry.Wait(s.intake, lookAgain) != nil {
		return phaseLeaving, nil
	}
	if err := s.loadEntry(ctx); err != nil {
		return "", err
	}
	sealed := s.entry.GUID
	switch {
	case s.entry.Epoch > s.pool.Epoch:
		return "", errFenced
	case sealed == "" || sealed == s.replaced || !s.adopt(sealed):
		s.replaced = sealed // don't try, and don't complain, again
		return phaseWaiting, nil
	}
	return s.resume(ctx)
}

// end says that the session is over and decides what follows.
func (s *stint) end(ctx context.Context) (phase, error) {
	why := s.ending
	if err := s.release(ctx, schemas.EventSignedOut, &why); err != nil {
		return "", err
	}
	s.log.Warn().Str("cause", string(why.Cause)).Msg("agent's session ended")
	if why.Cause == CauseWrongMode {
		s.log.Error().Msg("gateway does not let the agent be polled (000-001): set EVENT_METHOD and GET_EVENT_MODE for polling by agent in the gateway's basic.properties, then change or restart the agent")
		return phaseHalted, nil
	}
	if time.Since(s.liveSince) >= stableAfter {
		s.signInPauses.Reset()
	}
	s.signInAt = time.Now().Add(max(s.pool.ErrorGap, s.signInPauses.NextBackOff()))
	return s.signedOut(), nil
}

// release ends the session on our side: the event first, then the entry.
func (s *stint) release(ctx context.Context, eventType string, content *sessionContent) error {
	if err := s.announce(ctx, eventType, content); err != nil {
		return err
	}
	s.live, s.entry.Polling = false, false
	if eventType == schemas.EventSignedOut {
		s.replaced, s.entry.GUID = s.entry.GUID, ""
	}
	return s.saveEntry(ctx)
}

// leave is the orderly end: sign out, or leave the session to who resumes it.
func (s *stint) leave(ctx context.Context) (phase, error) {
	if !s.live {
		return phaseStopped, nil
	}
	if s.pool.SignOutOnShutdown {
		err := s.seat.session.SignOut(ctx)
		if err == nil {
			return phaseStopped, s.release(ctx, schemas.EventSignedOut, &sessionContent{Cause: CauseStopped})
		}
		s.log.Warn().Err(err).Msg("agent can't be signed out; its session is left alive")
	}
	return phaseStopped, s.release(ctx, schemas.EventLeft, nil)
}
