package partition

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"aiccbridge/poller"
	"aiccbridge/poller/record"
	"aiccbridge/poller/session"
	"aiccbridge/poller/session/custody"
	"aiccbridge/schemas"

	"go.uber.org/goleak"
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

// parts of a pool whose agents are left alone, which uses nothing else.
type (
	gateway struct{ session.Gateway }
	store   struct{ record.Store }
	bucket  struct {
		custody.Bucket
		first map[string]string // what is there at first, by agent
	}
	states struct{ record.States }
	sealer struct{ custody.Sealer }
)

// Get knows of a later owner: the agent is left alone. It says so only when it has said what
// is there at first.
func (b bucket) Get(_ context.Context, key string) ([]byte, uint64, error) {
	_, agent, _ := strings.Cut(key, ".")
	if value, ok := b.first[agent]; ok {
		delete(b.first, agent)
		return []byte(value), 1, nil
	}
	return []byte(`{"epoch":1000000}`), 1, nil
}

// alone is a bridge beside which there is no other.
func alone(ctx context.Context, tell func([]string)) error {
	tell([]string{"us"})
	<-ctx.Done()
	return nil
}

// scene is a share of one agent, that is left alone.
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
			Tenant: "acme", Names: names, Agent: func(string) session.Gateway { return gateway{} },
			Store: store{}, Sessions: bucket{}, States: states{}, Seal: sealer{}, StartSpread: 1 << 60,
		},
		Agents: []session.Agent{{ID: "1"}}, Self: "us", Bridges: alone,
		Acquire: func(_ context.Context, _ string, floor uint64) (uint64, Lease, error) {
			s.floors = append(s.floors, floor)
			return floor + 1, s.lease, nil
		},
		Lost: errLost,
		Sessions: func(_ context.Context, f func([]byte)) error {
			f([]byte(`{"agent":"1","epoch":7}`))
			f([]byte(`no JSON`))
			f([]byte(`{"agent":"2","epoch":9}`))
			f([]byte(`{"agent":"1","epoch":3}`))
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
		s.o.Acquire = func(context.Context, string, uint64) (uint64, Lease, error) { return 0, nil, failure }
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
		s.o.Acquire = func(ctx context.Context, _ string, _ uint64) (uint64, Lease, error) {
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

// TestF41EpochsWithoutBuckets: what leases and sessions knew is lost; the events still show
// which epochs were used, and the next owner's is above.
func TestF41EpochsWithoutBuckets(t *testing.T) {
	stored := func(epoch int) string { return fmt.Sprintf(`{"agent":"1","epoch":%d,"seq":3}`, epoch) }
	entry := func(agent string, epoch int) string { return fmt.Sprintf(`{"agent":%q,"epoch":%d}`, agent, epoch) }
	all := "aicc.v1.acme.agent.>"
	a, b := "aicc.v1.acme.agent.1.>", "aicc.v1.acme.agent.2.>"
	cases := map[string]struct {
		sessions []string
		events   map[string]string // by filter
		fails    bool
		want     uint64
		looks    int
	}{
		"nothing was ever stored":          {nil, nil, false, 0, 1},
		"events only":                      {nil, map[string]string{all: stored(88), a: stored(88), b: stored(87)}, false, 88, 3},
		"a late message of an older owner": {nil, map[string]string{all: stored(3), a: stored(9), b: stored(3)}, false, 9, 3},
		"sessions of all, as ever":         {[]string{entry("1", 7), entry("2", 6)}, map[string]string{all: stored(7)}, false, 7, 1},
		"sessions that are older":          {[]string{entry("1", 7), entry("2", 6)}, map[string]string{all: stored(12), a: stored(12), b: stored(13)}, false, 13, 3},
		"one session lost":                 {[]string{entry("1", 7)}, map[string]string{all: stored(7), b: stored(8)}, false, 8, 2},
		"a last message without an epoch":  {nil, map[string]string{all: `{"agent":"1"}`, a: stored(5)}, false, 5, 3},
		"unreadable":                       {nil, map[string]string{all: `x`, a: `[]`, b: stored(4)}, false, 4, 3},
		"the store does not answer":        {[]string{entry("1", 7)}, nil, true, 7, 1},
	}
	for name, tc := range cases {
		var looks atomic.Int32
		s := newScene(t)
		s.o.Agents = []session.Agent{{ID: "1"}, {ID: "2"}}
		s.o.Sessions = func(_ context.Context, f func([]byte)) error {
			for _, value := range tc.sessions {
				f([]byte(value))
			}
			return nil
		}
		s.o.Pool.LastStored = func(_ context.Context, filter string) (schemas.Stored, bool, error) {
			looks.Add(1)
			if tc.fails {
				return schemas.Stored{}, false, errors.New("away")
			}
			body, found := tc.events[filter]
			return schemas.Stored{Body: []byte(body)}, found, nil
		}
		share := New(s.o)
		if got := share.known(t.Context()).highest(t.Context(), s.o.Pool, s.o.Agents); got != tc.want || int(looks.Load()) != tc.looks {
			t.Errorf("%s: above %d after %d looks, want %d after %d", name, got, looks.Load(), tc.want, tc.looks)
		}
	}
	t.Attr("tries", fmt.Sprint(len(cases)))
	t.Attr("figure", fmt.Sprintf("%d sets of what is left of sessions and events, no epoch given again", len(cases)))
}

// TestFlushedBeforeItIsGivenBack: what was stored is got out while the lease is still held, and
// not once it is another's.
func TestFlushedBeforeItIsGivenBack(t *testing.T) {
	for what, want := range map[string][]int{"stopped": {0}, "lost": {1}} {
		synctest.Test(t, func(t *testing.T) {
			s := newScene(t)
			var flushed []int // how many leases had been given back by then
			s.o.Flush = func(context.Context) { flushed = append(flushed, s.lease.released) }
			s.run()
			if what == "lost" {
				s.lease.end <- errLost
				synctest.Wait()
			}
			s.stop()
			if err := <-s.done; err != nil || !slices.Equal(flushed, want) {
				t.Errorf("%s: it ends with %v, flushed after %v, want %v", what, err, flushed, want)
			}
		})
	}
}
