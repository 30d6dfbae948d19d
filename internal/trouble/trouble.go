// Package trouble tells the changes of something that fails from its repetitions, so
// that a log says when it begins, when it becomes another failure or a graver one, and
// when it is over, and nothing in between.
//
// It decides and counts; whoever uses it writes the line, with constant messages and the
// keys of its own part. It imports nothing of ours.
package trouble

import (
	"strings"
	"sync"
	"sync/atomic"

	"github.com/rs/zerolog"
)

// Episode follows one thing that may fail for long. The zero value is one that works.
// Many goroutines may share it; it must not be copied after its first use.
type Episode struct {
	active atomic.Bool // spares the lock when all is well

	mu    sync.Mutex
	cause string
	level zerolog.Level
	count int
}

// Failed counts a failure. changed reports that it is worth a line: it is the first of its
// episode, has another cause than the one before, or weighs more than what was said so far
// (it was a matter for debugging, and has become a warning). cause is compared, never
// shown: a code or a text without times and numbers, see [Gist]. attempt counts the
// failures of the episode from 1.
func (e *Episode) Failed(cause string, level zerolog.Level) (attempt int, changed bool) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.active.Store(true)
	changed = e.count == 0 || cause != e.cause || level > e.level
	if e.count == 0 || level > e.level {
		e.level = level
	}
	e.cause = cause
	e.count++
	return e.count, changed
}

// Over ends the episode. failures is how many it had, 0 when there was none and nothing is
// to be said; level is the gravest of them.
func (e *Episode) Over() (failures int, level zerolog.Level) {
	if !e.active.Load() {
		return 0, zerolog.NoLevel
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	failures, level = e.count, e.level
	e.cause, e.count = "", 0
	e.active.Store(false)
	return failures, level
}

// Active reports whether an episode goes on.
func (e *Episode) Active() bool { return e.active.Load() }

// Gist is a text without its digits: ports, sequences and times differ from one
// repetition to the next and make no other failure of it.
func Gist(text string) string {
	return strings.Map(func(r rune) rune {
		if r >= '0' && r <= '9' {
			return -1
		}
		return r
	}, text)
}
