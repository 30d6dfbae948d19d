package wire

import (
	"sync"
	"time"

	"github.com/rs/zerolog"

	"aiccbridge/internal/trouble"
)

// troubleAfter is how long something fails before it is worth a warning: a server
// that stops refuses a request or two before the connection breaks, and one that
// starts does after it stands.
const troubleAfter = time.Second

// Trouble logs how something fails and works again, changes only. Many goroutines
// share one.
//
// What follows from a connection that is down, which is said once, is logged at
// debug level, and so is what lasts no longer than patience.
type Trouble struct {
	log      zerolog.Logger
	down     func() bool   // the connection is; nil: this is the connection's own
	patience time.Duration // counted from when the connection stands

	episode trouble.Episode
	mu      sync.Mutex // an episode and its beginning change together, and its lines keep their order
	since   time.Time  // when it began to fail although the connection stands
}

// Trouble returns the log state of one thing that may fail for long. Its lines have
// the key with that value.
func (c *Conn) Trouble(key, name string) *Trouble {
	c.mu.Lock()
	defer c.mu.Unlock()
	t, ok := c.troubles[subject{key, name}]
	if !ok {
		t = c.NewTrouble(c.opts.Logger.With().Str(key, name).Logger())
		c.troubles[subject{key, name}] = t
	}
	return t
}

// NewTrouble is the log state of something that nobody else asks for.
func (c *Conn) NewTrouble(log zerolog.Logger) *Trouble {
	return &Trouble{log: log, down: func() bool { return c.Connected() != nil }, patience: troubleAfter}
}

// Failed notes a failure.
func (t *Trouble) Failed(err error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	level := t.judge()
	if _, changed := t.episode.Failed(trouble.Gist(err.Error()), level); changed {
		t.log.WithLevel(level).Err(err).Msg("nats refuses or does not answer; trying again")
	}
}

// judge says what a failure is worth now.
func (t *Trouble) judge() zerolog.Level {
	switch {
	case t.down != nil && t.down():
		t.since = time.Time{}
		return zerolog.DebugLevel
	case t.since.IsZero():
		t.since = time.Now()
	}
	if time.Since(t.since) < t.patience {
		return zerolog.DebugLevel
	}
	return zerolog.WarnLevel
}

// Over notes that it works.
func (t *Trouble) Over() {
	if !t.Active() { // spares the lock when all is well
		return
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	failures, level := t.episode.Over()
	if failures == 0 {
		return
	}
	t.log.WithLevel(min(level, zerolog.InfoLevel)).Int("failures", failures).Msg("nats works again")
	t.since = time.Time{}
}

// Active reports whether it fails now.
func (t *Trouble) Active() bool { return t.episode.Active() }
