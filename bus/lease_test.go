package bus

import (
	"context"
	"errors"
	"testing"
	"time"

	"aiccbridge/bus/embedded"
	"aiccbridge/schemas"
)

func leaseBus(t *testing.T, s *embedded.Server, instance string, ttl time.Duration) *Bus {
	t.Helper()
	b := open(t, s, func(o *Options) { o.Instance, o.LeaseTTL = instance, ttl })
	if err := b.Ensure(t.Context()); err != nil {
		t.Fatal(err)
	}
	return b
}

func acquire(t *testing.T, b *Bus) *Lease {
	t.Helper()
	l, err := b.Lease(t.Context(), "acme", "0")
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
	if _, err := other.Lease(limited(t, 50*time.Millisecond), "acme", "0"); !errors.Is(err, context.DeadlineExceeded) {
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
	if _, err := other.Lease(limited(t, ttl*3/2), "acme", "0"); !errors.Is(err, context.DeadlineExceeded) {
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
