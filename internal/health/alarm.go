package health

import (
	"fmt"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/rs/zerolog"

	"aiccbridge/internal/trouble"
)

// alarm is one thing that is wrong, or not.
type alarm struct {
	gauge        prometheus.Gauge
	log          zerolog.Logger
	raised, over string

	mu      sync.Mutex
	err     error
	since   time.Time // when it began
	episode trouble.Episode
}

// lasting is what is wrong, and since when; nil when nothing is.
func (a *alarm) lasting() (since time.Time, err error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.since, a.err
}

func (a *alarm) current() error {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.err
}

// set notes how things are; only a change is logged, and other numbers are none.
func (a *alarm) set(err error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.err == nil {
		a.since = time.Now()
	}
	a.err = err
	if err != nil {
		if _, changed := a.episode.Failed(trouble.Gist(err.Error()), zerolog.ErrorLevel); changed {
			a.gauge.Set(1)
			a.log.Error().Err(err).Msg(a.raised)
		}
		return
	}
	if failures, _ := a.episode.Over(); failures > 0 {
		a.gauge.Set(0)
		a.log.Info().Msg(a.over)
	}
}

// Full says how full something is, in three steps; nil while more than half of it is
// free or there is no limit (0).
func Full(bytes, maxBytes int64) error {
	for _, step := range []struct {
		percent int64
		words   string
	}{{95, "nearly full"}, {80, "filling up"}, {50, "half full"}} {
		if maxBytes > 0 && bytes*100 >= maxBytes*step.percent {
			return fmt.Errorf("%s: more than %d %%", step.words, step.percent)
		}
	}
	return nil
}
