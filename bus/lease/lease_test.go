package lease

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"aiccbridge/bus/internal/bustest"
	"aiccbridge/bus/internal/hubtest"
	"aiccbridge/bus/internal/wire"
	"aiccbridge/bus/kv"
	"aiccbridge/schemas"
)

// leases are what one bridge can have at the hub.
type leases struct {
	hub *wire.Conn
	ttl time.Duration
}

func newLeases(t *testing.T, s *bustest.TestServer, instance string, ttl time.Duration) leases {
	t.Helper()
	hub := hubtest.Open(t, s, func(o *wire.Options) { o.Instance = instance })
	hubtest.Ensure(t, hub, hubtest.LeaseTTL(ttl))
	return leases{hub, ttl}
}

// try acquires a lease, if it is to be had before ctx ends.
func (b leases) try(ctx context.Context, floor uint64) (*AtHub, uint64, error) {
	l := NewAtHub(b.hub, Options{Tenant: "acme", Partition: "0", Floor: floor, TTL: b.ttl})
	epoch, err := l.Acquire(ctx)
	return l, epoch, err
}

func (b leases) acquire(t *testing.T) (*AtHub, uint64) {
	t.Helper()
	l, epoch, err := b.try(t.Context(), 0)
	if err != nil {
		t.Fatal(err)
	}
	return l, epoch
}

func (b leases) bucket() *kv.Bucket { return kv.Open(b.hub, schemas.BucketLeases) }

func TestLeaseTakeover(t *testing.T) {
	s := bustest.Server(t)
	b, other := newLeases(t, s, "one", time.Minute), newLeases(t, s, "two", time.Minute)
	first, epoch := b.acquire(t)
	again, next := b.acquire(t) // after a crash: the same instance does not wait
	if next <= epoch {
		t.Errorf("epoch %d after %d", next, epoch)
	}
	if _, _, err := other.try(bustest.Limited(t, 50*time.Millisecond), 0); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("another instance got a lease that is held: %v", err)
	}
	if err := first.Release(t.Context()); err != nil { // not its any more
		t.Error(err)
	}
	if _, revision, err := b.bucket().Get(t.Context(), "acme.0"); err != nil || revision != next {
		t.Errorf("the zombie released the lease: %d %v", revision, err)
	}
	if err := again.Release(t.Context()); err != nil {
		t.Fatal(err)
	}
	if _, last := other.acquire(t); last <= next { // at once
		t.Errorf("epoch %d after %d", last, next)
	}
}

func TestLeaseExpiry(t *testing.T) {
	s := bustest.Server(t)
	const ttl = 300 * time.Millisecond
	b, other := newLeases(t, s, "one", ttl), newLeases(t, s, "two", ttl)
	first, epoch := b.acquire(t) // and never renewed
	if _, next := other.acquire(t); next <= epoch {
		t.Errorf("epoch %d after %d", next, epoch)
	}
	if err := first.Run(t.Context()); !errors.Is(err, ErrLost) {
		t.Errorf("error %v", err)
	}
}

func TestLeaseIsRenewed(t *testing.T) {
	s := bustest.Server(t)
	const ttl = 600 * time.Millisecond
	b, other := newLeases(t, s, "one", ttl), newLeases(t, s, "two", ttl)
	l, _ := b.acquire(t)
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- l.Run(ctx) }()
	if _, _, err := other.try(bustest.Limited(t, ttl*3/2), 0); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("a lease that is renewed was taken: %v", err)
	}
	cancel()
	if err := <-done; err != nil {
		t.Error(err)
	}
	if err := l.Release(t.Context()); err != nil {
		t.Error(err)
	}
	other.acquire(t)
}

func TestLeaseIsLost(t *testing.T) {
	s := bustest.Server(t)
	b := newLeases(t, s, "one", 300*time.Millisecond)
	t.Run("to another", func(t *testing.T) {
		l, _ := b.acquire(t)
		if _, err := b.bucket().Put(t.Context(), "acme.0", []byte(`{"instance":"two"}`)); err != nil {
			t.Fatal(err)
		}
		if err := l.Run(t.Context()); !errors.Is(err, ErrLost) {
			t.Errorf("error %v", err)
		}
	})
	t.Run("server away", func(t *testing.T) {
		l, _ := b.acquire(t)
		s.Shutdown()
		begin := time.Now()
		if err := l.Run(t.Context()); !errors.Is(err, ErrLost) {
			t.Errorf("error %v", err)
		}
		if took := time.Since(begin); took > 600*time.Millisecond {
			t.Errorf("noticed after %s only", took)
		}
	})
}

