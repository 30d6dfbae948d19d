package ccgateway

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"time"

	"aiccbridge/internal/http1"
)

// Outcome is how a poll ended.
type Outcome int

const (
	// OutcomeUnknown: the request left at least in part, and no complete, valid
	// answer came: connection cut, time limit, context ended, body truncated, too
	// long, empty or undecodable. An event may be lost. The zero value.
	OutcomeUnknown Outcome = iota
	// OutcomeEvent: Poll.Events has at least one event, or the return code is "0"
	// and Poll.Bad has at least one item.
	OutcomeEvent
	// OutcomeEmpty: success without event.
	OutcomeEmpty
	// OutcomeNotSent: not one byte of the request was handed to the connection
	// (name lookup, dial, TLS, connection found dead, context ended before):
	// nothing was popped.
	OutcomeNotSent
	// OutcomeSessionEnded: stop polling; the agent has to sign in again. Codes
	// 000-001, 000-003, 100-006 (cec_07_1274), those of ClassGone, an unlisted 1xx
	// code the third time in a row, and a poll without a GUID (ErrNoSession).
	OutcomeSessionEnded
	// OutcomeHTTPError: an answer with a status other than 200.
	OutcomeHTTPError
	// OutcomeRefused: status 200 with any other return code; Poll.Class says what
	// to do.
	OutcomeRefused
)

// String names the outcome in lower case, for logs and metric labels.
func (o Outcome) String() string {
	names := [...]string{"unknown", "event", "empty", "not-sent", "session-ended", "http-error", "refused"}
	if o < 0 || int(o) >= len(names) {
		return "invalid"
	}
	return names[o]
}

// pollOperation is the operation of a poll's call.
const pollOperation = "poll"

// Poll is the result of one poll.
type Poll struct {
	Outcome Outcome
	// Events is empty for every outcome but OutcomeEvent. One poll pops one event;
	// a list was observed in the all-agents variant only.
	Events []Event
	// Bad holds what stood where an event should and is none, as valid JSON in
	// UTF-8: each is an event popped and lost, and needs a dead letter. With any
	// outcome that has a decoded answer; almost always empty.
	Bad []json.RawMessage
	// Code is the return code, "" without a decoded answer. Beside an event it
	// may be an error code: the event counts, the next poll tells the code again.
	Code string
	// Message is the gateway's text, shortened, secrets replaced by ***.
	Message string
	// Class is that of Code. Without a code: ClassAuth for HTTP 401 and 403 (try
	// once more, then treat like 000-003), ClassCaller for an invalid agent id,
	// ClassGone for ErrNoSession, else ClassAgain.
	Class Class
	// Status is the HTTP status, 0 if no answer began.
	Status int
	// Err is nil for Event and Empty, else non-nil: *CodeError, *StatusError, or
	// what broke the poll.
	Err error
	// Body is kept for the dead letter when a 200 couldn't be decoded, as far as
	// it came, in the bytes that came; one that was packed is unpacked.
	Body []byte
	// SentAt and ReceivedAt are the bounds in which an event may have been popped.
	SentAt, ReceivedAt time.Time
	// MayHaveLost: an event may have been popped and not have arrived. True for
	// Unknown and for HTTP statuses 2xx and 5xx; false for 3xx and 4xx, which
	// refuse the request. It needs a gap record.
	MayHaveLost bool
	// Connections counts the connections that the poll used: 0 or 1. More would
	// mean that it was sent more than once.
	Connections int
}

// Poll asks for the next event and waits for it as long as the gateway holds the
// request, at most Options.PollTimeout. Don't cancel ctx to stop a bridge: stop
// between polls, an event may be on its way.
func (a *Agent) Poll(ctx context.Context) Poll {
	c := call{operation: pollOperation, method: http.MethodGet, path: "agentevent/" + a.id}
	release, err := a.take(ctx)
	if err != nil {
		return a.unsent(c, err)
	}
	defer release()
	if err := a.ready(true); err != nil {
		return a.unsent(c, err)
	}
	c.anonymous = a.all && a.GUID() == ""
	asked := time.Now()
	secrets := a.session.secrets() // before the answer replaces them
	answer := a.exchange(ctx, c, a.client.pollTimeout)
	p := a.judge(c, answer, append(secrets, a.session.secrets()...))
	p.SentAt, p.ReceivedAt = answer.Begun, time.Now()
	if p.SentAt.IsZero() { // there was no connection
		p.SentAt = asked
	}
	p.Status, p.Connections = answer.Status, answer.Connections
	a.client.note(c, answer, p.Err)
	return p
}

// unsent is the outcome of a poll for which no request was made.
func (a *Agent) unsent(c call, err error) Poll {
	now := time.Now()
	p := Poll{Outcome: OutcomeNotSent, Class: ClassAgain, Err: wrap(c, a, err), SentAt: now, ReceivedAt: now}
	switch {
	case errors.Is(err, ErrNoSession):
		p.Outcome, p.Class = OutcomeSessionEnded, ClassGone
	case !a.all && !agentForm.MatchString(a.id):
		p.Class = ClassCaller
	}
	return p
}

// judge decides how a poll ended.
func (a *Agent) judge(c call, ans http1.Answer, secrets []string) Poll {
	if ans.Status == 0 && !ans.Wrote {
		return Poll{Outcome: OutcomeNotSent, Class: ClassAgain, Err: wrap(c, a, ans.Err)}
	}
	if ans.Status == 0 {
		return Poll{Outcome: OutcomeUnknown, Class: ClassAgain, Err: wrap(c, a, ans.Err), MayHaveLost: true}
	}
	if ans.Status != http.StatusOK {
		a.unlisted = 0
		err := a.statusError(c, ans)
		return Poll{Outcome: OutcomeHTTPError, Class: err.Class, Err: err, MayHaveLost: ans.Status < 300 || ans.Status >= 500}
	}
	r, err := reply{}, ans.Err
	if err == nil {
		r, err = a.client.decode(ans.Body, ans.Header.Get("Content-Type"))
	}
	if err != nil {
		return Poll{Outcome: OutcomeUnknown, Class: ClassAgain, Err: wrap(c, a, err), Body: ans.Body, MayHaveLost: true}
	}
	return a.judgeReply(c, r, redact(r.Message, secrets...))
}

func (a *Agent) judgeReply(c call, r reply, message string) Poll {
	p := Poll{
		Outcome: OutcomeRefused,
		Events:  r.Events, Bad: r.Bad, Code: r.Code, Message: message, Class: Classify(r.Code),
	}
	if unlistedSession(r.Code) {
		a.unlisted++
	} else {
		a.unlisted = 0
	}
	if len(r.Events) > 0 || len(r.Bad) > 0 && r.Code == CodeOK {
		p.Outcome = OutcomeEvent
		return p
	}
	if r.Code == CodeOK {
		p.Outcome = OutcomeEmpty
		return p
	}
	if endsSession(r.Code) {
		p.Outcome = OutcomeSessionEnded
	} else if a.unlisted >= maxUnlisted {
		a.unlisted = 0
		p.Outcome, p.Class = OutcomeSessionEnded, ClassGone
	}
	p.Err = &CodeError{Operation: c.operation, Agent: a.id, Code: r.Code, Message: message, Class: p.Class}
	return p
}
