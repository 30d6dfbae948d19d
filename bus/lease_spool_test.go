package bus

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/rs/zerolog"

	"aiccbridge/schemas"
)

const shortTTL = 600 * time.Millisecond

// bridgeAt is one bridge's spool as far as leases go: its own disk, and a hub
// behind a link.
type bridgeAt struct {
	*Spool
	link *cuttable
}

func newBridge(t *testing.T, hub *testServer, instance string, ttl time.Duration) bridgeAt {
	t.Helper()
	set := func(o *Options) {
		o.Instance, o.LeaseTTL, o.requestTimeout = instance, ttl, 300*time.Millisecond
	}
	link := &cuttable{InProcessConnProvider: hub}
	b := bridgeAt{link: link, Spool: &Spool{hub: open(t, link, set), local: open(t, server(t), as(RoleAdmin), set), log: zerolog.Nop()}}
	makeBuckets(t, b.hub)
	a := b.local.opts.bucketAsset(schemas.BucketLeases, "", 0)
	if err := superior(t, b.local).makeStream(t.Context(), a.streamConfig); err != nil {
		t.Fatal(err)
	}
	return b
}

func (b bridgeAt) acquire(t *testing.T, floor uint64) *Lease {
	t.Helper()
	l, err := b.Lease(limited(t, 20*time.Second), "acme", "0", floor)
	if err != nil {
		t.Fatal(err)
	}
	return l
}

// waits checks that the lease is not to be had now.
func (b bridgeAt) waits(t *testing.T, floor uint64) {
	t.Helper()
	limit := 3 * b.hub.opts.requestTimeout
	if l, err := b.Lease(limited(t, limit), "acme", "0", floor); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("it does not wait: %+v %v", l, err)
	}
}

// run runs a lease; stop ends it and gives Run's result.
func run(t *testing.T, l *Lease) (lost <-chan error, stop func()) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	result, done := make(chan error, 1), make(chan struct{})
	go func() {
		defer close(done)
		result <- l.Run(ctx)
	}()
	stop = func() {
		cancel()
		<-done
	}
	t.Cleanup(stop)
	return result, stop
}

// held waits for the next renewal that the hub stores.
func held(t *testing.T, hub *Bus, instance string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	old, found := true, false
	err := hub.Bucket(schemas.BucketLeases).Watch(ctx, "acme.0", func(_ string, value []byte, _ uint64) {
		if !old && string(value) == `{"instance":"`+instance+`"}` {
			found = true
			cancel()
		}
	}, func() { old = false })
	if err != nil || !found {
		t.Fatalf("%s does not renew (%v)", instance, err)
	}
}

// expired waits until the entry has expired.
func expired(t *testing.T, hub *Bus) {
	t.Helper()
	ctx := limited(t, 20*time.Second)
	for {
		_, revision, err := hub.Bucket(schemas.BucketLeases).Get(ctx, "acme.0")
		if err != nil {
			t.Fatal(err)
		}
		if revision == 0 {
			return
		}
		pause(ctx, 20*time.Millisecond)
	}
}

func notLost(t *testing.T, lost <-chan error) {
	t.Helper()
	select {
	case err := <-lost:
		t.Fatalf("the lease ended: %v", err)
	default:
	}
}

func isLost(t *testing.T, lost <-chan error) {
	t.Helper()
	select {
	case err := <-lost:
		if !errors.Is(err, ErrLeaseLost) {
			t.Errorf("error %v", err)
		}
	case <-limited(t, 20*time.Second).Done():
		t.Fatal("the lease is not lost")
	}
}

func TestSpoolLeaseOutlastsTheHub(t *testing.T) {
	t.Parallel()
	s := server(t)
	one, two := newBridge(t, s, "one", shortTTL), newBridge(t, s, "two", shortTTL)
	l := one.acquire(t, 0)
	lost, stop := run(t, l)
	held(t, two.hub, "one")
	two.waits(t, 0)
	one.link.cut()
	expired(t, two.hub) // nobody else takes it
	one.link.heal()
	held(t, two.hub, "one")
	two.waits(t, 0)
	notLost(t, lost)
	stop()
	if err := <-lost; err != nil {
		t.Error(err)
	}
	if err := l.Release(t.Context()); err != nil {
		t.Error(err)
	}
	if next := two.acquire(t, 0); next.Epoch < l.Epoch+epochBlock {
		t.Errorf("epoch %d after the block of %d", next.Epoch, l.Epoch)
	}
}

