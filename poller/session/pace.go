package session

import (
	"fmt"
	"time"

	"aiccbridge/internal/ccgateway"
	"aiccbridge/internal/retry"
	"aiccbridge/poller/record"

	"github.com/cenkalti/backoff/v4"
)

const (
	defaultEventGap   = 200 * time.Millisecond
	defaultIdleGap    = 400 * time.Millisecond
	defaultErrorGap   = 1100 * time.Millisecond
	defaultMaxSilence = 240 * time.Second
	defaultHeartbeat  = 5 * time.Minute
)

// The platform's limits and what follows from them.
const (
	minGap      = 200 * time.Millisecond // cec_07_1274: 200 to 500 ms between polls
	maxGap      = 500 * time.Millisecond
	minErrorGap = time.Second      // cec_07_1274: more than that after a status other than 200
	maxErrorGap = 15 * time.Second // leaves room for several tries within the 120 s of cec_05_4012
	maxFails    = 10               // bad polls in a row after which the session is given up

	tidyAfter     = 20 * time.Second
	recoverWithin = 5 * time.Minute // how long a site switchover may answer 000-004, 105-002, 105-003
)

func (o Options) validate() error {
	within := func(d, low, high time.Duration) bool { return d >= low && d <= high }
	switch {
	case !within(o.EventGap, minGap, maxGap) || !within(o.IdleGap, minGap, maxGap):
		return fmt.Errorf("poller options: event gap %s and idle gap %s must be between %s and %s, as the platform asks",
			o.EventGap, o.IdleGap, minGap, maxGap)
	case o.ErrorGap <= minErrorGap || o.ErrorGap > maxErrorGap:
		return fmt.Errorf("poller options: error gap %s must be above %s and at most %s", o.ErrorGap, minErrorGap, maxErrorGap)
	case o.MaxSilence < 0:
		return fmt.Errorf("poller options: max silence %s is negative", o.MaxSilence)
	}
	return nil
}

// pace says when the next poll may go out, and when there is no use in another.
type pace struct {
	o Options

	goodAt     time.Time // of the last good poll, or of the session's begin
	covered    time.Time // all that the platform queued until then was fetched
	askedAt    time.Time // when the last poll was sent
	more       bool      // the last poll brought events; there may be more
	fails      int       // bad polls in a row
	denied     bool      // the last poll was answered with 401 or 403
	oneMore    bool      // 000-003 was already answered with a newer GUID: one more poll decides
	recovering time.Time // since when a site switchover goes on; zero: it does not
	beatAt     time.Time // when the next heartbeat is due
	tidyAt     time.Time // when what was left is done next

	// The pauses are asked for by hand, and not by a loop of the library: between two
	// polls the session may end, the agent be no longer wanted, and much be stored.
	pauses backoff.BackOff
}

func newPace(o Options) *pace {
	return &pace{o: o, pauses: retry.NewBackOff(o.ErrorGap*3/2, maxErrorGap)}
}

// begin is for a session that begins, or goes on, now. covered is when its queue was
// last asked.
func (p *pace) begin(now, covered time.Time) {
	p.reset(now)
	p.covered = covered
	p.beatAt, p.tidyAt = now.Add(p.o.Heartbeat), now.Add(tidyAfter)
}

func (p *pace) reset(now time.Time) {
	p.goodAt, p.covered, p.more = now, now, false
	p.fails, p.denied, p.oneMore, p.recovering = 0, false, false, time.Time{}
	p.pauses.Reset()
}

// good takes a poll that was answered well, and says when the next may go out.
func (p *pace) good(poll ccgateway.Poll) (next time.Time) {
	p.reset(poll.ReceivedAt)
	p.more = poll.Outcome == ccgateway.OutcomeEvent
	if p.more {
		return poll.ReceivedAt.Add(p.o.EventGap)
	}
	return poll.ReceivedAt.Add(p.o.IdleGap)
}

// bad counts a poll that was neither good nor the end, and says when the next may go
// out, or why there is to be none.
func (p *pace) bad(poll ccgateway.Poll) (next time.Time, over record.Cause) {
	now := time.Now()
	p.more = false
	if switchover(poll.Code) {
		if p.recovering.IsZero() {
			p.recovering = now
		}
		if now.Sub(p.recovering) > recoverWithin {
			return now, record.CauseRecovery
		}
		return now.Add(p.o.ErrorGap), ""
	}
	denied := poll.Outcome == ccgateway.OutcomeHTTPError && poll.Class == ccgateway.ClassAuth
	if denied && p.denied {
		return now, record.CauseAuth
	}
	p.denied = denied
	p.fails++
	if p.fails > maxFails || now.Sub(p.goodAt) > p.o.MaxSilence {
		return now, record.CauseLost
	}
	return now.Add(min(max(p.pauses.NextBackOff(), p.o.ErrorGap), maxErrorGap)), ""
}

// switchover reports the codes of a site switchover (disaster recovery) that pass.
func switchover(code string) bool {
	return code == "000-004" || code == "105-002" || code == "105-003"
}

// queueLost reports whether events may have waited in the queue of the session
// that ended. Between a good poll and one that says so at once they had no time.
func (p *pace) queueLost() bool {
	return p.askedAt.Sub(p.covered) >= minErrorGap
}

// tidyDue reports that what was left may be tried again, once.
func (p *pace) tidyDue() bool {
	now := time.Now()
	if now.Before(p.tidyAt) {
		return false
	}
	p.tidyAt = now.Add(tidyAfter)
	return true
}

// beatDue reports that a heartbeat is due, once.
func (p *pace) beatDue() bool {
	now := time.Now()
	if p.o.Heartbeat < 0 || now.Before(p.beatAt) {
		return false
	}
	p.beatAt = now.Add(p.o.Heartbeat)
	return true
}
