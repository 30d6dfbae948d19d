package bus

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"aiccbridge/schemas"
)

func leaseBus(t *testing.T, s *testServer, instance string, ttl time.Duration) *Bus {
	t.Helper()
	b := open(t, s, func(o *Options) { o.Instance, o.LeaseTTL = instance, ttl })
	if err := ensure(t, b); err != nil {
		t.Fatal(err)
	}
	return b
}

func acquire(t *testing.T, b *Bus) *Lease {
	t.Helper()
	l, err := b.Lease(t.Context(), "acme", "0", 0)
	if err != nil {
		t.Fatal(err)
	}
	return l
}

func TestLeaseTakeover(t *testing.T) {
	s := server(t)
	b, other := leaseBus(t, s, "one", time.Minute), leaseBus(t, s, "two", time.Minute)
	first := acquire(t, b)
	again := acquire(t, b) // after a crash: the same instance does not wait
	if again.Epoch <= first.Epoch {
		t.Errorf("epoch %d after %d", again.Epoch, first.Epoch)
	}
	if _, err := other.Lease(limited(t, 50*time.Millisecond), "acme", "0", 0); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("another instance got a lease that is held: %v", err)
	}
	if err := first.Release(t.Context()); err != nil { // not its any more
		t.Error(err)
	}
	if _, revision, err := b.Bucket(schemas.BucketLeases).Get(t.Context(), "acme.0"); err != nil || revision != again.Epoch {
		t.Errorf("the zombie released the lease: %d %v", revision, err)
	}
	if err := again.Release(t.Context()); err != nil {
		t.Fatal(err)
	}
	if l := acquire(t, other); l.Epoch <= again.Epoch { // at once
		t.Errorf("epoch %d after %d", l.Epoch, again.Epoch)
	}
}

func TestLeaseExpiry(t *testing.T) {
	s := server(t)
	const ttl = 300 * time.Millisecond
	b, other := leaseBus(t, s, "one", ttl), leaseBus(t, s, "two", ttl)
	first := acquire(t, b) // and never renewed
	second := acquire(t, other)
	if second.Epoch <= first.Epoch {
		t.Errorf("epoch %d after %d", second.Epoch, first.Epoch)
	}
	if err := first.Run(t.Context()); !errors.Is(err, ErrLeaseLost) {
		t.Errorf("error %v", err)
	}
}

func TestLeaseIsRenewed(t *testing.T) {
	s := server(t)
	const ttl = 600 * time.Millisecond
	b, other := leaseBus(t, s, "one", ttl), leaseBus(t, s, "two", ttl)
	l := acquire(t, b)
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- l.Run(ctx) }()
	if _, err := other.Lease(limited(t, ttl*3/2), "acme", "0", 0); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("a lease that is renewed was taken: %v", err)
	}
	cancel()
	if err := <-done; err != nil {
		t.Error(err)
	}
	if err := l.Release(t.Context()); err != nil {
		t.Error(err)
	}
	acquire(t, other)
}

func TestLeaseIsLost(t *testing.T) {
	s := server(t)
	b := leaseBus(t, s, "one", 300*time.Millisecond)
	t.Run("to another", func(t *testing.T) {
		l := acquire(t, b)
		if _, err := b.Bucket(schemas.BucketLeases).Put(t.Context(), "acme.0", []byte(`{"instance":"two"}`)); err != nil {
			t.Fatal(err)
		}
		if err := l.Run(t.Context()); !errors.Is(err, ErrLeaseLost) {
			t.Errorf("error %v", err)
		}
	})
	t.Run("server away", func(t *testing.T) {
		l := acquire(t, b)
		s.Shutdown()
		begin := time.Now()
		if err := l.Run(t.Context()); !errors.Is(err, ErrLeaseLost) {
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
			s := server(t)
			b := leaseBus(t, s, "one", ttl)
			l := acquire(t, b)
			s.Shutdown()
			b.opts.requestTimeout = 500 * time.Millisecond
			if ttl < time.Hour {
				b.opts.requestTimeout = time.Hour
			}
			done := make(chan error, 1)
			go func() { done <- l.Release(context.WithoutCancel(t.Context())) }()
			select {
			case err := <-done:
				if err != nil {
					t.Errorf("a lease that expires by itself is an error: %v", err)
				}
			case <-limited(t, 5*time.Second).Done():
				t.Fatal("it hangs")
			}
		})
	}
}

func TestEpochsGrow(t *testing.T) {
	t.Parallel()
	s := server(t)
	const ttl = 300 * time.Millisecond
	b, other := leaseBus(t, s, "one", ttl), leaseBus(t, s, "two", ttl)
	last := uint64(0)
	next := func(what string, b *Bus, floor uint64) {
		t.Helper()
		l, err := b.Lease(limited(t, 10*time.Second), "acme", "0", floor)
		if err != nil {
			t.Fatalf("%s: %v", what, err)
		}
		if l.Epoch <= last || l.Epoch <= floor {
			t.Errorf("%s: epoch %d after %d, above %d", what, l.Epoch, last, floor)
		}
		last = l.Epoch
	}
	next("first", b, 0)
	next("with a floor", b, 1000)
	next("same instance, no floor", b, 0)
	next("after expiry, no floor", other, 0)
	if err := s.Restart(); err != nil {
		t.Fatal(err)
	}
	next("after expiry and a restart", b, 0)
	l, err := b.Lease(t.Context(), "acme", "0", 0)
	if err != nil {
		t.Fatal(err)
	}
	last = l.Epoch
	if err := l.Release(t.Context()); err != nil {
		t.Fatal(err)
	}
	next("after a release", other, 0)
	if err := superior(t, b).js.DeleteStream(t.Context(), "KV_AICC_LEASES"); err != nil {
		t.Fatal(err)
	}
	if err := ensure(t, b); err != nil {
		t.Fatal(err)
	}
	next("bucket made anew, with a floor", b, last)
	next("after that, no floor", other, 0)
}

// An entry that somebody spoiled must not start the epochs anew.
func TestUnreadableEpoch(t *testing.T) {
	t.Parallel()
	b := leaseBus(t, server(t), "one", time.Minute)
	if _, err := b.Bucket(schemas.BucketLeases).Put(t.Context(), "acme.0.epoch", []byte("x")); err != nil {
		t.Fatal(err)
	}
	if _, err := b.Lease(t.Context(), "acme", "0", 0); err == nil || !strings.Contains(err.Error(), "acme.0.epoch") {
		t.Errorf("error %v", err)
	}
}
