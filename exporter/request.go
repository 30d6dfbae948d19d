package exporter

import (
	"context"
	"errors"
	"time"

	"github.com/cenkalti/backoff/v4"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/rs/zerolog"

	"aiccbridge/internal/ccfs"
	"aiccbridge/internal/sabotage"
	"aiccbridge/schemas"
)

// request asks for one window: attempt written down, then sent, then the answer
// noted. sent is false when somebody else took the window up meanwhile. An error
// says that the next request should wait.
func (p *Planner) request(ctx context.Context, e schemas.WindowEntry, now time.Time) (sent bool, err error) {
	sabotage.Point("request.before_ledger")
	deadline := now.Add(p.o.Overdue << min(e.Attempts, 2))
	r, ok, err := p.o.Ledger.requested(ctx, e, now, deadline)
	if err != nil || !ok {
		return false, err
	}
	sabotage.Point("request.ledger_written")
	responseID, err := p.o.Query(ctx, r)
	p.o.Ledger.requests.WithLabelValues(p.o.Tenant, string(e.Kind), result(err)).Inc()
	if err == nil {
		sabotage.Point("request.sent")
		err := p.o.Ledger.answered(ctx, e, responseID)
		sabotage.Point("request.id_stored")
		return true, err
	}
	now = time.Now()
	refused := failure(err)
	switch {
	case refused.Class == ccfs.Permanent || refused.Class == ccfs.NotThere:
		return true, p.o.Ledger.fail(ctx, e.Key(), "", refusal(err), now)
	case refused.Local || untaken(refused.Class):
		return true, errors.Join(err, p.o.Ledger.putBack(ctx, e, now, err))
	default:
		// Whether the platform took it is unknown: an extract may come of it that
		// nobody waits for. The attempt counts.
		unreachable := &schemas.Permanent{Reason: schemas.ReasonUnreachable, Err: err}
		return true, errors.Join(err, p.o.Ledger.fail(ctx, e.Key(), "", unreachable, now))
	}
}

func newRequestCounter() *prometheus.CounterVec {
	return prometheus.NewCounterVec(prometheus.CounterOpts{
		Name: "aicc_extract_requests_total",
		Help: "Extracts asked for, by result: taken, or the class of the failure; auth and locked also while no request is sent because of them.",
	}, []string{"tenant", "kind", "result"})
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

// pause slows a planner down while something fails, and logs the changes.
type pause struct {
	backoff backoff.BackOff
	log     zerolog.Logger
	failing string // what is said while it fails
	good    string // and when it works again
	last    string
	count   int
}

func newPause(log zerolog.Logger, failing, good string, b backoff.BackOff) pause {
	return pause{backoff: b, log: log, failing: failing, good: good}
}

// after returns how long to wait after err: at least as long as the platform
// asks for, and a minute when it wants less traffic or refuses the credentials.
func (p *pause) after(err error) time.Duration {
	p.count++
	refused := failure(err)
	why := string(refused.Class) + refused.Code // their texts hold times, which say nothing new
	if refused.Class == ccfs.Again {
		why = err.Error()
	}
	if why != p.last {
		p.last = why
		p.log.Warn().Err(err).Msg(p.failing)
	}
	wait := max(p.backoff.NextBackOff(), refused.RetryAfter)
	if untaken(refused.Class) {
		wait = max(wait, time.Minute)
	}
	return wait
}

func (p *pause) recovered() {
	if p.count > 0 {
		p.log.Info().Int("failures", p.count).Msg(p.good)
	}
	p.last, p.count = "", 0
	p.backoff.Reset()
}
