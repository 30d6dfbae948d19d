package planner

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/rs/zerolog"

	"aiccbridge/exporter/ledger"
	"aiccbridge/internal/ccfs"
	"aiccbridge/internal/sabotage"
	"aiccbridge/internal/trace"
	"aiccbridge/internal/trouble"
	"aiccbridge/schemas"
)

// request asks for one window: attempt written down, turn taken, then sent, then the
// answer noted. sent is false when somebody else took the window or the turn meanwhile. An
// error says that the next request should wait. A trace begins with a request that is sent.
func (p *Planner) request(ctx context.Context, e schemas.WindowEntry, b ledger.Budget, now time.Time) (sent bool, err error) {
	failed := "" // of the request
	ctx, span := p.o.Tracer.Start(ctx, "request extract", append(trace.Of(e.Tenant, e.Kind, e.Window), trace.Count("attempt", e.Attempts+1))...)
	defer func() {
		if sent {
			span.End(failed)
		}
	}()
	sabotage.Point("request.before_ledger")
	deadline := now.Add(p.patience(e.Attempts))
	e.Budget = p.o.Budget
	r, ok, err := p.o.Ledger.Requested(ctx, e, now, deadline)
	if err != nil || !ok {
		return false, err
	}
	if ok, err := p.take(ctx, e, b, now); err != nil || !ok {
		return false, err
	}
	sabotage.Point("request.ledger_written")
	responseID, err := p.o.Query(ctx, r)
	p.requests.WithLabelValues(string(e.Kind), result(err)).Inc()
	if err == nil {
		sabotage.Point("request.sent")
		err := p.o.Ledger.Answered(ctx, e, responseID)
		sabotage.Point("request.id_stored")
		failed = trace.Class(err)
		return true, err
	}
	now, failed = time.Now(), result(err)
	refused := failure(err)
	switch {
	case refused.Class == ccfs.Permanent || refused.Class == ccfs.NotThere:
		return true, p.o.Ledger.GiveUp(ctx, e.Key(), "", refusal(err), now)
	case refused.Local || untaken(refused.Class):
		return true, errors.Join(err, p.o.Ledger.PutBack(ctx, e, now, err))
	default:
		// Whether the platform took it is unknown: an extract may come of it that
		// nobody waits for. The attempt counts.
		unreachable := &schemas.Permanent{Reason: schemas.ReasonUnreachable, Err: err}
		return true, errors.Join(err, p.o.Ledger.GiveUp(ctx, e.Key(), "", unreachable, now))
	}
}

// result is what came of a request, as a metric's label.
func result(err error) string {
	if err == nil {
		return "taken"
	}
	return string(failure(err).Class)
}

// failure is err as the file store's client tells it; any other is temporary.
func failure(err error) *ccfs.Error {
	var e *ccfs.Error
	if !errors.As(err, &e) {
		e = &ccfs.Error{Class: ccfs.Again}
	}
	return e
}

// untaken reports a refusal after which no extract is to be expected.
func untaken(c ccfs.Class) bool {
	switch c {
	case ccfs.FlowControl, ccfs.Auth, ccfs.Locked, ccfs.Firewall:
		return true
	}
	return false
}

func refusal(err error) *schemas.Permanent {
	return &schemas.Permanent{Reason: schemas.ReasonRefused, Err: err}
}

// holdOff returns how long no request is to be sent after err: at least as long as the
// platform asks for, and a minute when it wants less traffic or refuses the credentials.
// What changes is logged.
func (p *Planner) holdOff(m *manner, err error) time.Duration {
	refused := failure(err)
	cause := string(refused.Class) + refused.Code // their texts hold times, which say nothing new
	if refused.Class == ccfs.Again {
		// Many things may be wrong. A gist has no digits, which codes and statuses are.
		cause += fmt.Sprint(" ", refused.Status, " ", trouble.Gist(err.Error()))
	}
	if _, changed := m.refusals.Failed(cause, zerolog.WarnLevel); changed {
		p.o.Logger.Warn().Err(err).Msg("extract not requested; it is tried again")
	}
	wait := max(m.backOff.NextBackOff(), refused.RetryAfter)
	if untaken(refused.Class) {
		wait = max(wait, time.Minute)
	}
	return wait
}

// taken ends the holding off.
func (p *Planner) taken(m *manner) {
	if failures, _ := m.refusals.Over(); failures > 0 {
		p.o.Logger.Info().Int("failures", failures).Msg("extracts are requested again")
	}
	m.backOff.Reset()
}
