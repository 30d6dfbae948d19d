package lease

import (
	"context"
	"errors"
	"fmt"
	"github.com/google/uuid"
	"math/rand/v2"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"aiccbridge/bus/internal/bustest"
	"aiccbridge/bus/internal/hubtest"
	"aiccbridge/bus/internal/wire"
	"aiccbridge/bus/kv"
	"aiccbridge/schemas"
)

// contender is a bridge that wants the lease.
type contender struct {
	name  string
	link  *bustest.Silent
	hub   *wire.Conn // hasty
	calm  *kv.Bucket // the hub's, over the same link
	local *kv.Bucket
	lease *Kept  // nil: it does not run, or waits
	last  uint64 // epoch that it had
	shown uint64 // the highest epoch that its own disk shows
}

// contest is two bridges, one partition, and a hub. Nothing in it takes time:
// leases expire when the contest says so.
type contest struct {
	hub        *wire.Conn
	contenders []*contender
	rand       *rand.Rand

	partition string
	owners    map[uint64]string // of each epoch ever used
	shown     uint64            // the highest epoch that the hub's entries show
	granted   uint64            // the highest epoch that the hub granted
	offline   int
	lost      int
}

func newContest(t *testing.T, s *bustest.TestServer) *contest {
	t.Helper()
	c := &contest{hub: hubtest.Superior(t, hubtest.Open(t, s))}
	hubtest.MakeBuckets(t, c.hub, time.Hour)
	for _, name := range []string{"one", "two"} {
		link := bustest.NewSilent(s)
		hasty := func(o *wire.Options) { o.Instance, o.RequestTimeout = name, 10*time.Millisecond }
		calm := func(o *wire.Options) { o.Instance = name }
		c.contenders = append(c.contenders, &contender{
			name: name, link: link, hub: hubtest.Open(t, link, hasty), local: newMemoryBucket(t),
			calm: kv.Open(hubtest.Open(t, link, calm), schemas.BucketLeases),
		})
	}
	return c
}

// begin starts over with a partition of its own.
func (c *contest) begin(seed uint64) {
	c.rand = rand.New(rand.NewPCG(seed, 2))
	c.partition = fmt.Sprint(seed)
	c.owners, c.shown, c.granted = map[uint64]string{}, 0, 0
	for _, x := range c.contenders {
		x.lease, x.last, x.shown = nil, 0, 0
		x.link.Mode.Store(bustest.Sound)
	}
}

var errPromise = errors.New("broken promise")

// start is a start of the process: it gets the lease, goes on without the hub, or
// would have to wait.
func (c *contest) start(ctx context.Context, x *contender) error {
	o := Options{Tenant: "acme", Partition: c.partition, Floor: max(x.shown, c.shown), TTL: time.Hour, Process: uuid.NewString()}
	l := NewKept(x.hub, x.local, o)
	if err := l.memory.recall(ctx); err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, 40*time.Millisecond)
	defer cancel()
	if _, err := l.acquireOrKeep(ctx); err != nil && ctx.Err() == nil {
		return err
	}
	if l.entry.epoch == 0 || ctx.Err() != nil {
		return nil // it waits
	}
	x.lease = l
	if owner, taken := c.owners[l.entry.epoch]; taken {
		return fmt.Errorf("%w: %s gets epoch %d, which %s had", errPromise, x.name, l.entry.epoch, owner)
	}
	if l.entry.epoch <= x.last {
		return fmt.Errorf("%w: %s gets epoch %d after %d", errPromise, x.name, l.entry.epoch, x.last)
	}
	c.owners[l.entry.epoch], x.last = x.name, l.entry.epoch
	if c.rand.IntN(2) == 0 { // something is stored under it
		x.shown = l.entry.epoch
	}
	if l.entry.revision == 0 {
		c.offline++
		return nil
	}
	if l.entry.epoch <= c.granted {
		return fmt.Errorf("%w: the hub grants epoch %d after %d", errPromise, l.entry.epoch, c.granted)
	}
	c.granted, c.shown = l.entry.epoch, max(c.shown, l.entry.epoch)
	return nil
}

func (c *contest) keep(ctx context.Context, x *contender) error {
	ctx, cancel := context.WithTimeout(ctx, 20*time.Millisecond)
	defer cancel()
	err := x.lease.keep(ctx)
	if errors.Is(err, ErrLost) {
		c.lost++
		x.lease = nil
		return nil
	}
	return err
}

func (c *contest) step(ctx context.Context) error {
	x := c.contenders[c.rand.IntN(len(c.contenders))]
	switch n := c.rand.IntN(20); {
	case n < 6 && x.lease == nil:
		return c.start(ctx, x)
	case n < 6:
		return c.keep(ctx, x)
	case n < 11: // killed, and started again
		x.lease = nil
		return c.start(ctx, x)
	case n < 12 && x.lease != nil:
		l := x.lease
		x.lease = nil
		return l.Release(ctx)
	case n < 14:
		x.link.Mode.Store(bustest.Sound)
	case n < 17:
		x.link.Mode.Store(bustest.Mute + c.rand.Int32N(2))
	case n < 19:
		return c.expire(ctx)
	case c.rand.IntN(2) == 0:
		return c.loseBucket(ctx)
	}
	return nil
}

// expire takes the holder's entry away, as the server does in time.
func (c *contest) expire(ctx context.Context) error {
	return kv.Open(c.hub, schemas.BucketLeases).Delete(ctx, schemas.LeaseKey("acme", c.partition))
}

