package poller

import "github.com/rs/zerolog"

// trouble logs a lasting failure when it begins, when it changes, and when it is
// over, and not each time it repeats.
type trouble struct {
	kind    string
	attempt int
}

func (t *trouble) on(l zerolog.Logger, kind string, err error, message string) {
	t.attempt++
	if t.kind != kind {
		t.kind = kind
		l.Warn().Str("cause", kind).Int("attempt", t.attempt).Err(err).Msg(message)
	}
}

func (t *trouble) over(l zerolog.Logger, message string) {
	if t.attempt > 0 {
		l.Info().Int("failures", t.attempt).Msg(message)
		*t = trouble{}
	}
}
