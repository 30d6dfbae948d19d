package partition

import (
	"context"
	"fmt"
	"slices"
	"strconv"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"aiccbridge/poller"
	"aiccbridge/poller/session"
)

// neighbours are so many ids of one partition, and one of another.
func neighbours(n int) (ids []string, other string) {
	for i := 1; len(ids) < n || other == ""; i++ {
		switch id := strconv.Itoa(i); {
		case Of(id) == Of("1"):
			ids = append(ids, id)
		case other == "":
			other = id
		}
	}
	return ids, other
}

func described(ids ...string) (all []session.Agent) {
	for _, id := range ids {
		all = append(all, session.Agent{ID: id, Password: "p"})
	}
	return all
}

// changing is a share of agent 1 whose wanted set is changed while it runs.
type changing struct {
	*scene
	share *Share
	begun []string // "<partition> above <floor>", at each lease
	asked []string // whose session was begun, in order
	freed int
}

func change(t *testing.T) *changing {
	c := &changing{scene: newScene(t)}
	ids, _ := neighbours(3)
	c.o.Pool.Sessions = bucket{first: map[string]string{ids[1]: "", ids[2]: `{"epoch":7}`}}
	c.o.Pool.Agent = func(id string) session.Gateway {
		c.asked = append(c.asked, id)
		return gateway{}
	}
	c.o.Acquire = func(_ context.Context, p string, floor uint64) (uint64, Lease, error) {
		c.begun = append(c.begun, fmt.Sprintf("%s above %d", p, floor))
		return floor + 1, freed{c}, nil
	}
	c.share = New(c.o)
	var intake context.Context
	intake, c.stop = context.WithCancel(t.Context())
	go func() { c.done <- c.share.Run(intake, t.Context()) }()
	synctest.Wait()
	return c
}

// freed is a lease whose end is counted.
type freed struct{ c *changing }

func (freed) Run(ctx context.Context) error { <-ctx.Done(); return nil }

func (f freed) Release(context.Context) error { f.c.freed++; return nil }

func (c *changing) set(ids ...string) {
	c.share.Set(described(ids...))
	synctest.Wait()
}

func (c *changing) is(what string, begun, asked []string, freed int) {
	c.t.Helper()
	if !slices.Equal(c.begun, begun) || !slices.Equal(c.asked, asked) || c.freed != freed {
		c.t.Errorf("%s: leases %v, agents %v, %d given back; want %v, %v, %d", what, c.begun, c.asked, c.freed, begun, asked, freed)
	}
}

// TestSet: who comes is polled in the partition that is held already, or under the lease of
// another; who was there is not begun again, and a lease without agents is given back.
func TestSet(t *testing.T) {
	ids, other := neighbours(3)
	first, second := name(Of("1"))+" above 7", name(Of(other))+" above 0"
	if other == "2" {
		second = name(Of(other)) + " above 9" // as its session has it
	}
	synctest.Test(t, func(t *testing.T) {
		c := change(t)
		c.is("at first", []string{first}, ids[:1], 0)
		c.set(ids[:2]...)
		c.is("one more", []string{first}, ids[:2], 0)
		c.set(ids[1], ids[0])
		c.is("the same in another order", []string{first}, ids[:2], 0)
		c.set(ids[0], ids[1], other)
		c.is("one of another partition", []string{first, second}, []string{ids[0], ids[1], other}, 0)
		c.set(ids[0])
		time.Sleep(time.Minute) // virtual
		c.is("the others go", []string{first, second}, []string{ids[0], ids[1], other}, 1)
		c.set(ids[0], ids[2], ids[1])
		c.is("one comes, one comes back", []string{first, second}, []string{ids[0], ids[1], other, ids[2]}, 1)
		c.stop()
		if err := <-c.done; err != nil || c.freed != 2 {
			t.Errorf("it ends with %v; %d leases given back", err, c.freed)
		}
	})
}

// TestSetOutgrown: an agent who comes and was polled under a higher epoch is polled under one
// that is above, and so are those beside him.
func TestSetOutgrown(t *testing.T) {
	ids, _ := neighbours(3)
	synctest.Test(t, func(t *testing.T) {
		s := newScene(t)
		s.o.Sessions = func(_ context.Context, f func([]byte)) error {
			f(fmt.Appendf(nil, `{"agent":%q,"epoch":4}`, ids[1]))
			f(fmt.Appendf(nil, `{"agent":%q,"epoch":5}`, ids[2]))
			return nil
		}
		s.o.Pool.Sessions = bucket{first: map[string]string{ids[2]: `{"epoch":5}`}}
		s.o.Agents = described(ids[0], ids[1])
		share := New(s.o)
		var intake context.Context
		intake, s.stop = context.WithCancel(t.Context())
		go func() { s.done <- share.Run(intake, t.Context()) }()
		synctest.Wait()
		share.Set(described(ids...))
		synctest.Wait()
		if !slices.Equal(s.floors, []uint64{4, 5}) || s.lease.released != 1 {
			t.Errorf("acquired above %v, released %d times", s.floors, s.lease.released)
		}
		s.stop()
		if err := <-s.done; err != nil {
			t.Error(err)
		}
	})
}

// clinging is a way, and the loops of its agents, with something in hand for as long as they may.
type clinging struct{}

func (c clinging) Loop(session.Agent, session.Parts) session.Runner { return loop{} }

