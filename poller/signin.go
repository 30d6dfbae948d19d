package poller

import (
	"context"
	"errors"
	"fmt"
	"time"

	"aiccbridge/internal/ccgateway"
	"aiccbridge/internal/retry"
	"aiccbridge/schemas"
)

const (
	codeAlreadySignedIn = "100-002"
	codeNoPermission    = "000-003"
	codeWrongMode       = "000-001"
	codeElsewhere       = "100-015" // signed in elsewhere and not displaceable, now
)

// signIn tries once. The call is not cancelled by the end of intake: half a
// sign-in would leave a session that nobody knows.
func (s *stint) signIn(ctx context.Context) (phase, error) {
	if retry.Wait(s.intake, time.Until(s.signInAt)) != nil {
		return phaseLeaving, nil
	}
	call, forced := s.seat.session.SignIn, s.force
	if forced {
		call, s.force = s.seat.session.ForceSignIn, false
	}
	answer, err := call(ctx, ccgateway.SignIn{
		Password: s.agent.Password, Phone: s.agent.Phone,
		AutoAnswer: s.agent.AutoAnswer, AutoEnterIdle: s.agent.AutoEnterIdle, Status: s.agent.Status,
	})
	switch {
	case err == nil:
		return s.signedIn(ctx, answer, forced)
	case ctx.Err() != nil:
		return "", ctx.Err()
	}
	return s.notSignedIn(err), nil
}

// signedIn keeps the new session, says so, and makes the agent ready for calls.
func (s *stint) signedIn(ctx context.Context, in ccgateway.SignedIn, forced bool) (phase, error) {
	s.signing.over(s.log, "agent is signed in again")
	s.log.Info().Bool("forced", forced).Msg("agent signed in")
	if in.MustChangePassword {
		s.log.Warn().Msg("gateway asks for a new password: the agent gets no calls until it is changed")
	}
	s.denials = 0
	s.goLive(in.LoginTime)
	s.skillsDue = true
	s.sealTicket()
	if err := s.saveEntry(ctx); err != nil {
		return "", err
	}
	content := sessionContent{Forced: forced, MediaType: in.MediaType, Server: in.ServerName}
	if err := s.announce(ctx, schemas.EventSignedIn, &content); err != nil {
		return "", err
	}
	for try := 1; s.skillsDue; try++ {
		s.resetSkills(ctx)
		if try == skillAttempts || s.skillsDue && retry.Wait(s.intake, s.pool.ErrorGap) != nil {
			break // polling matters more; it is tried again between polls
		}
	}
	return phasePolling, ctx.Err()
}

// resetSkills signs the agent in to its queues; without it there may be no calls
// (cec_07_1209).
func (s *stint) resetSkills(ctx context.Context) {
	if err := s.seat.session.ResetSkills(ctx); err != nil {
		s.signing.on(s.log, "reset skills", err, "agent may get no calls: its skills are not reset")
		return
	}
	s.skillsDue = false
	s.signing.over(s.log, "skills are reset")
}

// notSignedIn decides what a refused or broken sign-in leads to.
func (s *stint) notSignedIn(err error) phase {
	var refused *ccgateway.CodeError
	var status *ccgateway.StatusError
	kind := "no answer"
	switch {
	case errors.As(err, &status):
		kind = fmt.Sprint("status ", status.Status)
		if s.deniedAgain(status) {
			s.log.Error().Err(err).
				Msg("agent can't be signed in and is not tried again: the gateway, or what stands before it, denies access; mend that, then change or restart the agent")
			return phaseHalted
		}
	case errors.As(err, &refused):
		s.denials = 0
		kind = refused.Code
		if hopeless(refused) {
			s.log.Error().Str("code", kind).Err(err).
				Msg("agent can't be signed in and is not tried again; correct its password, phone or account, then change or restart it")
			return phaseHalted
		}
		if refused.Code == codeAlreadySignedIn && s.pool.ForceSignIn && !s.forced {
			s.force, s.forced = true, true
			s.signInAt = time.Now().Add(s.pool.ErrorGap)
			return phaseSigningIn
		}
	}
	s.signing.on(s.log, kind, err, "agent is not signed in; trying again")
	s.signInAt = time.Now().Add(max(s.pool.ErrorGap, s.signInPauses.NextBackOff()))
	return phaseSigningIn
}

// deniedAgain reports the second sign-in in a row that was answered with 401 or
// 403: it may be counted against the account like a wrong password.
func (s *stint) deniedAgain(e *ccgateway.StatusError) bool {
	if e.Class != ccgateway.ClassAuth {
		s.denials = 0
		return false
	}
	s.denials++
	return s.denials >= maxDenials
}

// hopeless reports a refusal that repeating can't mend. Above all a wrong password:
// the platform locks the account after a few (110-016, 110-021).
func hopeless(e *ccgateway.CodeError) bool {
	switch e.Code {
	case codeAlreadySignedIn, codeElsewhere, codeNoPermission:
		return false // passes when the other session ends, or when rights are given
	case codeWrongMode:
		return true
	}
	return e.Class == ccgateway.ClassAuth || e.Class == ccgateway.ClassCaller
}
