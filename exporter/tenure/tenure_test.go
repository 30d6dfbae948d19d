package tenure

import (
	"context"
	"errors"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/rs/zerolog"
	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// lease is one that can be lost.
type lease struct {
	lost     chan error
	released *int
	fails    error // of giving it back
}

func (l lease) Run(ctx context.Context) error {
	select {
	case err := <-l.lost:
		return err
	case <-ctx.Done():
		return nil
	}
}

func (l lease) Release(context.Context) error {
	*l.released++
	return l.fails
}

// TestTenure: work is done while the lease is held, which is waited for, lost, had again and
// given back; what is wrong with it is said once.
func TestTenure(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var log strings.Builder
		lost, turns, released, tries := make(chan error), make(chan struct{}), 0, 0
		var fails error
		x := New(Options{Of: "things", Logger: zerolog.New(&log), Acquire: func(ctx context.Context) (Lease, error) {
			if tries++; tries <= 3 {
				return nil, errors.New("the bucket is away")
			}
			select {
			case <-turns:
				return lease{lost, &released, fails}, nil
			case <-ctx.Done():
				return nil, ctx.Err()
			}
		}})
		intake, stop := context.WithCancel(t.Context())
		working, ended := 0, make(chan struct{})
		go func() {
			defer close(ended)
			x.Run(intake, t.Context(), func(held context.Context) {
				working++
				<-held.Done()
				working--
			})
		}()
		expect := func(what string, works, givenBack int, waits bool) {
			t.Helper()
			synctest.Wait()
			if working != works || released != givenBack || x.Waiting().IsZero() == waits {
				t.Errorf("%s: %d work, %d given back, waiting since %s", what, working, released, x.Waiting())
			}
		}
		time.Sleep(time.Minute)
		expect("without a lease", 0, 0, true)
		turns <- struct{}{}
		expect("with one", 1, 0, false)
		lost <- errors.New("taken over")
		expect("without it", 0, 1, true)
		fails = errors.New("nobody answers")
		turns <- struct{}{}
		expect("with one again", 1, 1, false)
		stop()
		<-ended
		expect("at the end", 0, 2, false)
		if n := strings.Count(log.String(), "the bucket is away"); n != 1 || !strings.Contains(log.String(), "taken over") {
			t.Errorf("the log says\n%s", log.String())
		}
	})
}

// Where there is no other, no lease is needed.
func TestAlone(t *testing.T) {
	x, done := New(Options{}), false
	x.Run(t.Context(), t.Context(), func(context.Context) { done = true })
	if !done || !x.Waiting().IsZero() {
		t.Error("nothing is done without a lease")
	}
}