func TestSpoolLeaseIsLostToAnother(t *testing.T) {
	t.Parallel()
	for name, released := range map[string]bool{"who has it": false, "who had it": true} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := server(t)
			one, two := newBridge(t, s, "one", shortTTL), newBridge(t, s, "two", shortTTL)
			l := one.acquire(t, 0)
			lost, _ := run(t, l)
			one.link.cut()
			other := two.acquire(t, 0)
			if other.Epoch <= l.Epoch {
				t.Errorf("epoch %d after %d", other.Epoch, l.Epoch)
			}
			notLost(t, lost) // both poll until the partition heals
			if released {
				if err := other.Release(t.Context()); err != nil {
					t.Fatal(err)
				}
			} else {
				run(t, other)
			}
			one.link.heal()
			isLost(t, lost)
			if err := l.Release(t.Context()); err != nil { // as its user does
				t.Error(err)
			}
			one.link.cut()
			one.waits(t, 0) // it is not remembered as ours
		})
	}
}

func TestSpoolLeaseStartsWithoutTheHub(t *testing.T) {
	t.Parallel()
	s := server(t)
	one, two := newBridge(t, s, "one", shortTTL), newBridge(t, s, "two", shortTTL)
	one.link.cut()
	one.waits(t, 0) // it never had it
	one.link.heal()
	first := one.acquire(t, 0) // and the process is killed
	one.link.cut()
	second, third := one.acquire(t, 0), one.acquire(t, 0)
	if second.Epoch != first.Epoch+1 || third.Epoch != first.Epoch+2 {
		t.Errorf("epochs %d, %d, %d", first.Epoch, second.Epoch, third.Epoch)
	}
	fourth := one.acquire(t, third.Epoch+5) // the events show later ones of ours
	if fourth.Epoch != third.Epoch+6 {
		t.Errorf("epoch %d above %d", fourth.Epoch, third.Epoch+5)
	}
	lost, stop := run(t, fourth)
	expired(t, two.hub)
	one.link.heal()
	held(t, two.hub, "one")
	held(t, two.hub, "one")
	notLost(t, lost)
	stop()
	if err := fourth.Release(t.Context()); err != nil {
		t.Error(err)
	}
	one.link.cut()
	one.waits(t, 0) // given up: another may have it
}

func TestSpoolLeaseStartsWithoutTheHubAndMeetsAnother(t *testing.T) {
	t.Parallel()
	s := server(t)
	one, two := newBridge(t, s, "one", shortTTL), newBridge(t, s, "two", shortTTL)
	one.acquire(t, 0)
	one.link.cut()
	other := two.acquire(t, 0)
	run(t, other)
	l := one.acquire(t, 0)
	if l.Epoch >= other.Epoch {
		t.Errorf("epoch %d is not below the later owner's %d", l.Epoch, other.Epoch)
	}
	lost, _ := run(t, l)
	one.link.heal()
	isLost(t, lost)
	one.waits(t, 0)
}

func TestSpoolLeaseKnowsItsLimits(t *testing.T) {
	t.Parallel()
	one := newBridge(t, server(t), "one", time.Minute)
	l := one.acquire(t, 0)
	one.link.cut()
	one.waits(t, l.last)   // the block is used up
	one.waits(t, l.last+1) // somebody took later epochs
	if next := one.acquire(t, l.last-1); next.Epoch != l.last {
		t.Errorf("epoch %d, want the block's last, %d", next.Epoch, l.last)
	}
	one.waits(t, 0)
	one.link.heal()
	if next := one.acquire(t, 0); next.Epoch <= l.last {
		t.Errorf("epoch %d", next.Epoch)
	}
	one.put(t, "not json")
	one.link.cut()
	one.waits(t, 0)
	one.put(t, `{"instance":"another","epoch":1,"last":1000,"held":true}`)
	one.waits(t, 0)
}

func (b bridgeAt) put(t *testing.T, remembered string) {
	t.Helper()
	if _, err := b.local.Bucket(schemas.BucketLeases).Put(t.Context(), "acme.0", []byte(remembered)); err != nil {
		t.Fatal(err)
	}
}

