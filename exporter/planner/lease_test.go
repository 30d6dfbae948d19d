package planner

import (
	"context"
	"errors"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"aiccbridge/exporter/internal/exportertest"
	"aiccbridge/exporter/ledger"
	"aiccbridge/exporter/tenure"
	"aiccbridge/schemas"
)

// seat is the one lease of a tenant, in memory.
type seat struct {
	mu     sync.Mutex
	taken  *holding
	fail   error // of the next acquisition
	owners int
}

type holding struct {
	*seat
	lost chan error
}

func (s *seat) acquire(ctx context.Context) (tenure.Lease, error) {
	for {
		s.mu.Lock()
		if err := s.fail; err != nil {
			s.fail = nil
			s.mu.Unlock()
			return nil, err
		}
		if s.taken == nil {
			s.taken, s.owners = &holding{s, make(chan error, 1)}, s.owners+1
			defer s.mu.Unlock()
			return s.taken, nil
		}
		s.mu.Unlock()
		select {
		case <-ctx.Done():
			return nil, ctx.Err()
		case <-time.After(time.Second):
		}
	}
}

func (t *holding) Run(ctx context.Context) error {
	select {
	case err := <-t.lost:
		return err
	case <-ctx.Done():
		return nil
	}
}

func (t *holding) Release(context.Context) error {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.taken == t {
		t.taken = nil
	}
	return nil
}

// take lets somebody else have it: its owner hears of that a little later.
func (s *seat) take() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.taken.lost <- errors.New("taken over")
	s.taken = nil
}

// TestPlannersInTurn: of two bridges one plans; however the lease changes hands, requests
// are as far apart as one bridge's would be, and no window is asked for twice.
func TestPlannersInTurn(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		const spacing = 40 * time.Second
		s, turn := newSite(t), &seat{fail: errors.New("the bucket is away")}
		s.serve()
		start := func() (stop func()) {
			l, stopLedger := startLedger(t, ledger.Options{Bucket: s.bucket, Publisher: s.pub})
			s.ledger = l
			o := Options{Ledger: l, Publisher: s.pub, Query: s.platform.query, Spacing: spacing, Acquire: turn.acquire, Extracts: []Extract{since(bubble, hourly)}}
			stopPlanner := startPlanner(t, o)
			return func() { stopPlanner(); stopLedger() }
		}
		pass(48 * time.Hour)
		one, two := start(), start()
		for range 6 { // lost by one, had by the other
			pass(4*time.Minute + 7*time.Second)
			turn.take()
		}
		pass(10 * time.Minute)
		one() // a stop gives it back
		pass(30 * time.Minute)
		two()
		requests := s.platform.requests()
		seen := map[schemas.Window]bool{}
		for i, r := range requests {
			if i > 0 && r.at.Sub(requests[i-1].at) < spacing {
				t.Errorf("request %d comes %s after the last", i, r.at.Sub(requests[i-1].at))
			}
			if seen[r.window] {
				t.Errorf("window %s is asked for twice", r.window)
			}
			seen[r.window] = true
		}
		if len(requests) < 40 || turn.owners < 7 {
			t.Errorf("%d requests by %d owners", len(requests), turn.owners)
		}
	})
}

// TestNothingWithoutLease: a bridge that waits for it neither asks for extracts nor states
// coverage, nor plans windows.
func TestNothingWithoutLease(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s, turn := newSite(t), &seat{}
		_, err := turn.acquire(t.Context()) // somebody else's
		exportertest.Check(t, err)
		pass(10 * time.Hour)
		s.open(Options{Acquire: turn.acquire}, since(bubble, hourly))
		pass(time.Hour)
		if n := len(s.platform.requests()) + len(s.pub.Of(schemas.TypeCoverage)) + len(s.entries(schemas.KindCDR)); n != 0 {
			t.Errorf("%d requests, statements and windows", n)
		}
		turn.take()
		pass(time.Hour)
		if len(s.platform.requests()) == 0 || len(s.entries(schemas.KindCDR)) < 10 {
			t.Error("it does not plan with the lease")
		}
		s.close()
	})
}
