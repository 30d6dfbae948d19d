package recordings

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"
)

// standing is how one thing that every job needs fares.
type standing struct {
	mu          sync.Mutex
	since, last time.Time // the first and the latest failure in a row
	failures    int
	err         error // the latest
}

func (s *standing) note(err error) {
	if errors.Is(err, context.Canceled) {
		return // nobody's but ours
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if err == nil {
		s.since, s.failures, s.err = time.Time{}, 0, nil
		return
	}
	s.last, s.err = time.Now(), err
	if s.failures == 0 {
		s.since = s.last
	}
	s.failures++
}

// stale is how long after its latest failure a thing counts as not needed any more.
const stale = 30 * time.Minute

func (s *standing) failing(atLeast time.Duration) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.failures < 2 || time.Since(s.since) < atLeast || time.Since(s.last) > stale {
		return nil
	}
	return s.err
}

// Failing says why no audio of a tenant could be fetched, or kept, for so long or longer;
// nil when it can, or nobody tries. That single recordings have none is no failure.
func (r *Recorder) Failing(tenant string, atLeast time.Duration) error {
	s := r.fetches[tenant]
	if s == nil {
		return nil
	}
	if err := s.failing(atLeast); err != nil {
		return fmt.Errorf("no audio can be fetched: %w", err)
	}
	if err := r.places[tenant].failing(atLeast); err != nil {
		return fmt.Errorf("no audio can be kept: %w", err)
	}
	return nil
}
