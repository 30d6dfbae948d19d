package partition

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"aiccbridge/poller/session"
)

// board is which leases are held, whoever holds them.
type board struct {
	mu   sync.Mutex
	held map[string]string // owner by partition
}

// grant waits until a partition is free.
func (b *board) grant(owner string) func(context.Context, string, uint64) (uint64, Lease, error) {
	return func(ctx context.Context, partition string, floor uint64) (uint64, Lease, error) {
		for {
			b.mu.Lock()
			free := b.held[partition] == ""
			if free {
				b.held[partition] = owner
			}
			b.mu.Unlock()
			if free {
				return floor + 1, &grant{board: b, partition: partition}, nil
			}
			select {
			case <-time.After(time.Second):
			case <-ctx.Done():
				return 0, nil, ctx.Err()
			}
		}
	}
}

func (b *board) of(owner string) (n int) {
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, who := range b.held {
		if who == owner {
			n++
		}
	}
	return n
}

// grant is a lease that is never lost.
type grant struct {
	board     *board
	partition string
}

func (g *grant) Run(ctx context.Context) error {
	<-ctx.Done()
	return nil
}

func (g *grant) Release(context.Context) error {
	g.board.mu.Lock()
	defer g.board.mu.Unlock()
	delete(g.board.held, g.partition)
	return nil
}

// crew are bridges over one board, all with the same agents.
type crew struct {
	t       *testing.T
	board   *board
	agents  []session.Agent
	bridges map[string]*mate
}

type mate struct {
	share *Share
	told  chan []string
	stop  context.CancelFunc
	done  chan error
}

func newCrew(t *testing.T) *crew {
	c := &crew{t: t, board: &board{held: map[string]string{}}, bridges: map[string]*mate{}}
	for i := range 8 * Partitions {
		c.agents = append(c.agents, session.Agent{ID: fmt.Sprint(1000 + i)})
	}
	return c
}

// starts begins a bridge that does not know of any bridge yet.
func (c *crew) starts(name string, last ...string) {
	s := newScene(c.t)
	m := &mate{told: make(chan []string), done: make(chan error, 1)}
	s.o.Agents, s.o.Self, s.o.Acquire = c.agents, name, c.board.grant(name)
	s.o.Last = func(context.Context) ([]string, error) { return last, nil }
	s.o.Bridges = func(ctx context.Context, tell func([]string)) error {
		for {
			select {
			case bridges := <-m.told:
				tell(bridges)
			case <-ctx.Done():
				return nil
			}
		}
	}
	m.share = New(s.o)
	var intake context.Context
	intake, m.stop = context.WithCancel(c.t.Context())
	go func() { m.done <- m.share.Run(intake, c.t.Context()) }()
	c.bridges[name] = m
}

// know has every bridge know of these.
func (c *crew) know(bridges ...string) {
	for _, name := range bridges {
		c.bridges[name].told <- bridges
	}
	time.Sleep(2 * time.Minute) // virtual; leases are asked for again and again
	synctest.Wait()
}

func (c *crew) stops(name string) {
	c.bridges[name].stop()
	if err := <-c.bridges[name].done; err != nil {
		c.t.Error(err)
	}
	delete(c.bridges, name)
}

func (c *crew) have(want map[string]int) {
	c.t.Helper()
	for name, n := range want {
		if got := c.board.of(name); got != n {
			c.t.Errorf("%s has %d partitions, want %d", name, got, n)
		}
	}
}

// TestShares: bridges that come and go have a share each, and every partition is somebody's.
func TestShares(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newCrew(t)
		c.starts("a")
		c.know("a")
		c.have(map[string]int{"a": Partitions})
		c.starts("b")
		c.know("a", "b")
		c.have(map[string]int{"a": Partitions / 2, "b": Partitions / 2})
		c.starts("c")
		c.know("a", "b", "c")
		c.have(map[string]int{"a": 22, "b": 21, "c": 21})
		c.stops("a")
		c.have(map[string]int{"a": 0})
		c.know("b", "c")
		c.have(map[string]int{"b": Partitions / 2, "c": Partitions / 2})
		c.know("c") // cut off from b, which goes on
		c.have(map[string]int{"b": Partitions / 2, "c": Partitions / 2})
		if n := len(c.bridges["c"].share.Waiting()); n != Partitions/2 {
			t.Errorf("%d leases are waited for, want the other's %d", n, Partitions/2)
		}
		c.know("b", "c")
		c.have(map[string]int{"b": Partitions / 2, "c": Partitions / 2})
		if n := len(c.bridges["c"].share.Waiting()); n != 0 {
			t.Errorf("%d leases are waited for, want none", n)
		}
		c.stops("b")
		c.stops("c")
		c.have(map[string]int{"b": 0, "c": 0})
	})
}

// TestUnknownBridges: while nobody knows who is there, what was held last goes on, and
// nothing else is begun.
func TestUnknownBridges(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newCrew(t)
		c.starts("a", "3", "5")
		c.bridges["a"].told <- nil
		synctest.Wait()
		c.have(map[string]int{"a": 2})
		c.know("a")
		c.have(map[string]int{"a": Partitions})
		c.stops("a")
	})
}

// TestKnownOnce: partitions that begin at once read the sessions once.
func TestKnownOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c, reads := newCrew(t), 0
		s := newScene(t)
		s.o.Agents, s.o.Acquire = c.agents, c.board.grant("us")
		s.o.Sessions = func(context.Context, func([]byte)) error {
			reads++
			time.Sleep(time.Second) // virtual
			return nil
		}
		s.run()
		time.Sleep(2 * time.Second) // virtual
		synctest.Wait()
		if c.have(map[string]int{"us": Partitions}); reads != 1 {
			t.Errorf("the sessions were read %d times", reads)
		}
		s.stop()
		if err := <-s.done; err != nil {
			t.Error(err)
		}
	})
}

// TestNobodyToPoll: partitions without agents need no lease.
func TestNobodyToPoll(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newCrew(t)
		c.agents = []session.Agent{{ID: "291"}, {ID: "292"}}
		c.starts("a")
		c.know("a")
		want := []string{name(Of("291")), name(Of("292"))}
		for p := range c.board.held {
			if !slices.Contains(want, p) {
				t.Errorf("partition %s is held", p)
			}
		}
		c.have(map[string]int{"a": 2})
		c.stops("a")
	})
}
