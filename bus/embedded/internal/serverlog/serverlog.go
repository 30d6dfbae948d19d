// Package serverlog is the log of a NATS server in the process: what an operator should know of
// it, in lines of our own, and no line that any client can have written as often as it likes.
// It imports no other package of ours.
package serverlog

import (
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/rs/zerolog"
)

// Log passes the server's warnings and errors on and drops the rest. It
// keeps the first fatal message instead of ending the process: the server
// returns from its start after one.
type Log struct {
	log zerolog.Logger

	mu      sync.Mutex
	first   error
	rebuilt bool      // said that indexes are rebuilt
	refused time.Time // when the last line about a refused client was written
	more    int       // such lines left out since
}

// New makes the log of one server.
func New(log zerolog.Logger) *Log { return &Log{log: log} }

// Fatal is what has kept the server from starting; nil: nothing has.
func (l *Log) Fatal() error {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.first
}

// Fatalf keeps the message for the caller of Start.
func (l *Log) Fatalf(format string, v ...any) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.first == nil {
		l.first = fmt.Errorf(format, v...)
	}
}

// refusals mark the server's errors that any client brings about, as often as it
// likes; refusalPause is from one line about them to the next.
var refusals = []string{"authentication error", "Violation - Subject", "TLS handshake error"}

const refusalPause = time.Minute

// Errorf logs an error; of those that clients bring about, one in a while.
func (l *Log) Errorf(format string, v ...any) {
	detail := fmt.Sprintf(format, v...)
	if !containsAny(detail, refusals) {
		l.log.Error().Str("detail", detail).Msg("nats server error")
		return
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	now := time.Now()
	if now.Sub(l.refused) < refusalPause {
		l.more++
		return
	}
	l.log.Warn().Str("detail", detail).Int("more", l.more).Msg("nats client refused; there may be more, which are only counted for a minute")
	l.refused, l.more = now, 0
}

func containsAny(s string, marks []string) bool {
	return slices.ContainsFunc(marks, func(mark string) bool { return strings.Contains(s, mark) })
}

// rebuilding marks the server's warnings, two for each stream, about indexes that
// were not written when the process was killed. The streams themselves are whole.
var rebuilding = []string{"Stream state outdated", "Recovering stream state from index errored", "TTL state is outdated"}

// Warnf logs a warning; what is normal after a kill, once and as information.
func (l *Log) Warnf(format string, v ...any) {
	detail := fmt.Sprintf(format, v...)
	if !containsAny(detail, rebuilding) {
		l.log.Warn().Str("detail", detail).Msg("nats server warning")
		return
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if !l.rebuilt {
		l.log.Info().Msg("streams were not closed cleanly last time; their indexes are rebuilt")
	}
	l.rebuilt = true
}

// Noticef drops a notice.
func (l *Log) Noticef(string, ...any) {}

// Debugf drops a debug message.
func (l *Log) Debugf(string, ...any) {}

// Tracef drops a trace message.
func (l *Log) Tracef(string, ...any) {}
