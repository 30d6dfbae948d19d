package group

import (
	"context"
	"errors"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"pgregory.net/rapid"
)

// store takes a while for each message, and for each batch.
type store struct {
	*Gate[int]
	mu      sync.Mutex
	stored  map[int]int // how often
	batches []int       // their sizes
	refuse  error       // batches
}

const (
	forOne   = time.Millisecond
	forBatch = 4 * time.Millisecond
)

func newStore() *store {
	s := &store{stored: map[int]int{}}
	s.Gate = New(func(_ context.Context, batch []int) error {
		time.Sleep(forBatch)
		s.mu.Lock()
		defer s.mu.Unlock()
		s.batches = append(s.batches, len(batch))
		if s.refuse == nil {
			for _, m := range batch {
				s.stored[m]++
			}
		}
		return s.refuse
	})
	return s
}

func (s *store) do(ctx context.Context, m int) error {
	return s.Do(ctx, m, func() error {
		time.Sleep(forOne)
		s.mu.Lock()
		defer s.mu.Unlock()
		s.stored[m]++
		return nil
	})
}

func (s *store) has(m int) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.stored[m] == 1
}

func TestFewGoAloneAtOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newStore()
		var group sync.WaitGroup
		start := time.Now()
		for m := range MaxAlone {
			group.Go(func() {
				if err := s.do(t.Context(), m); err != nil || !s.has(m) {
					t.Errorf("message %d: %v", m, err)
				}
			})
		}
		group.Wait()
		if took := time.Since(start); took != forOne || len(s.batches) > 0 {
			t.Errorf("took %v and %d batches", took, len(s.batches))
		}
	})
}

// TestManyShareACommit: nobody hears of it before it is done.
func TestManyShareACommit(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newStore()
		var group sync.WaitGroup
		start := time.Now()
		const n = 1000
		for m := range n {
			group.Go(func() {
				if err := s.do(t.Context(), m); err != nil || !s.has(m) {
					t.Errorf("message %d returned %v and is stored %d times", m, err, s.stored[m])
				}
			})
		}
		group.Wait()
		if took := time.Since(start); took > 6*forBatch {
			t.Errorf("took %v", took)
		}
		if slices.Max(s.batches) > Most || slices.Min(s.batches) < Least {
			t.Errorf("batches of %v", s.batches)
		}
	})
}

func TestRefusedBatchTellsEachMessage(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newStore()
		s.refuse = errors.New("refused")
		var group sync.WaitGroup
		for m := range MaxAlone + Least {
			group.Go(func() {
				if err := s.do(t.Context(), m); (err == nil) != s.has(m) {
					t.Errorf("message %d: %v", m, err)
				}
			})
		}
		group.Wait()
		if len(s.stored) != MaxAlone || !slices.Equal(s.batches, []int{Least}) {
			t.Errorf("%d stored, batches %v", len(s.stored), s.batches)
		}
	})
}

// TestEndsAtAnyTime: whoever is told that his message is stored finds it there, no message is
// stored twice, those who give up hold up nobody, and the gate is empty in the end.
func TestEndsAtAnyTime(t *testing.T) {
	rapid.Check(t, func(r *rapid.T) {
		n := rapid.IntRange(1, 120).Draw(r, "messages")
		begins := rapid.SliceOfN(rapid.IntRange(0, 8000), n, n).Draw(r, "begins")
		lasts := rapid.SliceOfN(rapid.IntRange(0, 20000), n, n).Draw(r, "lasts")
		synctest.Test(t, func(*testing.T) {
			s := newStore()
			var group sync.WaitGroup
			for m := range n {
				group.Go(func() {
					time.Sleep(time.Duration(begins[m]) * time.Microsecond)
					ctx, cancel := context.WithTimeout(context.Background(), time.Duration(lasts[m])*time.Microsecond)
					defer cancel()
					err := s.do(ctx, m)
					switch {
					case err == nil && !s.has(m):
						r.Errorf("message %d is not stored", m)
					case err != nil && ctx.Err() == nil:
						r.Errorf("message %d: %v", m, err)
					}
				})
			}
			group.Wait()
			for m, times := range s.stored {
				if times != 1 {
					r.Errorf("message %d is stored %d times", m, times)
				}
			}
			if s.alone != 0 || s.committing || len(s.waiting) != 0 {
				r.Errorf("left: %d alone, committing %v, %d waiting", s.alone, s.committing, len(s.waiting))
			}
		})
	})
}
