package lease

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"

	"aiccbridge/bus/assets"
	"aiccbridge/bus/internal/bustest"
	"aiccbridge/bus/internal/hubtest"
	"aiccbridge/bus/internal/wire"
	"aiccbridge/bus/kv"
	"aiccbridge/internal/retry"
	"aiccbridge/schemas"
)

const shortTTL = 600 * time.Millisecond

// bridgeAt is one bridge as far as kept leases go: its own disk, and a hub behind a
// link.
type bridgeAt struct {
	hub   *wire.Conn
	local *kv.Bucket // the memory of leases
	link  *bustest.Cuttable
	ttl   time.Duration
}

func newBridge(t *testing.T, hub *bustest.TestServer, instance string, ttl time.Duration) bridgeAt {
	t.Helper()
	set := func(o *wire.Options) { o.Instance, o.RequestTimeout = instance, 300*time.Millisecond }
	link := &bustest.Cuttable{InProcessConnProvider: hub}
	b := bridgeAt{link: link, hub: hubtest.Open(t, link, set), local: newMemoryBucket(t), ttl: ttl}
	hubtest.MakeBuckets(t, b.hub, ttl)
	return b
}

// newMemoryBucket is the bucket of leases on a disk of its own.
func newMemoryBucket(t *testing.T) *kv.Bucket {
	t.Helper()
	local := hubtest.Open(t, bustest.Server(t), hubtest.As(assets.RoleAdmin), hubtest.Quick(300*time.Millisecond))
	a := assets.Bucket(local.Names(), schemas.BucketLeases, "", 0)
	if err := local.MakeStream(t.Context(), a.StreamConfig); err != nil {
		t.Fatal(err)
	}
	return kv.Open(local, schemas.BucketLeases)
}

// lease is one that the bridge does not have yet.
func (b bridgeAt) lease(floor uint64) *Kept {
	return NewKept(b.hub, b.local, Options{Tenant: "acme", Partition: "0", Floor: floor, TTL: b.ttl, Process: uuid.NewString()})
}

func (b bridgeAt) acquire(t *testing.T, floor uint64) *Kept {
	t.Helper()
	l := b.lease(floor)
	if epoch, err := l.Acquire(bustest.Limited(t, 20*time.Second)); err != nil || epoch != l.entry.epoch {
		t.Fatal(epoch, err)
	}
	return l
}

// waits checks that the lease is not to be had now.
func (b bridgeAt) waits(t *testing.T, floor uint64) {
	t.Helper()
	limit := 3 * b.hub.RequestTimeout()
	if epoch, err := b.lease(floor).Acquire(bustest.Limited(t, limit)); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("it does not wait: %d %v", epoch, err)
	}
}

