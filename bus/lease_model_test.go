package bus

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/rs/zerolog"

	"aiccbridge/schemas"
)

// A link is open, takes nothing to the hub, or brings nothing back from it.
const (
	linkOpen int32 = iota
	linkMute       // nothing arrives
	linkDeaf       // all arrives, no answer comes
)

// silent is a server behind such a link. The connection itself stays, so that a
// change costs no time.
type silent struct {
	nats.InProcessConnProvider
	mode atomic.Int32
}

func (s *silent) InProcessConn() (net.Conn, error) {
	c, err := s.InProcessConnProvider.InProcessConn()
	if err != nil {
		return nil, err
	}
	return &silentConn{Conn: c, mode: &s.mode}, nil
}

type silentConn struct {
	net.Conn
	mode *atomic.Int32
}

func (c *silentConn) Write(p []byte) (int, error) {
	if c.mode.Load() == linkMute {
		return len(p), nil
	}
	return c.Conn.Write(p)
}

func (c *silentConn) Read(p []byte) (int, error) {
	for {
		n, err := c.Conn.Read(p)
		if err != nil || c.mode.Load() == linkOpen {
			return n, err
		}
	}
}

// contender is a bridge that wants the lease.
type contender struct {
	*Spool
	name  string
	link  *silent
	lease *Lease // nil: it does not run, or waits
	last  uint64 // epoch that it had
	shown uint64 // the highest epoch that its own disk shows
}

// contest is two bridges, one partition, and a hub. Nothing in it takes time:
// leases expire when the contest says so.
type contest struct {
	hub        *Bus
	contenders []*contender
	rand       *rand.Rand

	partition string
	owners    map[uint64]string // of each epoch ever used
	shown     uint64            // the highest epoch that the hub's entries show
	granted   uint64            // the highest epoch that the hub granted
	offline   int
	lost      int
}

func newContest(t *testing.T, s *testServer) *contest {
	t.Helper()
	c := &contest{hub: superior(t, open(t, s, func(o *Options) { o.LeaseTTL = time.Hour }))}
	makeBuckets(t, c.hub)
	for _, name := range []string{"one", "two"} {
		set := func(o *Options) { o.Instance, o.LeaseTTL, o.requestTimeout = name, time.Hour, 10*time.Millisecond }
		link := &silent{InProcessConnProvider: s}
		local := open(t, server(t), as(RoleAdmin), func(o *Options) { o.Instance = name })
		makeBuckets(t, local)
		c.contenders = append(c.contenders, &contender{
			name: name, link: link,
			Spool: &Spool{hub: open(t, link, set), local: local, log: zerolog.Nop()},
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
		x.link.mode.Store(linkOpen)
	}
}

var errPromise = errors.New("broken promise")

// start is a start of the process: it gets the lease, goes on without the hub, or
// would have to wait.
func (c *contest) start(ctx context.Context, x *contender) error {
	l, err := x.newLease(ctx, schemas.LeaseKey("acme", c.partition), max(x.shown, c.shown))
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, 40*time.Millisecond)
	defer cancel()
	if _, err := l.acquireOrKeep(ctx); err != nil && ctx.Err() == nil {
		return err
	}
	if l.Epoch == 0 || ctx.Err() != nil {
		return nil // it waits
	}
	x.lease = l
	if owner, taken := c.owners[l.Epoch]; taken {
		return fmt.Errorf("%w: %s gets epoch %d, which %s had", errPromise, x.name, l.Epoch, owner)
	}
	if l.Epoch <= x.last {
		return fmt.Errorf("%w: %s gets epoch %d after %d", errPromise, x.name, l.Epoch, x.last)
	}
	c.owners[l.Epoch], x.last = x.name, l.Epoch
	if c.rand.IntN(2) == 0 { // something is stored under it
		x.shown = l.Epoch
	}
	if l.revision == 0 {
		c.offline++
		return nil
	}
	if l.Epoch <= c.granted {
		return fmt.Errorf("%w: the hub grants epoch %d after %d", errPromise, l.Epoch, c.granted)
	}
	c.granted, c.shown = l.Epoch, max(c.shown, l.Epoch)
	return nil
}

func (c *contest) keep(ctx context.Context, x *contender) error {
	ctx, cancel := context.WithTimeout(ctx, 20*time.Millisecond)
	defer cancel()
	err := x.lease.keep(ctx)
	if errors.Is(err, ErrLeaseLost) {
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
		x.link.mode.Store(linkOpen)
	case n < 17:
		x.link.mode.Store(linkMute + c.rand.Int32N(2))
	case n < 19:
		return c.expire(ctx)
	case c.rand.IntN(2) == 0:
		return c.loseBucket(ctx)
	}
	return nil
}

// expire takes the holder's entry away, as the server does in time.
func (c *contest) expire(ctx context.Context) error {
	return c.hub.Bucket(schemas.BucketLeases).Delete(ctx, schemas.LeaseKey("acme", c.partition))
}

// loseBucket makes the hub's bucket anew; sometimes only the epochs are lost.
func (c *contest) loseBucket(ctx context.Context) error {
	name := bucketStream(c.hub.Bucket(schemas.BucketLeases).name)
	if c.rand.IntN(2) == 0 {
		s, err := c.hub.js.Stream(ctx, name)
		if err != nil {
			return err
		}
		return s.Purge(ctx)
	}
	if err := c.hub.js.DeleteStream(ctx, name); err != nil {
		return err
	}
	a := c.hub.opts.bucketAsset(schemas.BucketLeases, "", time.Hour, forLeases)
	return c.hub.makeStream(ctx, a.streamConfig)
}

// settle heals everything; then at most one may own the partition, and nobody
// else gets it.
func (c *contest) settle(ctx context.Context) error {
	for _, x := range c.contenders {
		x.link.mode.Store(linkOpen)
		x.hub.opts.requestTimeout = defaultRequestTimeout
		defer func() { x.hub.opts.requestTimeout = 10 * time.Millisecond }()
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
	c := newContest(t, server(t))
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
	c := newContest(t, server(t))
	for seed := range uint64(20) {
		c.begin(seed)
		x := c.contenders[0]
		err := c.start(t.Context(), x)
		x.link.mode.Store(linkMute)
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
	s := server(t)
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
			lease := func(b bridgeAt) *Lease {
				acquire := b.hub.Lease
				if spooled {
					acquire = b.Lease
				}
				l, err := acquire(limited(t, 20*time.Second), "acme", partition, 0)
				if err != nil {
					t.Fatal(err)
				}
				return l
			}
			for range tries {
				stopped := lease(one) // and never renewed
				other := lease(two)
				if other.Epoch <= stopped.Epoch {
					t.Errorf("epoch %d after %d", other.Epoch, stopped.Epoch)
				}
				_, stop := run(t, other)
				if err := stopped.Run(limited(t, 20*time.Second)); errors.Is(err, ErrLeaseLost) {
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