func (clinging) Run(intake, work context.Context) error {
	<-intake.Done()
	<-work.Done()
	return nil
}

type loop struct{}

func (loop) Run(intake, work context.Context) { _ = clinging{}.Run(intake, work) }

// TestSetOutgrownInTime: what is in hand when an agent has come who had a higher epoch is given the
// grace period, and no longer.
func TestSetOutgrownInTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newScene(t)
		var grants atomic.Int64
		acquire := s.o.Acquire
		s.o.Acquire = func(ctx context.Context, name string, floor uint64) (uint64, Lease, error) {
			grants.Add(1)
			return acquire(ctx, name, floor)
		}
		s.o.Way, s.o.Name = func(poller.Options) Way { return clinging{} }, "push"
		s.o.Pool.Sessions = bucket{first: map[string]string{"3": `{"epoch":20}`}}
		share := New(s.o)
		var intake context.Context
		intake, s.stop = context.WithCancel(t.Context())
		go func() { s.done <- share.Run(intake, t.Context()) }()
		synctest.Wait()
		share.Set(described("1", "3"))
		time.Sleep(s.o.Grace - time.Second)
		synctest.Wait()
		if n := grants.Load(); n != 1 {
			t.Errorf("within the grace period: %d leases", n)
		}
		time.Sleep(2 * time.Second)
		synctest.Wait()
		if n := grants.Load(); n != 2 {
			t.Errorf("after it: %d leases", n)
		}
		s.stop()
		if err := <-s.done; err != nil || !slices.Equal(s.floors, []uint64{9, 20}) || s.lease.released != 2 {
			t.Errorf("it ends with %v; acquired above %v, released %d times", err, s.floors, s.lease.released)
		}
	})
}

// TestSetBesideAForeignEpoch: an epoch that no lease can reach, written by whoever hands sessions
// over, does not stop those beside that agent.
func TestSetBesideAForeignEpoch(t *testing.T) {
	ids, _ := neighbours(3)
	synctest.Test(t, func(t *testing.T) {
		s := newScene(t)
		s.o.Sessions = func(_ context.Context, f func([]byte)) error {
			f(fmt.Appendf(nil, `{"agent":%q,"epoch":4}`, ids[0]))
			f(fmt.Appendf(nil, `{"agent":%q,"epoch":18446744073709551615}`, ids[1]))
			return nil
		}
		s.o.Pool.Sessions = bucket{first: map[string]string{ids[2]: `{"epoch":18446744073709551615}`}}
		s.o.Agents = described(ids[0], ids[1])
		share := New(s.o)
		var intake context.Context
		intake, s.stop = context.WithCancel(t.Context())
		go func() { s.done <- share.Run(intake, t.Context()) }()
		synctest.Wait()
		share.Set(described(ids...))
		synctest.Wait()
		if !slices.Equal(s.floors, []uint64{4}) || s.lease.released != 0 {
			t.Errorf("acquired above %v, released %d times", s.floors, s.lease.released)
		}
		s.stop()
		if err := <-s.done; err != nil {
			t.Error(err)
		}
	})
}

// TestSetWhileTheLeaseIsWaitedFor: who is not wanted any more when the lease comes is not begun.
func TestSetWhileTheLeaseIsWaitedFor(t *testing.T) {
	ids, _ := neighbours(2)
	synctest.Test(t, func(t *testing.T) {
		s := newScene(t)
		var asked []string
		free := make(chan struct{})
		s.o.Pool.Agent = func(id string) session.Gateway {
			asked = append(asked, id)
			return gateway{}
		}
		s.o.Pool.Sessions = bucket{first: map[string]string{ids[1]: `{"epoch":3}`}}
		s.o.Acquire = func(_ context.Context, _ string, floor uint64) (uint64, Lease, error) {
			<-free
			return floor + 1, s.lease, nil
		}
		share := New(s.o)
		var intake context.Context
		intake, s.stop = context.WithCancel(t.Context())
		go func() { s.done <- share.Run(intake, t.Context()) }()
		synctest.Wait()
		share.Set(described(ids[1]))
		close(free)
		synctest.Wait()
		if !slices.Equal(asked, ids[1:]) {
			t.Errorf("begun: %v, want %v", asked, ids[1:])
		}
		s.stop()
		if err := <-s.done; err != nil {
			t.Error(err)
		}
	})
}

// TestSetBeforeTheBridgesAreKnown: what is wanted then is polled once they are.
func TestSetBeforeTheBridgesAreKnown(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newCrew(t)
		c.agents = described("1")
		c.starts("a")
		_, other := neighbours(1)
		c.bridges["a"].share.Set(described("1", other))
		synctest.Wait()
		c.have(map[string]int{"a": 0})
		c.know("a")
		c.have(map[string]int{"a": 2})
		c.stops("a")
	})
}

// TestSpreadOutlivesAChange: those who came with a change that has not been told yet are spread,
// whatever changes before it is.
func TestSpreadOutlivesAChange(t *testing.T) {
	r := newRoster()
	r.set(described("1", "2"), time.Minute)
	r.set(described("1", "2"), -1)
	if w := r.now(); w.spread != time.Minute {
		t.Errorf("newcomers are spread over %s", w.spread)
	}
	r.tell(r.now())
	r.set(described("1"), -1)
	if w := r.now(); w.spread != -1 {
		t.Errorf("nobody has come since, and %s is the spread", w.spread)
	}
}
