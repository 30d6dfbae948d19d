package poller

import (
	"context"
	"encoding/json"
	"time"

	"aiccbridge/internal/retry"
	"aiccbridge/schemas"
)

// legacy is what the last owner of the agent left behind.
type legacy struct {
	at      time.Time // its last sign of life
	unclean bool      // it did not say that it stopped
	left    bool      // it stopped and left its session alive
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
	old := s.legacy(ctx)
	resumes := s.takeOver()
	if err := s.recordLegacy(ctx, old, resumes); err != nil {
		return "", err
	}
	if !resumes {
		s.forgetState(ctx)
		return s.signedOut(), s.saveEntry(ctx)
	}
	asked := time.Now()
	if old.left {
		asked = old.at // what has happened since waits in the queue, or is lost
	}
	return s.resume(ctx, asked)
}

// takeOver goes on with the session of the entry, if there is one that may be alive.
func (s *stint) takeOver() bool {
	sealed, age := s.entry.GUID, time.Since(s.entry.UpdatedAt)
	s.entry.Polling, s.entry.GUID = false, ""
	if age < resumeWithin || s.agent.Password == "" {
		if t, ok := s.handed(sealed); ok {
			s.adopt(t)
			return true
		}
	}
	s.replaced = ticket{sealed: sealed}
	return false
}

// legacy finds out how the last owner ended: from the entry, and from the last
// message stored, because another system may have written or deleted the entry
// since. An entry that says "polling" may be 30 s old; the message is exact.
func (s *stint) legacy(ctx context.Context) legacy {
	old := legacy{unclean: s.entry.Polling, left: !s.entry.Polling && s.entry.Epoch > 0 && s.entry.GUID != ""}
	if s.entry.Epoch > 0 {
		old.at = s.entry.UpdatedAt
	}
	last, at, ok := s.lastStored(ctx)
	if !ok {
		return old
	}
	old.left = !old.unclean && last.Type == schemas.EventLeft
	old.unclean = old.unclean || !last.final()
	if at.After(old.at) {
		old.at = at
	}
	if last.Epoch > s.before.Epoch || last.Epoch == s.before.Epoch && last.Seq > s.before.Seq {
		s.before = last.Position
	}
	return old
}

// lastMessage is what the agent's last message in the stream says.
type lastMessage struct {
	schemas.Position
	Type  string           `json:"type"`  // of an event; "" for anything else
	Cause schemas.GapCause `json:"cause"` // of a gap; "" for anything else
}

// final reports that no session was polled after the message: one that ends a
// session, or a gap that an owner wrote as it began, without getting one.
func (m lastMessage) final() bool {
	return m.Type == schemas.EventLeft || m.Type == schemas.EventSignedOut ||
		m.Cause == schemas.GapUnclean || m.Cause == schemas.GapSession
}

// lastStored returns the agent's last message in the stream, if it can be had.
func (s *stint) lastStored(ctx context.Context) (last lastMessage, at time.Time, ok bool) {
	if s.pool.LastStored == nil {
		return last, at, false
	}
	side, cancel := context.WithTimeout(ctx, sideLimit)
	defer cancel()
	m, ok, err := s.pool.LastStored(side, s.pool.Names.Agent(s.pool.Tenant, s.agent.ID))
	if err != nil || !ok || json.Unmarshal(m.Body, &last) != nil || last.Epoch == 0 {
		return lastMessage{}, at, false
	}
	return last, m.StoredAt, true
}

// recordLegacy says what may have been lost before we came: all since the last
// owner's sign of life if it did not stop cleanly; and if it did, all since it
// left, unless its session goes on and with it the queue.
func (s *stint) recordLegacy(ctx context.Context, old legacy, resumes bool) error {
	now := time.Now()
	from := old.at
	if from.IsZero() || from.After(now) {
		from = now
	}
	switch {
	case old.unclean:
		return s.recordGap(ctx, schemas.GapUnclean, from, now, "the last owner did not release the agent", 0)
	case old.left && !resumes:
		return s.recordGap(ctx, schemas.GapSession, from, now, "the session left alive was not resumed in time", 0)
	}
	return nil
}

// signedOut is the phase of an agent without session.
func (s *stint) signedOut() phase {
	if s.agent.Password == "" {
		return phaseWaiting
	}
	return phaseSigningIn
}

// resume goes on with the session just adopted, whose queue was last asked at the
// given time; the first poll shows whether it is still alive.
func (s *stint) resume(ctx context.Context, asked time.Time) (phase, error) {
	s.goLive(time.Time{})
	s.polls.covered = asked
	s.seat.heard.at(asked)
	if err := s.saveEntry(ctx); err != nil {
		return "", err
	}
	s.polls.asks = askAttempts // the state may have changed since
	s.log.Info().Msg("agent's session resumed")
	return phasePolling, s.announce(ctx, schemas.EventResumed, nil)
}

func (s *stint) goLive(loginTime time.Time) {
	now := time.Now()
	s.live, s.liveSince, s.loginTime, s.rotates = true, now, loginTime, false
	s.polls.reset(now)
	s.sequence.Forget()
	s.seat.heard.at(now)
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
	if s.entry.Epoch > s.pool.Epoch {
		return "", errFenced
	}
	t, ok := s.handed(s.entry.GUID)
	if !ok {
		s.replaced.sealed = s.entry.GUID // don't try, and don't complain, again
		return phaseWaiting, nil
	}
	s.adopt(t)
	return s.resume(ctx, time.Now())
}