// The hub's bucket is lost while the lease is held. Whether somebody had it since
// can't be known; a new owner gets none of the epochs of the old one's block.
func TestSpoolLeaseOverALostBucket(t *testing.T) {
	t.Parallel()
	s := server(t)
	one, two := newBridge(t, s, "one", shortTTL), newBridge(t, s, "two", shortTTL)
	l := one.acquire(t, 0)
	lost, _ := run(t, l)
	if err := superior(t, two.hub).js.DeleteStream(t.Context(), "KV_AICC_LEASES"); err != nil {
		t.Fatal(err)
	}
	makeBuckets(t, two.hub)
	isLost(t, lost)
	if other := two.acquire(t, l.Epoch); other.Epoch <= l.last {
		t.Errorf("epoch %d is of the block that ends with %d", other.Epoch, l.last)
	}
}

// A server that starts again after the leases' time drops the entry of the epochs,
// unless the bucket leaves markers. Either way no epoch comes twice.
func TestSpoolLeaseOverARestartOfTheHub(t *testing.T) {
	t.Parallel()
	for name, marked := range map[string]bool{"with markers": true, "without": false} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := server(t)
			one, two := newBridge(t, s, "one", shortTTL), newBridge(t, s, "two", shortTTL)
			if !marked { // as a bucket that somebody else made
				leaveNoMarkers(t, superior(t, two.hub))
			}
			l := one.acquire(t, 0)
			lost, _ := run(t, l)
			one.link.cut()
			expired(t, two.hub)
			if err := s.Restart(); err != nil {
				t.Fatal(err)
			}
			one.link.heal()
			if marked {
				held(t, two.hub, "one")
				held(t, two.hub, "one")
				notLost(t, lost)
				return
			}
			isLost(t, lost)
			if other := two.acquire(t, 0); other.Epoch <= l.last {
				t.Errorf("epoch %d is of the block that ends with %d", other.Epoch, l.last)
			}
		})
	}
}

func leaveNoMarkers(t *testing.T, b *Bus) {
	t.Helper()
	c, err := b.streamConfig(t.Context(), "KV_AICC_LEASES")
	if err != nil {
		t.Fatal(err)
	}
	c.SubjectDeleteMarkerTTL = 0
	if _, err := b.js.UpdateStream(t.Context(), *c); err != nil {
		t.Fatal(err)
	}
}

// The hub grants a block, but its answer is lost with the hub. The start without
// it uses the block before; that is no sign of another owner.
func TestSpoolLeaseWithALostGrant(t *testing.T) {
	t.Parallel()
	s := server(t)
	one, two := newBridge(t, s, "one", shortTTL), newBridge(t, s, "two", shortTTL)
	first := one.acquire(t, 0)
	granted, err := one.hub.newLease(first.key, 0)
	if err != nil {
		t.Fatal(err)
	}
	granted.block = epochBlock
	if _, err := granted.acquire(t.Context()); err != nil || granted.Epoch <= first.last { // and nobody hears of it
		t.Fatal(granted.Epoch, err)
	}
	one.link.cut()
	l := one.acquire(t, 0)
	if l.Epoch != first.Epoch+1 {
		t.Errorf("epoch %d", l.Epoch)
	}
	lost, _ := run(t, l)
	expired(t, two.hub)
	one.link.heal()
	held(t, two.hub, "one")
	held(t, two.hub, "one")
	notLost(t, lost)
}

// A renewal is stored and its answer lost, again and again.
func TestSpoolLeaseWithLostAnswers(t *testing.T) {
	t.Parallel()
	s := server(t)
	one := newBridge(t, s, "one", shortTTL)
	link := &lossy{InProcessConnProvider: s}
	one.hub = open(t, link, func(o *Options) { o.LeaseTTL, o.requestTimeout = shortTTL, 300*time.Millisecond })
	l := one.acquire(t, 0)
	link.drop(`"stream":"KV_AICC_LEASES"`, 5)
	lost, _ := run(t, l)
	watcher := open(t, s)
	for range 6 {
		held(t, watcher, "one")
	}
	notLost(t, lost)
}

// An entry that is no lease's proves nothing: it is waited for.
func TestSpoolLeaseOverAnUnreadableEntry(t *testing.T) {
	t.Parallel()
	s := server(t)
	one := newBridge(t, s, "one", shortTTL)
	watcher := open(t, s)
	lost, _ := run(t, one.acquire(t, 0))
	if _, err := watcher.Bucket(schemas.BucketLeases).Put(t.Context(), "acme.0", []byte("x")); err != nil {
		t.Fatal(err)
	}
	held(t, watcher, "one")
	notLost(t, lost)
}
