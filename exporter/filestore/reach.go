package filestore

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"aiccbridge/internal/ccfs"
)

// reach is how one kind of call fares: requests, or downloads.
type reach struct {
	mu          sync.Mutex
	since, last time.Time // the first and the latest failure in a row
	failures    int
	err         error // the latest
}

// note takes the end of a call. What the platform says of one window or file is an answer:
// the store is there and takes requests.
func (r *reach) note(err error) {
	var e *ccfs.Error
	if err != nil && (!errors.As(err, &e) || errors.Is(err, context.Canceled)) {
		return // not the store's
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if err == nil || e.Class == ccfs.Permanent || e.Class == ccfs.NotThere {
		r.since, r.failures, r.err = time.Time{}, 0, nil
		return
	}
	r.last, r.err = time.Now(), err
	r.since = cmp.Or(r.since, r.last)
	r.failures++
}

// stale is how long after its latest failure a kind of call counts as not made any more: by
// another bridge, perhaps. The planner's longest pause is 15 minutes.
const stale = 20 * time.Minute

// failing says why every call has failed for so long or longer, at least two of them.
func (r *reach) failing(atLeast time.Duration) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.failures < 2 || time.Since(r.since) < atLeast || time.Since(r.last) > stale {
		return nil
	}
	return r.err
}

// Failing says why the file store has taken no request, or given no file, for so long or
// longer; nil when it does, or is not asked.
func (s *Store) Failing(atLeast time.Duration) error {
	if err := s.requests.failing(atLeast); err != nil {
		return fmt.Errorf("no request is taken: %w", err)
	}
	if err := s.downloads.failing(atLeast); err != nil {
		return fmt.Errorf("no file can be downloaded: %w", err)
	}
	return nil
}