// run runs a lease; stop ends it and gives Run's result.
func run(t *testing.T, l Lease) (lost <-chan error, stop func()) {
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
func held(t *testing.T, hub *wire.Conn, instance string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	old, found := true, false
	err := kv.Open(hub, schemas.BucketLeases).Watch(ctx, "acme.0", func(_ string, value []byte, _ uint64) {
		if !old && strings.HasPrefix(string(value), `{"instance":"`+instance+`"`) {
			found = true
			cancel()
		}
	}, func() { old = false })
	if err != nil || !found {
		t.Fatalf("%s does not renew (%v)", instance, err)
	}
}

// expired waits until the entry has expired.
func expired(t *testing.T, hub *wire.Conn) {
	t.Helper()
	ctx := bustest.Limited(t, 20*time.Second)
	for {
		_, revision, err := kv.Open(hub, schemas.BucketLeases).Get(ctx, "acme.0")
		if err != nil {
			t.Fatal(err)
		}
		if revision == 0 {
			return
		}
		_ = retry.Wait(ctx, 20*time.Millisecond) // Get sees the end
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
		if !errors.Is(err, ErrLost) {
			t.Errorf("error %v", err)
		}
	case <-bustest.Limited(t, 20*time.Second).Done():
		t.Fatal("the lease is not lost")
	}
}

func TestSpoolLeaseOutlastsTheHub(t *testing.T) {
	t.Parallel()
	s := bustest.Server(t)
	one, two := newBridge(t, s, "one", shortTTL), newBridge(t, s, "two", shortTTL)
	l := one.acquire(t, 0)
	lost, stop := run(t, l)
	held(t, two.hub, "one")
	two.waits(t, 0)
	one.link.Cut()
	expired(t, two.hub) // nobody else takes it
	one.link.Heal()
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
	if next := two.acquire(t, 0); next.entry.epoch < l.entry.epoch+epochBlock {
		t.Errorf("epoch %d after the block of %d", next.entry.epoch, l.entry.epoch)
	}
}

func TestSpoolLeaseIsLostToAnother(t *testing.T) {
	t.Parallel()
	for name, released := range map[string]bool{"who has it": false, "who had it": true} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := bustest.Server(t)
			one, two := newBridge(t, s, "one", shortTTL), newBridge(t, s, "two", shortTTL)
			l := one.acquire(t, 0)
			lost, _ := run(t, l)
			one.link.Cut()
			other := two.acquire(t, 0)
			if other.entry.epoch <= l.entry.epoch {
				t.Errorf("epoch %d after %d", other.entry.epoch, l.entry.epoch)
			}
			notLost(t, lost) // both poll until the partition heals
			if released {
				if err := other.Release(t.Context()); err != nil {
					t.Fatal(err)
				}
			} else {
				run(t, other)
			}
			one.link.Heal()
			isLost(t, lost)
			if err := l.Release(t.Context()); err != nil { // as its user does
				t.Error(err)
			}
			one.link.Cut()
			one.waits(t, 0) // it is not remembered as ours
		})
	}
}

func TestSpoolLeaseStartsWithoutTheHub(t *testing.T) {
	t.Parallel()
	s := bustest.Server(t)
	one, two := newBridge(t, s, "one", shortTTL), newBridge(t, s, "two", shortTTL)
	one.link.Cut()
	one.waits(t, 0) // it never had it
	one.link.Heal()
	first := one.acquire(t, 0) // and the process is killed
	one.link.Cut()
	second, third := one.acquire(t, 0), one.acquire(t, 0)
	if second.entry.epoch != first.entry.epoch+1 || third.entry.epoch != first.entry.epoch+2 {
		t.Errorf("epochs %d, %d, %d", first.entry.epoch, second.entry.epoch, third.entry.epoch)
	}
	fourth := one.acquire(t, third.entry.epoch+5) // the events show later ones of ours
	if fourth.entry.epoch != third.entry.epoch+6 {
		t.Errorf("epoch %d above %d", fourth.entry.epoch, third.entry.epoch+5)
	}
	lost, stop := run(t, fourth)
	expired(t, two.hub)
	one.link.Heal()
	held(t, two.hub, "one")
	held(t, two.hub, "one")
	notLost(t, lost)
	stop()
	if err := fourth.Release(t.Context()); err != nil {
		t.Error(err)
	}
	one.link.Cut()
	one.waits(t, 0) // given up: another may have it
}

func TestSpoolLeaseStartsWithoutTheHubAndMeetsAnother(t *testing.T) {
	t.Parallel()
	s := bustest.Server(t)
	one, two := newBridge(t, s, "one", shortTTL), newBridge(t, s, "two", shortTTL)
	one.acquire(t, 0)
	one.link.Cut()
	other := two.acquire(t, 0)
	run(t, other)
	l := one.acquire(t, 0)
	if l.entry.epoch >= other.entry.epoch {
		t.Errorf("epoch %d is not below the later owner's %d", l.entry.epoch, other.entry.epoch)
	}
	lost, _ := run(t, l)
	one.link.Heal()
	isLost(t, lost)
	one.waits(t, 0)
}

