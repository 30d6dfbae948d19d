package session

import (
	"sync/atomic"
	"time"

	"aiccbridge/internal/ccgateway"

	"github.com/rs/zerolog"
)

// silenceAlarm is half of the 120 s after which the gateway signs an agent out
// (cec_05_4012).
const silenceAlarm = time.Minute

// Contact is until when the gateway was in contact with an agent's session. The agent's
// loop writes it, and anybody may [Contact.Look].
type Contact struct {
	peak  *peak
	log   *zerolog.Logger // of the tenant: one of the agent's own would be half a KiB for a line a year
	agent string

	nanos  atomic.Int64 // zero: no session, or a poll is in flight
	warned atomic.Bool  // the silence since is in the log
}

// Contact is that of an agent without session. It outlives the agent's loops.
func (t *Tenant) Contact(agent string) *Contact {
	return &Contact{peak: t.counts.silence, log: &t.options.Logger, agent: agent}
}

// Look measures the silence that goes on and warns, once, of a long one.
func (c *Contact) Look() {
	silence := c.silence(time.Now())
	c.peak.observe(silence)
	if silence >= silenceAlarm && !c.warned.Swap(true) {
		c.log.Warn().Str("agent", c.agent).Stringer("silence", silence.Round(time.Millisecond)).
			Msg("gateway gets no request of the agent; it signs the agent out after 120 s")
	}
}

func (c *Contact) at(t time.Time) { c.nanos.Store(t.UnixNano()) }

func (c *Contact) clear() { c.nanos.Store(0) }

// silence is how long the gateway has got no request.
func (c *Contact) silence(now time.Time) time.Duration {
	nanos := c.nanos.Load()
	if nanos == 0 {
		return 0
	}
	return max(0, now.Sub(time.Unix(0, nanos)))
}

// during polls and measures the silence before. A poll that was not sent goes on
// with it; one without an answer ended it for a moment only.
func (c *Contact) during(poll func() ccgateway.Poll) ccgateway.Poll {
	last := c.nanos.Swap(0)
	p := poll()
	switch {
	case p.Outcome == ccgateway.OutcomeNotSent:
		c.nanos.Store(last)
		return p
	case p.Status == 0:
		c.at(p.SentAt)
	default:
		c.at(p.ReceivedAt)
	}
	if last != 0 {
		c.peak.observe(p.SentAt.Sub(time.Unix(0, last)))
	}
	if c.warned.Swap(false) {
		c.log.Info().Str("agent", c.agent).Msg("gateway gets requests of the agent again")
	}
	return p
}
