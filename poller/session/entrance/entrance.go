// Package entrance is an agent's way in to the gateway: when a sign-in may be tried, what
// its refusal means, and whether the agent is ready for calls after it.
//
// It knows nothing of what follows, a loop of polls or a heartbeat beside pushes. A
// refused password or a locked account is never tried again by itself; a sign-in answered
// with 401 or 403 is tried once more.
package entrance

import (
	"context"
	"errors"
	"fmt"
	"time"

	"aiccbridge/internal/ccgateway"
	"aiccbridge/internal/retry"
	"aiccbridge/poller/internal/insist"

	"github.com/cenkalti/backoff/v4"
	"github.com/rs/zerolog"
)

const (
	codeAlreadySignedIn = "100-002"
	codeNoPermission    = "000-003"
	codeWrongMode       = "000-001"
	codeElsewhere       = "100-015" // signed in elsewhere and not displaceable, now
)

const (
	maxSignInGap  = time.Minute
	stableAfter   = time.Minute // a session that lasted so long resets the sign-in back-off
	skillAttempts = 3
	maxDenials    = 2 // sign-ins in a row answered with 401 or 403
)

// Gateway is the part of the gateway that lets agents in.
type Gateway interface {
	SignIn(ctx context.Context, s ccgateway.SignIn) (ccgateway.SignedIn, error)
	ForceSignIn(ctx context.Context, s ccgateway.SignIn) (ccgateway.SignedIn, error)
	ResetSkills(ctx context.Context) error
}

// Options are those of one agent.
type Options struct {
	Force    bool           // once whoever else is signed in as the agent is thrown out
	ErrorGap time.Duration  // least pause after a sign-in that failed
	After    time.Duration  // the first sign-in waits so long
	Logger   zerolog.Logger // the zero value discards
}

// Entrance is an agent's way in. It is for one goroutine. Use [New].
type Entrance struct {
	gateway Gateway
	as      func() ccgateway.SignIn
	o       Options
	log     zerolog.Logger
	signing *insist.Trouble

	mayForce  bool // who else is signed in may be thrown out, once
	force     bool // the next sign-in does
	denials   int  // sign-ins answered with 401 or 403 in a row
	skillsDue bool // skills are not reset yet
	notBefore time.Time

	// The pauses are asked for by hand, and not by a loop of the library: they go on
	// over sessions that end soon, and a sign-in that succeeds is the beginning of one.
	pauses backoff.BackOff
}

// New tries nothing yet. as says, at each try, what the agent signs in with.
func New(o Options, g Gateway, as func() ccgateway.SignIn) *Entrance {
	return &Entrance{
		gateway: g, as: as, o: o, log: o.Logger, signing: insist.New(o.Logger), mayForce: o.Force,
		notBefore: time.Now().Add(o.After),
		pauses:    retry.NewBackOff(2*o.ErrorGap, maxSignInGap),
	}
}

// Begin lets another description of the agent be tried at once, and as often as a first one.
func (e *Entrance) Begin() {
	e.denials, e.notBefore = 0, time.Now()
	e.pauses.Reset()
}

// Wait returns nil when a sign-in may be tried, or the error of ctx.
func (e *Entrance) Wait(ctx context.Context) error { return retry.Wait(ctx, time.Until(e.notBefore)) }

// Try signs the agent in. forced reports that another session was thrown out.
func (e *Entrance) Try(ctx context.Context) (in ccgateway.SignedIn, forced bool, err error) {
	call, forced := e.gateway.SignIn, e.force
	if forced {
		call, e.force = e.gateway.ForceSignIn, false
	}
	in, err = call(ctx, e.as())
	return in, forced, err
}

// Succeeded is for a sign-in that did. The agent's skills are to be reset.
func (e *Entrance) Succeeded(in ccgateway.SignedIn, forced bool) {
	e.signing.Over("agent is signed in again")
	e.log.Info().Bool("forced", forced).Msg("agent signed in")
	if in.MustChangePassword {
		e.log.Warn().Msg("gateway asks for a new password: the agent gets no calls until it is changed")
	}
	e.denials, e.skillsDue = 0, true
}

// Ready resets the skills, in a few attempts while intake lasts. Polling matters more: what
// is due after them is tried again between polls.
func (e *Entrance) Ready(work, intake context.Context) {
	for try := 1; e.skillsDue; try++ {
		e.ResetSkills(work)
		if try == skillAttempts || e.skillsDue && retry.Wait(intake, e.o.ErrorGap) != nil {
			return
		}
	}
}

// SkillsDue reports that the skills of an agent who is signed in are not reset yet.
func (e *Entrance) SkillsDue() bool { return e.skillsDue }

// ResetSkills signs the agent in to its queues; without it there may be no calls
// (cec_07_1209).
func (e *Entrance) ResetSkills(ctx context.Context) {
	if err := e.gateway.ResetSkills(ctx); err != nil {
		e.signing.On("reset skills", err, "agent may get no calls: its skills are not reset")
		return
	}
	e.skillsDue = false
	e.signing.Over("skills are reset")
}

// Failed decides what a refused or broken sign-in leads to: another one after a while,
// or none any more.
func (e *Entrance) Failed(err error) (halted bool) {
	var refused *ccgateway.CodeError
	var status *ccgateway.StatusError
	kind := "no answer"
	switch {
	case errors.As(err, &status):
		kind = fmt.Sprint("status ", status.Status)
		if e.deniedAgain(status) {
			e.log.Error().Err(err).
				Msg("agent can't be signed in and is not tried again: the gateway, or what stands before it, denies access; mend that, then restart the bridge")
			return true
		}
	case errors.As(err, &refused):
		e.denials = 0
		kind = refused.Code
		if hopeless(refused) {
			e.log.Error().Str("code", kind).Err(err).
				Msg("agent can't be signed in and is not tried again; correct its password (password_file, secrets_file), phone or account; with another password or phone it is tried at once, else restart the bridge")
			return true
		}
		if refused.Code == codeAlreadySignedIn && e.mayForce {
			e.mayForce, e.force = false, true
			e.notBefore = time.Now().Add(e.o.ErrorGap)
			return false
		}
	}
	e.signing.On(kind, err, e.advice(kind))
	e.pause()
	return false
}

// advice is what to say of a sign-in that is tried again: what to do, where the refusal
// shows it.
func (e *Entrance) advice(kind string) string {
	switch {
	case kind == codeAlreadySignedIn && e.o.Force:
		return "agent is not signed in, for it is again somebody else who is; force_sign_in throws out once only; end the other session; trying again"
	case kind == codeAlreadySignedIn:
		return "agent is not signed in, for somebody else is; end the other session, or set force_sign_in: true to take it over; trying again"
	case kind == codeElsewhere:
		return "agent is not signed in, for somebody else is, whom force_sign_in cannot throw out either; end the other session; trying again"
	}
	return "agent is not signed in; trying again"
}

// Ended makes the next sign-in wait after a session that lasted so long.
func (e *Entrance) Ended(lasted time.Duration) {
	if lasted >= stableAfter {
		e.pauses.Reset()
	}
	e.pause()
}

func (e *Entrance) pause() {
	e.notBefore = time.Now().Add(max(e.o.ErrorGap, e.pauses.NextBackOff()))
}

// deniedAgain reports the second sign-in in a row that was answered with 401 or
// 403: it may be counted against the account like a wrong password.
func (e *Entrance) deniedAgain(s *ccgateway.StatusError) bool {
	if s.Class != ccgateway.ClassAuth {
		e.denials = 0
		return false
	}
	e.denials++
	return e.denials >= maxDenials
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