// loseBucket makes the hub's bucket anew; sometimes only the epochs are lost.
func (c *contest) loseBucket(ctx context.Context) error {
	name := c.hub.Names().BucketStream(schemas.BucketLeases)
	if c.rand.IntN(2) == 0 {
		s, err := c.hub.JetStream().Stream(ctx, name)
		if err != nil {
			return err
		}
		return s.Purge(ctx)
	}
	if err := c.hub.JetStream().DeleteStream(ctx, name); err != nil {
		return err
	}
	for _, a := range hubtest.Table(c.hub, hubtest.LeaseTTL(time.Hour)).Assets() {
		if a.Name == name {
			return c.hub.MakeStream(ctx, a.StreamConfig)
		}
	}
	return nil
}

// settle heals everything; then at most one may own the partition, and nobody
// else gets it.
func (c *contest) settle(ctx context.Context) error {
	for _, x := range c.contenders {
		x.link.Mode.Store(bustest.Sound)
		if x.lease != nil {
			x.lease.entry.bucket = x.calm
		}
	}
	owners := 0
	for range 3 {
		owners = 0
		for _, x := range c.contenders {
			if x.lease == nil {
				continue
			}
			if err := x.lease.keep(ctx); err != nil {
				x.lease = nil
			} else {
				owners++
			}
		}
	}
	if owners > 1 {
		return fmt.Errorf("%w: two owners after all is well", errPromise)
	}
	return nil
}

func (c *contest) play(ctx context.Context, seed uint64, steps int) error {
	c.begin(seed)
	for range steps {
		if err := c.step(ctx); err != nil {
			return fmt.Errorf("seed %d: %w", seed, err)
		}
	}
	if err := c.settle(ctx); err != nil {
		return fmt.Errorf("seed %d: %w", seed, err)
	}
	return nil
}

// Two bridges, random partitions in one direction or both, kills, releases,
// expiries and losses of the hub's bucket: no epoch has two owners, and when all
// is well there is one owner at most.
func TestLeaseModel(t *testing.T) {
	t.Parallel()
	c := newContest(t, bustest.Server(t))
	epochs := 0
	for seed := range uint64(modelSeeds) {
		if err := c.play(t.Context(), seed, 60); err != nil {
			t.Fatal(err)
		}
		epochs += len(c.owners)
	}
	if c.offline == 0 || c.lost == 0 {
		t.Errorf("%d starts without the hub, %d leases lost: nothing was tried", c.offline, c.lost)
	}
	t.Attr("figure", fmt.Sprintf("%d epochs, %d taken without the hub, %d leases lost, 0 with two owners", epochs, c.offline, c.lost))
}

// Killed again and again while the hub is away: each start notes its epoch before
// it uses it, so that none is used twice.
func TestLeaseModelKilledWithoutTheHub(t *testing.T) {
	t.Parallel()
	c := newContest(t, bustest.Server(t))
	for seed := range uint64(20) {
		c.begin(seed)
		x := c.contenders[0]
		err := c.start(t.Context(), x)
		x.link.Mode.Store(bustest.Mute)
		for i := 0; i < 3 && err == nil; i++ {
			x.lease = nil // killed
			err = c.start(t.Context(), x)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	if c.offline == 0 {
		t.Error("no start without the hub: nothing was tried")
	}
}

// Two bridges poll the same agents; the first is stopped for twice the lease's
// time. The second takes over, and the first ends with its first renewal, before
// it stores anything under an epoch that is not its own.
func TestF22LeaseLostByPause(t *testing.T) {
	t.Parallel()
	const tries = 3
	s := bustest.Server(t)
	var noticed atomic.Int32
	t.Cleanup(func() {
		t.Attr("tries", fmt.Sprint(2*tries))
		t.Attr("figure", fmt.Sprintf("%d/%d pauses noticed at the first renewal", noticed.Load(), 2*tries))
	})
	for _, spooled := range []bool{false, true} {
		t.Run(map[bool]string{false: "embedded", true: "external"}[spooled], func(t *testing.T) {
			t.Parallel()
			one, two := newBridge(t, s, "one", shortTTL), newBridge(t, s, "two", shortTTL)
			partition := strings.ToLower(t.Name()[strings.LastIndex(t.Name(), "/")+1:])
			lease := func(b bridgeAt) (Lease, uint64) {
				o := Options{Tenant: "acme", Partition: partition, TTL: b.ttl}
				var l Lease = NewAtHub(b.hub, o)
				if spooled {
					l = NewKept(b.hub, b.local, o)
				}
				epoch, err := l.Acquire(bustest.Limited(t, 20*time.Second))
				if err != nil {
					t.Fatal(err)
				}
				return l, epoch
			}
			for range tries {
				stopped, before := lease(one) // and never renewed
				other, epoch := lease(two)
				if epoch <= before {
					t.Errorf("epoch %d after %d", epoch, before)
				}
				_, stop := run(t, other)
				if err := stopped.Run(bustest.Limited(t, 20*time.Second)); errors.Is(err, ErrLost) {
					noticed.Add(1)
				} else {
					t.Errorf("error %v", err)
				}
				stop()
				if err := stopped.Release(t.Context()); err != nil {
					t.Error(err)
				}
				if err := other.Release(t.Context()); err != nil {
					t.Error(err)
				}
			}
		})
	}
}
