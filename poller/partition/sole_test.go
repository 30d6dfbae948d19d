package partition_test

import (
	"context"
	"errors"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"aiccbridge/poller/partition"
	"aiccbridge/poller/record"
)

var errGone = errors.New("gone")

// soleLease is one that is lost when told so.
type soleLease struct {
	lose     chan struct{}
	released chan<- uint64
	epoch    uint64
}

func (l *soleLease) Run(ctx context.Context) error {
	select {
	case <-ctx.Done():
		return nil
	case <-l.lose:
		return errGone
	}
}

func (l *soleLease) Release(context.Context) error {
	l.released <- l.epoch
	return nil
}

// TestSole: work is done under each lease, in turn, and what is in hand is finished before one
// is given back.
func TestSole(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		released, lose := make(chan uint64, 9), make(chan struct{})
		epoch := uint64(7)
		s := partition.NewSole(partition.SoleOptions{
			Tenant: "acme", Lost: errGone, Grace: time.Second, Floor: func(context.Context) uint64 { return epoch },
			Acquire: func(ctx context.Context, floor uint64) (uint64, partition.Lease, error) {
				select {
				case <-time.After(time.Minute):
				case <-ctx.Done():
					return 0, nil, ctx.Err()
				}
				epoch = floor + 1
				return epoch, &soleLease{lose, released, epoch}, nil
			},
		})
		var story []string
		ctx, stop := context.WithCancel(t.Context())
		done := make(chan error, 1)
		go func() {
			done <- s.Run(ctx, t.Context(), func(intake, work context.Context, epoch uint64) error {
				story = append(story, "begin")
				<-intake.Done()
				time.Sleep(500 * time.Millisecond)
				if work.Err() != nil {
					t.Error("nothing could be finished")
				}
				story = append(story, "end")
				if len(released) != int(epoch-8) {
					t.Error("the lease was given back before")
				}
				return nil
			})
		}()
		time.Sleep(30 * time.Second)
		if w := s.Waiting(); len(w) != 1 || w[partition.Whole].IsZero() {
			t.Errorf("waiting: %v", w)
		}
		time.Sleep(time.Minute)
		if w := s.Waiting(); len(w) != 0 {
			t.Errorf("waiting: %v", w)
		}
		lose <- struct{}{}
		time.Sleep(90 * time.Second)
		stop()
		if err := <-done; err != nil {
			t.Error(err)
		}
		if !slices.Equal(story, []string{"begin", "end", "begin", "end"}) || <-released != 8 || <-released != 9 {
			t.Errorf("%v", story)
		}
	})
}

// TestSoleOutgrown: work that finds a higher epoch than its own is done again above that, under the
// name of the lease that it was told.
func TestSoleOutgrown(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var floors []uint64
		released := make(chan uint64, 9)
		s := partition.NewSole(partition.SoleOptions{
			Tenant: "acme", Name: "proxy", Lost: errGone, Grace: time.Second, Floor: func(context.Context) uint64 { return 3 },
			Acquire: func(ctx context.Context, floor uint64) (uint64, partition.Lease, error) {
				floors = append(floors, floor)
				if floor > 20 {
					<-ctx.Done()
					return 0, nil, ctx.Err()
				}
				return floor + 1, &soleLease{nil, released, floor + 1}, nil
			},
		})
		ctx, stop := context.WithCancel(t.Context())
		done := make(chan error, 1)
		go func() {
			done <- s.Run(ctx, t.Context(), func(_, _ context.Context, epoch uint64) error {
				return &record.Outgrown{Epoch: epoch + 10}
			})
		}()
		synctest.Wait()
		if w := s.Waiting(); len(w) != 1 || w["proxy"].IsZero() {
			t.Errorf("waiting: %v", w)
		}
		stop()
		if err := <-done; err != nil || !slices.Equal(floors, []uint64{3, 14, 25}) || <-released != 4 || <-released != 15 {
			t.Errorf("%v, above %v", err, floors)
		}
	})
}
