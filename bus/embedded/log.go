package embedded

import (
	"fmt"
	"sync"

	"github.com/rs/zerolog"
)

// logger passes the server's warnings and errors on and drops the rest. It
// keeps the first fatal message instead of ending the process: the server
// returns from its start after one.
type logger struct {
	log zerolog.Logger

	mu    sync.Mutex
	first error
}

func (l *logger) fatal() error {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.first
}

// Fatalf keeps the message for the caller of Start.
func (l *logger) Fatalf(format string, v ...any) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.first == nil {
		l.first = fmt.Errorf(format, v...)
	}
}

// Errorf logs an error.
func (l *logger) Errorf(format string, v ...any) {
	l.log.Error().Str("detail", fmt.Sprintf(format, v...)).Msg("nats server error")
}

// Warnf logs a warning.
func (l *logger) Warnf(format string, v ...any) {
	l.log.Warn().Str("detail", fmt.Sprintf(format, v...)).Msg("nats server warning")
}

// Noticef drops a notice.
func (l *logger) Noticef(string, ...any) {}

// Debugf drops a debug message.
func (l *logger) Debugf(string, ...any) {}

// Tracef drops a trace message.
func (l *logger) Tracef(string, ...any) {}
