package partition

import (
	"context"
	"errors"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/goleak"

	"aiccbridge/poller"
	"aiccbridge/poller/record"
	"aiccbridge/poller/session"
	"aiccbridge/schemas"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

var errLost = errors.New("lost")

// lease ends with an error that is sent, or its context.
type lease struct {
	end      chan error
	released int
}

func (l *lease) Run(ctx context.Context) error {
	select {
	case err := <-l.end:
		return err
	case <-ctx.Done():
		return nil
	}
}

func (l *lease) Release(ctx context.Context) error {
	l.released++
	return ctx.Err()
}

// parts of a pool without agents, which never uses them.
type (
	store  struct{ record.Store }
	bucket struct{ session.Bucket }
	states struct{ record.States }
	sealer struct{ session.Sealer }
)

// scene is a partition without agents, at its lease.
type scene struct {
	t      *testing.T
	o      Options
	lease  *lease
	floors []uint64
	stop   context.CancelFunc
	done   chan error
}

func newScene(t *testing.T) *scene {
	t.Helper()
	names, err := schemas.NewNames("aicc")
	if err != nil {
		t.Fatal(err)
	}
	s := &scene{t: t, lease: &lease{end: make(chan error)}, done: make(chan error, 1)}
	s.o = Options{
		Pool: poller.Options{
			Tenant: "acme", Names: names, Agent: func(string) session.Gateway { return nil },
			Store: store{}, Sessions: bucket{}, States: states{}, Seal: sealer{},
		},
		Acquire: func(_ context.Context, floor uint64) (uint64, Lease, error) {
			s.floors = append(s.floors, floor)
			return floor + 1, s.lease, nil
		},
		Lost: errLost,
		Sessions: func(_ context.Context, f func([]byte)) error {
			f([]byte(`{"epoch":7}`))
			f([]byte(`no JSON`))
			f([]byte(`{"epoch":3}`))
			return nil
		},
		Grace: time.Minute,
	}
	return s
}

func (s *scene) run() {
	var intake context.Context
	intake, s.stop = context.WithCancel(s.t.Context())
	go func() { s.done <- New(s.o).Run(intake, s.t.Context()) }()
	synctest.Wait()
}

// TestLeaseComesBack: a lost lease is waited for again, above all that is known, and
// every one is given back.
func TestLeaseComesBack(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newScene(t)
		awaited := 0
		s.o.Await = func(context.Context) { awaited++ }
		s.run()
		s.lease.end <- errLost
		synctest.Wait()
		if s.lease.released != 1 || !slices.Equal(s.floors, []uint64{7, 7}) || awaited != 2 {
			t.Errorf("released %d times, acquired above %v, awaited %d times", s.lease.released, s.floors, awaited)
		}
		s.stop()
		if err := <-s.done; err != nil || s.lease.released != 2 {
			t.Errorf("it ends with %v, released %d times", err, s.lease.released)
		}
	})
}

// TestOtherErrorsEndIt: only a loss is made good by waiting.
func TestOtherErrorsEndIt(t *testing.T) {
	failure := errors.New("failed")
	synctest.Test(t, func(t *testing.T) {
		s := newScene(t)
		s.run()
		defer s.stop()
		s.lease.end <- failure
		if err := <-s.done; !errors.Is(err, failure) || s.lease.released != 1 {
			t.Errorf("it ends with %v, released %d times", err, s.lease.released)
		}
	})
	synctest.Test(t, func(t *testing.T) {
		s := newScene(t)
		s.o.Acquire = func(context.Context, uint64) (uint64, Lease, error) { return 0, nil, failure }
		s.run()
		defer s.stop()
		if err := <-s.done; !errors.Is(err, failure) {
			t.Errorf("it ends with %v", err)
		}
	})
}

// TestStopsWhileWaiting: a bridge that waits for another's lease stops without error.
func TestStopsWhileWaiting(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newScene(t)
		s.o.Acquire = func(ctx context.Context, _ uint64) (uint64, Lease, error) {
			<-ctx.Done()
			return 0, nil, ctx.Err()
		}
		s.run()
		s.stop()
		if err := <-s.done; err != nil || s.lease.released != 0 {
			t.Errorf("it ends with %v, released %d times", err, s.lease.released)
		}
	})
}