func TestSpoolLeaseKnowsItsLimits(t *testing.T) {
	t.Parallel()
	one := newBridge(t, bustest.Server(t), "one", time.Minute)
	l := one.acquire(t, 0)
	one.link.Cut()
	one.waits(t, l.entry.last)   // the block is used up
	one.waits(t, l.entry.last+1) // somebody took later epochs
	if next := one.acquire(t, l.entry.last-1); next.entry.epoch != l.entry.last {
		t.Errorf("epoch %d, want the block's last, %d", next.entry.epoch, l.entry.last)
	}
	one.waits(t, 0)
	one.link.Heal()
	if next := one.acquire(t, 0); next.entry.epoch <= l.entry.last {
		t.Errorf("epoch %d", next.entry.epoch)
	}
	one.put(t, "not json")
	one.link.Cut()
	one.waits(t, 0)
	one.put(t, `{"instance":"another","epoch":1,"last":1000,"held":true}`)
	one.waits(t, 0)
}

func (b bridgeAt) put(t *testing.T, remembered string) {
	t.Helper()
	if _, err := b.local.Put(t.Context(), "acme.0", []byte(remembered)); err != nil {
		t.Fatal(err)
	}
}

// The hub's bucket is lost while the lease is held. Whether somebody had it since
// can't be known; a new owner gets none of the epochs of the old one's block.
func TestSpoolLeaseOverALostBucket(t *testing.T) {
	t.Parallel()
	s := bustest.Server(t)
	one, two := newBridge(t, s, "one", shortTTL), newBridge(t, s, "two", shortTTL)
	l := one.acquire(t, 0)
	lost, _ := run(t, l)
	if err := hubtest.Superior(t, two.hub).JetStream().DeleteStream(t.Context(), "KV_AICC_LEASES"); err != nil {
		t.Fatal(err)
	}
	hubtest.MakeBuckets(t, two.hub, two.ttl)
	isLost(t, lost)
	if other := two.acquire(t, l.entry.epoch); other.entry.epoch <= l.entry.last {
		t.Errorf("epoch %d is of the block that ends with %d", other.entry.epoch, l.entry.last)
	}
}

// A server that starts again after the leases' time drops the entry of the epochs,
// unless the bucket leaves markers. Either way no epoch comes twice.
func TestSpoolLeaseOverARestartOfTheHub(t *testing.T) {
	t.Parallel()
	for name, marked := range map[string]bool{"with markers": true, "without": false} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := bustest.Server(t)
			one, two := newBridge(t, s, "one", shortTTL), newBridge(t, s, "two", shortTTL)
			if !marked { // as a bucket that somebody else made
				leaveNoMarkers(t, hubtest.Superior(t, two.hub))
			}
			l := one.acquire(t, 0)
			lost, _ := run(t, l)
			one.link.Cut()
			expired(t, two.hub)
			if err := s.Restart(); err != nil {
				t.Fatal(err)
			}
			one.link.Heal()
			if marked {
				held(t, two.hub, "one")
				held(t, two.hub, "one")
				notLost(t, lost)
				return
			}
			isLost(t, lost)
			if other := two.acquire(t, 0); other.entry.epoch <= l.entry.last {
				t.Errorf("epoch %d is of the block that ends with %d", other.entry.epoch, l.entry.last)
			}
		})
	}
}

func leaveNoMarkers(t *testing.T, c *wire.Conn) {
	t.Helper()
	config, err := c.StreamConfig(t.Context(), "KV_AICC_LEASES")
	if err != nil {
		t.Fatal(err)
	}
	config.SubjectDeleteMarkerTTL = 0
	if _, err := c.JetStream().UpdateStream(t.Context(), *config); err != nil {
		t.Fatal(err)
	}
}

