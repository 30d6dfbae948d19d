package poller

import (
	"context"
	"errors"
	"time"

	"aiccbridge/internal/retry"
	"aiccbridge/poller/sequence"
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
	kept     ticket // of the session, as in entry
	replaced ticket // the one before the last new GUID
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
	denials      int  // sign-ins answered with 401 or 403 in a row
	signInPauses backoff.BackOff
	signInAt     time.Time // not before

	polls    pollState
	sequence *sequence.Checker // what the agent's events must be like
	recent   recentEvents      // to know repeated ones

	// What the agent is doing.
	known       schemas.AgentState
	knownStale  bool // not written to the bucket STATE yet
	heartbeatAt time.Time

	polling, signing, storing, keeping, reading trouble
	stranger                                    string // the last other agent that an event named
}

func newStint(p *Pool, s *seat, a Agent, intake, work context.Context) *stint {
	return &stint{
		pool: p, seat: s, agent: a, intake: intake, work: work,
		log: agentLogger(p.Logger, a.ID),
		key: schemas.AgentKey(p.Tenant, a.ID),
		known: schemas.AgentState{
			Tenant: p.Tenant, Agent: a.ID, State: schemas.StateUnknown,
		},
		sequence:     sequence.New(&p.habits),
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
	if s.intake.Err() != nil && now != phaseLeaving && now != phaseFenced && now != phaseEnded {
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
	s.seat.heard.clear()
	if errors.Is(err, errFenced) {
		s.log.Error().Uint64("epoch", s.pool.Epoch).Err(err).
			Msg("agent is not polled: its session entry has the same or a higher epoch; it belongs to another bridge, or the epoch did not grow")
		return phaseFenced
	}
	return phaseStopped
}

// end says that the session is over, and what went with it, and decides what
// follows.
func (s *stint) end(ctx context.Context) (phase, error) {
	why := s.ending
	if s.queueLost() {
		if err := s.recordGap(ctx, schemas.GapSession, s.polls.covered, time.Now(), "the session ended after polls that brought nothing", 0); err != nil {
			return "", err
		}
	}
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

// queueLost reports whether events may have waited in the queue of the session
// that ended. Between a good poll and one that says so at once they had no time.
func (s *stint) queueLost() bool {
	return s.polls.askedAt.Sub(s.polls.covered) >= minErrorGap
}

// release ends the session on our side: the event first, then the entry.
func (s *stint) release(ctx context.Context, eventType string, content *sessionContent) error {
	if err := s.announce(ctx, eventType, content); err != nil {
		return err
	}
	s.live, s.entry.Polling = false, false
	s.seat.heard.clear()
	switch {
	case eventType == schemas.EventSignedOut:
		s.kept, s.replaced, s.entry.GUID = ticket{}, s.kept, ""
	case s.seat.session.Ticket() != s.kept.plain: // cookies that were not due yet
		s.sealTicket()
	}
	return s.saveEntry(ctx)
}

// leave is the orderly end: sign out, or leave the session to who resumes it.
func (s *stint) leave(ctx context.Context) (phase, error) {
	if !s.live {
		return phaseStopped, nil
	}
	if s.pool.SignOutOnShutdown {
		if over, err := s.drain(ctx); over || err != nil {
			return phaseEnded, err
		}
		err := s.seat.session.SignOut(ctx)
		if err == nil {
			return phaseStopped, s.release(ctx, schemas.EventSignedOut, &sessionContent{Cause: CauseStopped})
		}
		s.log.Warn().Err(err).Msg("agent can't be signed out; its session is left alive")
	}
	return phaseStopped, s.release(ctx, schemas.EventLeft, nil)
}

// drain polls on while polls bring events: the gateway drops the queue at the
// sign-out. over reports that the session ended meanwhile.
func (s *stint) drain(ctx context.Context) (over bool, err error) {
	for begun := time.Now(); s.polls.more && time.Since(begun) < drainWithin; {
		if err := retry.Wait(ctx, s.pool.EventGap); err != nil {
			return false, err
		}
		t, err := s.pollOnce(ctx)
		if err != nil {
			return false, err
		}
		if t.ended != nil {
			s.ending = *t.ended
			return true, nil
		}
	}
	return false, nil
}