// A server that is away must not hold up the end of the process.
func TestReleaseEnds(t *testing.T) {
	t.Parallel()
	for name, ttl := range map[string]time.Duration{"with the lease": 400 * time.Millisecond, "before it": time.Hour} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := bustest.Server(t)
			timeout := 500 * time.Millisecond
			if ttl < time.Hour {
				timeout = time.Hour
			}
			hubtest.Ensure(t, hubtest.Open(t, s), hubtest.LeaseTTL(ttl))
			b := leases{hubtest.Open(t, s, hubtest.Quick(timeout)), ttl}
			l, _ := b.acquire(t)
			s.Shutdown()
			done := make(chan error, 1)
			go func() { done <- l.Release(context.WithoutCancel(t.Context())) }()
			select {
			case err := <-done:
				if err != nil {
					t.Errorf("a lease that expires by itself is an error: %v", err)
				}
			case <-bustest.Limited(t, 5*time.Second).Done():
				t.Fatal("it hangs")
			}
		})
	}
}

func TestEpochsGrow(t *testing.T) {
	t.Parallel()
	s := bustest.Server(t)
	const ttl = 300 * time.Millisecond
	b, other := newLeases(t, s, "one", ttl), newLeases(t, s, "two", ttl)
	last := uint64(0)
	next := func(what string, b leases, floor uint64) {
		t.Helper()
		_, epoch, err := b.try(bustest.Limited(t, time.Minute), floor)
		if err != nil {
			t.Fatalf("%s: %v", what, err)
		}
		if epoch <= last || epoch <= floor {
			t.Errorf("%s: epoch %d after %d, above %d", what, epoch, last, floor)
		}
		last = epoch
	}
	next("first", b, 0)
	next("with a floor", b, 1000)
	next("same instance, no floor", b, 0)
	next("after expiry, no floor", other, 0)
	if err := s.Restart(); err != nil {
		t.Fatal(err)
	}
	next("after expiry and a restart", b, 0)
	l, last := b.acquire(t)
	if err := l.Release(t.Context()); err != nil {
		t.Fatal(err)
	}
	next("after a release", other, 0)
	if err := hubtest.Superior(t, b.hub).JetStream().DeleteStream(t.Context(), "KV_AICC_LEASES"); err != nil {
		t.Fatal(err)
	}
	hubtest.Ensure(t, b.hub, hubtest.LeaseTTL(ttl))
	next("bucket made anew, with a floor", b, last)
	next("after that, no floor", other, 0)
}

// An entry that somebody spoiled must not start the epochs anew.
func TestUnreadableEpoch(t *testing.T) {
	t.Parallel()
	b := newLeases(t, bustest.Server(t), "one", time.Minute)
	if _, err := b.bucket().Put(t.Context(), "acme.0.epoch", []byte("x")); err != nil {
		t.Fatal(err)
	}
	if _, _, err := b.try(t.Context(), 0); err == nil || !strings.Contains(err.Error(), "acme.0.epoch") {
		t.Errorf("error %v", err)
	}
}

// TestHolder: who has a lease is known to everybody; what is no lease is nobody's.
func TestHolder(t *testing.T) {
	b := newLeases(t, bustest.Server(t), "one", time.Minute)
	expect := func(what, want string) {
		t.Helper()
		if holder, err := Holder(t.Context(), b.bucket(), "acme", "0"); holder != want || err != nil {
			t.Errorf("%s: %q, %v", what, holder, err)
		}
	}
	expect("nobody", "")
	l, _ := b.acquire(t)
	expect("held", "one")
	if err := l.Release(t.Context()); err != nil {
		t.Fatal(err)
	}
	expect("released", "")
	if _, err := b.bucket().Put(t.Context(), schemas.LeaseKey("acme", "0"), []byte("no lease")); err != nil {
		t.Fatal(err)
	}
	expect("unreadable", "")
	if err := hubtest.Superior(t, b.hub).JetStream().DeleteStream(t.Context(), b.hub.Names().BucketStream(schemas.BucketLeases)); err != nil {
		t.Fatal(err)
	}
	if _, err := Holder(bustest.Limited(t, 100*time.Millisecond), b.bucket(), "acme", "0"); err == nil {
		t.Error("without a bucket it is known")
	}
}

// TestAcquisitionThatIsStopped: what it has written is taken back, and nobody waits for it to
// expire.
func TestAcquisitionThatIsStopped(t *testing.T) {
	t.Parallel()
	s := bustest.Server(t)
	b, other := newLeases(t, s, "one", time.Minute), newLeases(t, s, "two", time.Minute)
	l := NewAtHub(b.hub, Options{Tenant: "acme", Partition: "0", TTL: b.ttl})
	_, err := l.entry.obtain(t.Context(), func(ctx context.Context) (string, error) {
		if ok, err := l.entry.extend(ctx, 0); !ok || err != nil {
			t.Errorf("the entry is not written: %v", err)
		}
		return "", context.Canceled // before it has an epoch
	})
	if !errors.Is(err, context.Canceled) {
		t.Errorf("it ends with %v", err)
	}
	if _, _, err := other.try(bustest.Limited(t, 20*time.Second), 0); err != nil {
		t.Errorf("another bridge waits: %v", err)
	}
}
