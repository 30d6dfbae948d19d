package ccfs

import (
	"net/http"
	"sync"
	"time"

	"github.com/rs/zerolog"

	"aiccbridge/internal/trouble"
)

// maxSkew is the clock difference above which a warning is logged. What the platform
// tolerates is not documented.
const maxSkew = time.Minute

// clock compares the Date header of answers with the local clock.
type clock struct {
	now    func() time.Time
	logger zerolog.Logger

	mu    sync.Mutex
	skew  time.Duration
	known bool
	apart trouble.Episode
}

// observe logs when the clocks part or meet again, not each time they differ.
func (c *clock) observe(h http.Header) {
	date, err := http.ParseTime(h.Get("Date"))
	if err != nil {
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.skew, c.known = date.Sub(c.now()), true
	if c.skew.Abs() > maxSkew {
		if _, changed := c.apart.Failed("", zerolog.WarnLevel); changed {
			c.logger.Warn().Stringer("skew", c.skew).Msg("clock differs from the platform's, signatures may be refused; check NTP")
		}
		return
	}
	if answers, _ := c.apart.Over(); answers > 0 {
		c.logger.Info().Stringer("skew", c.skew).Msg("clock agrees with the platform's again")
	}
}

func (c *clock) read() (time.Duration, bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.skew, c.known
}
