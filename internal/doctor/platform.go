package doctor

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"time"

	"aiccbridge/internal/ccfs"
	"aiccbridge/internal/ccgateway"
)

// noFile is the name of a file that no platform has: what is answered shows whether a signed
// request is taken, and nothing is made or given for it.
const noFile = "20000101_00000000000000000000000000000000.zip"

// noPermission is the code of an account that may not ask for files.
const noPermission = "0101003"

// Store is a file store under one access key.
type Store struct {
	About     string
	Client    *ccfs.Client
	Signature string // how its requests are signed, in words
}

// Look sends one signed request.
func (s Store) Look(ctx context.Context) (lines []Line) {
	_, err := s.Client.DownloadBills(ctx, noFile, io.Discard)
	if skew, known := s.Client.Skew(); known {
		lines = append(lines, Skew(s.About, skew))
	}
	return append(lines, s.judge(err))
}

func (s Store) judge(err error) Line {
	p := patient{s.About}
	var e *ccfs.Error
	taken := err == nil || !errors.As(err, &e) || e.Class == ccfs.NotThere && e.Code != ""
	if taken || e.Status == http.StatusOK && e.Code != "" && e.Code != noPermission && e.Class != ccfs.FlowControl {
		return p.ok("signature", "a signed request is taken; "+s.Signature) // whatever it says of a file that never was
	}
	says := "a signed request is refused: " + e.Error()
	switch e.Class {
	case ccfs.Auth:
		return p.failure("signature", says, "see whether access_key and secret_key_file are those of the platform, whether the clocks agree, and try signed_headers: host; a second refusal may lock this address, so nothing was tried again")
	case ccfs.Locked:
		return p.failure("signature", says, "wait until the lock is over, and mend what the platform refused before: every further request makes it longer")
	case ccfs.Firewall:
		return p.failure("signature", says, "have the firewall or proxy on the way let requests to files.url through")
	case ccfs.FlowControl:
		return p.warning("signature", says, "try again in a minute; if it stays so, make request_spacing longer")
	}
	return p.failure("signature", says, "see the lines above about the same file store, and whether files.url has the path of CC-FS, /CCFS/resource/ccfs")
}

// Agent is an agent who is signed in for a moment.
type Agent struct {
	About  string
	Agent  *ccgateway.Agent
	SignIn ccgateway.SignIn
	Poll   time.Duration // that a poll may take
}

// Look signs the agent in, polls once, and signs him out. It takes as long as a poll does, whatever
// ctx allows.
func (a Agent) Look(ctx context.Context) (lines []Line) {
	p := patient{a.About}
	in, err := a.Agent.SignIn(ctx, a.SignIn)
	if err != nil {
		if ctx.Err() != nil { // he may be signed in all the same
			_ = a.Agent.SignOut(context.WithoutCancel(ctx))
		}
		return []Line{p.failure("sign-in", err.Error(), a.cure(err))}
	}
	switch {
	case in.MustChangePassword:
		lines = append(lines, p.warning("sign-in", "taken, but the password is to be changed before the agent may work", "change it, and mend password_file"))
	case in.PasswordDays >= 0 && in.PasswordDays < 7:
		lines = append(lines, p.warning("sign-in", fmt.Sprintf("taken; the password expires in %d days", in.PasswordDays), "change it, and mend password_file"))
	default:
		lines = append(lines, p.ok("sign-in", "taken"))
	}
	lines = append(lines, a.poll(ctx))
	if err := a.Agent.SignOut(context.WithoutCancel(ctx)); err != nil {
		lines = append(lines, p.warning("sign-out", err.Error(), "the platform signs the agent out by itself two minutes after the last poll"))
	}
	return lines
}

func (a Agent) poll(ctx context.Context) Line {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), a.Poll)
	defer cancel()
	p, polled := patient{a.About}, a.Agent.Poll(ctx)
	switch polled.Outcome {
	case ccgateway.OutcomeEvent:
		return p.ok("poll", fmt.Sprintf("answered with %d events, which are gone", len(polled.Events)))
	case ccgateway.OutcomeEmpty:
		return p.ok("poll", "answered without event after "+polled.ReceivedAt.Sub(polled.SentAt).Round(1e6).String())
	}
	return p.failure("poll", fmt.Sprintf("%s: %v", polled.Outcome, polled.Err), "see whether somebody else signs the agent in or polls, and whether a proxy on the way cuts requests that are held for gateway.hold")
}

func (a Agent) cure(err error) string {
	var code *ccgateway.CodeError
	switch {
	case errors.As(err, &code) && code.Class == ccgateway.ClassAuth:
		return "correct the agent's password_file; nothing was tried again, since wrong passwords lock an account"
	case errors.As(err, &code) && code.Code == "100-002":
		return "name an agent whom no bridge has and who does not work now: he stays as he is"
	case errors.As(err, &code) && code.Class == ccgateway.ClassCaller:
		return "see whether id and phone are those of the platform"
	}
	return "see the lines above about the same gateway"
}