// The hub grants a block, but its answer is lost with the hub. The start without
// it uses the block before; that is no sign of another owner.
func TestSpoolLeaseWithALostGrant(t *testing.T) {
	t.Parallel()
	s := bustest.Server(t)
	one, two := newBridge(t, s, "one", shortTTL), newBridge(t, s, "two", shortTTL)
	first := one.acquire(t, 0)
	unheard := one.lease(0)
	if err := unheard.recall(t.Context()); err != nil {
		t.Fatal(err)
	}
	granted := unheard.entry
	if _, err := granted.acquire(t.Context()); err != nil || granted.epoch <= first.entry.last { // and nobody hears of it
		t.Fatal(granted.epoch, err)
	}
	one.link.Cut()
	l := one.acquire(t, 0)
	if l.entry.epoch != first.entry.epoch+1 {
		t.Errorf("epoch %d", l.entry.epoch)
	}
	lost, _ := run(t, l)
	expired(t, two.hub)
	one.link.Heal()
	held(t, two.hub, "one")
	held(t, two.hub, "one")
	notLost(t, lost)
}

// A renewal is stored and its answer lost, again and again.
func TestSpoolLeaseWithLostAnswers(t *testing.T) {
	t.Parallel()
	s := bustest.Server(t)
	one := newBridge(t, s, "one", shortTTL)
	link := bustest.NewLossy(s)
	one.hub = hubtest.Open(t, link, hubtest.Quick(300*time.Millisecond))
	l := one.acquire(t, 0)
	link.Drop(`"stream":"KV_AICC_LEASES"`, 5)
	lost, _ := run(t, l)
	watcher := hubtest.Open(t, s)
	for range 6 {
		held(t, watcher, "one")
	}
	notLost(t, lost)
}

// An entry that is no lease's proves nothing: it is waited for.
func TestSpoolLeaseOverAnUnreadableEntry(t *testing.T) {
	t.Parallel()
	s := bustest.Server(t)
	one := newBridge(t, s, "one", shortTTL)
	watcher := hubtest.Open(t, s)
	lost, _ := run(t, one.acquire(t, 0))
	if _, err := kv.Open(watcher, schemas.BucketLeases).Put(t.Context(), "acme.0", []byte("x")); err != nil {
		t.Fatal(err)
	}
	held(t, watcher, "one")
	notLost(t, lost)
}

// TestHeldLast: only what was held by this instance when it ended, with an epoch left,
// lets it go on without the hub.
func TestHeldLast(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		entries map[string]string
		line    uint64
		want    int
	}{
		"nothing":          {nil, 0, 0},
		"one":              {map[string]string{"acme.0": `{"instance":"a","epoch":1,"last":1000,"held":true}`}, 0, 1},
		"released":         {map[string]string{"acme.0": `{"instance":"a","epoch":1,"last":1000,"held":false}`}, 0, 0},
		"another instance": {map[string]string{"acme.0": `{"instance":"b","epoch":1,"last":1000,"held":true}`}, 0, 0},
		"used up":          {map[string]string{"acme.0": `{"instance":"a","epoch":1000,"last":1000,"held":true}`}, 0, 0},
		"unreadable":       {map[string]string{"acme.0": `{`}, 0, 0},
		"two of three": {map[string]string{
			"acme.0": `{"instance":"a","epoch":1,"last":1000,"held":true}`, "beta.0": `{"instance":"a","epoch":999,"last":1000,"held":true}`,
			"gamma.0": `{"instance":"a","epoch":5,"last":1000}`,
		}, 0, 2},
		"of an earlier line": {map[string]string{"acme.0": `{"instance":"a","epoch":1,"last":1000,"held":true}`}, 1700000000000, 0},
		"of this line":       {map[string]string{"acme.0": `{"instance":"a","epoch":1700000000001,"last":1700000001000,"held":true}`}, 1700000000000, 1},
	} {
		bucket := newMemoryBucket(t)
		for key, value := range c.entries {
			if _, err := bucket.Put(t.Context(), key, []byte(value)); err != nil {
				t.Fatal(err)
			}
		}
		if held, err := HeldLast(bustest.Limited(t, time.Minute), bucket, ">", "a", c.line); err != nil || len(held) != c.want {
			t.Errorf("%s: %v, want %d: %v", name, held, c.want, err)
		}
	}
}
