package partition

import (
	"cmp"
	"context"
	"maps"
	"reflect"
	"slices"
	"strconv"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"
	"golang.org/x/sync/singleflight"

	"aiccbridge/poller"
	"aiccbridge/poller/session"
)

// Lease is the right to poll a partition.
type Lease interface {
	// Run renews it until ctx ends, and returns an error when it is lost.
	Run(ctx context.Context) error
	// Release gives it back.
	Release(ctx context.Context) error
}

// Options configure a Share. All must be set but Flush, Await and Last.
type Options struct {
	// Pool is how the agents are polled; each ownership of a partition has its own epoch.
	Pool poller.Options
	// Agents are the wanted ones of the tenant, at first.
	Agents []session.Agent
	// Spread is over how long the first sign-ins of so many agents are spread; negative: not at
	// all. nil: over what Pool has, however many they are.
	Spread func(agents int) time.Duration
	// Way, if set, is how events come in other than by polling each agent. All agents are then
	// one partition, named Name, which is wanted even without agents.
	Way  func(o poller.Options) Way
	Name string
	// Self is this bridge among the bridges.
	Self string
	// Bridges tells who shares the agents, whenever that changes, until ctx ends; nil: it
	// is not known.
	Bridges func(ctx context.Context, tell func(bridges []string)) error
	// Last are the partitions that this bridge may go on with while the bridges are not
	// known. nil: none.
	Last func(ctx context.Context) ([]string, error)
	// Acquire waits for a partition's lease; its epoch is above the floor. An error is that
	// of the share, unless ctx has ended.
	Acquire func(ctx context.Context, partition string, floor uint64) (epoch uint64, l Lease, err error)
	// Lost is what the error of a lease is when another owner may have it: it is waited for
	// again. Every other error ends the share.
	Lost error
	// Sessions calls f with the value of each session of the tenant that is known, and
	// then returns. An error means that ctx ended.
	Sessions func(ctx context.Context, f func(value []byte)) error
	// Flush gets out what was stored, as far as it can in a while, before a lease is given
	// back: the next owner's messages are to come behind. nil: nothing waits anywhere.
	Flush func(ctx context.Context)
	// Await waits, for a while, until what other bridges left is known. nil: it is.
	Await func(ctx context.Context)
	// Grace is how long what is in hand may take.
	Grace time.Duration
	// Metrics may be shared. nil: none.
	Metrics *Metrics
}

// Way takes in a tenant's events in one ownership.
type Way interface {
	// Loop cares for a wanted agent. See [poller.Options].
	Loop(a session.Agent, p session.Parts) session.Runner
	// Run works beside until intake ends. A *record.Outgrown ends the ownership for another
	// one with a higher epoch; any other error ends the share.
	Run(intake, work context.Context) error
}

// Share polls this bridge's share of a tenant's agents. It is for one [Share.Run].
type Share struct {
	o       Options
	counts  counts
	reading singleflight.Group // of what is known
	changed chan struct{}      // other agents are wanted; room for one word

	mu    sync.Mutex
	slots map[int]*slot // of the partitions that have agents, or had some
}

// slot is a partition that this bridge has polled, or is to poll.
type slot struct {
	roster *roster
	sole   *Sole         // of the last run; nil: there was none
	spread time.Duration // of the first sign-ins when it is polled next; 0: as in the pool's options

	stop context.CancelFunc // nil: it is another's
	done chan struct{}      // closed when the last run has ended
}

// New makes a share, which polls nothing before [Share.Run].
func New(o Options) *Share {
	if o.Metrics == nil {
		o.Metrics = NewMetrics(nil)
	}
	if o.Pool.Limits == nil {
		o.Pool.Limits = session.NewLimits(0)
	}
	if o.Spread == nil {
		o.Spread = func(int) time.Duration { return o.Pool.StartSpread }
	}
	o.Pool.StartSpread = o.Spread(len(o.Agents))
	s := &Share{o: o, counts: o.Metrics.of(o.Pool.Tenant), changed: make(chan struct{}, 1), slots: map[int]*slot{}}
	for p, agents := range s.divided(o.Agents) {
		s.slot(p).roster.set(agents, 0)
	}
	return s
}

// divided are agents by their partitions.
func (s *Share) divided(agents []session.Agent) map[int][]session.Agent {
	if s.o.Way != nil {
		return map[int][]session.Agent{0: agents}
	}
	by := map[int][]session.Agent{}
	for _, a := range agents {
		p := Of(a.ID)
		by[p] = append(by[p], a)
	}
	return by
}

// slot is that of a partition.
func (s *Share) slot(p int) *slot {
	if s.slots[p] == nil {
		s.slots[p] = &slot{roster: newRoster()}
	}
	return s.slots[p]
}

// Set makes these the wanted agents. Who was wanted before and is described as before notices
// nothing, nor does anybody when others come or go: of who goes the poll in flight is
// finished. Safe for concurrent use.
func (s *Share) Set(agents []session.Agent) {
	by := s.divided(agents)
	s.mu.Lock()
	defer s.mu.Unlock()
	known := map[string]bool{}
	for p, at := range s.slots {
		meet(at.roster.now().agents, known)
		if _, stays := by[p]; !stays {
			by[p] = nil
		}
	}
	spread := s.o.Spread(max(len(newcomers(agents, known))-1, 0))
	for p, agents := range by {
		at := s.slot(p)
		before := at.roster.now().agents
		if len(before) == 0 {
			at.spread = spread
		}
		if !reflect.DeepEqual(before, agents) {
			at.roster.set(agents, spread)
		}
	}
	select {
	case s.changed <- struct{}{}:
	default: // it has not been looked yet
	}
}

// Waiting is which leases are wanted and not held, and since when.
func (s *Share) Waiting() map[string]time.Time {
	s.mu.Lock()
	defer s.mu.Unlock()
	all := map[string]time.Time{}
	for _, slot := range s.slots {
		if slot.sole != nil {
			maps.Copy(all, slot.sole.Waiting())
		}
	}
	return all
}

// name is a partition's among the leases.
func (s *Share) name(p int) string {
	if s.o.Way != nil {
		return s.o.Name
	}
	return name(p)
}

func name(p int) string { return strconv.Itoa(p) }

// Run polls the partitions that are this bridge's, until intake ends; work ends
// what is in hand. What another bridge is to have is given back as soon as nothing of it is
// in hand; what this one is to have is polled as soon as its lease is free.
func (s *Share) Run(intake, work context.Context) error {
	group, intake := errgroup.WithContext(intake)
	told := make(chan []string)
	group.Go(func() error {
		return s.o.Bridges(intake, func(bridges []string) {
			select {
			case told <- bridges:
			case <-intake.Done():
			}
		})
	})
	group.Go(func() error {
		mine := func(int) bool { return false } // until somebody tells
		for {
			var err error
			select {
			case <-intake.Done():
				return nil
			case <-s.changed:
			case bridges := <-told:
				mine, err = s.mine(intake, bridges)
			}
			if err != nil {
				return err
			}
			s.divide(intake, work, group, mine)
		}
	})
	return group.Wait()
}

// mine says which partitions are this bridge's.
func (s *Share) mine(ctx context.Context, bridges []string) (func(p int) bool, error) {
	s.counts.bridges.Set(float64(len(bridges)))
	if len(bridges) > 0 {
		owners := assign(bridges)
		s.o.Pool.Logger.Info().Str("tenant", s.o.Pool.Tenant).Strs("bridges", bridges).Msg("agents are divided among the bridges")
		if s.o.Way != nil { // those of several tenants are not all one bridge's
			owner := owners[Of(s.o.Pool.Tenant+"."+s.o.Name)]
			return func(int) bool { return owner == s.o.Self }, nil
		}
		return func(p int) bool { return owners[p] == s.o.Self }, nil
	}
	var last []string
	if s.o.Last != nil {
		var err error
		if last, err = s.o.Last(ctx); err != nil && ctx.Err() == nil {
			return nil, err
		}
	}
	return func(p int) bool { return slices.Contains(last, s.name(p)) }, nil
}

// divide begins what is this bridge's now, and ends what is not.
func (s *Share) divide(intake, work context.Context, group *errgroup.Group, mine func(p int) bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for p, at := range s.slots {
		wanted := mine(p) && (s.o.Way != nil || len(at.roster.now().agents) > 0)
		switch runs := at.stop != nil; {
		case wanted && !runs:
			s.begin(intake, work, group, p)
		case !wanted && runs:
			at.stop()
			at.stop = nil
		}
	}
}

// begin polls a partition, once it has ended to be polled before.
func (s *Share) begin(intake, work context.Context, group *errgroup.Group, p int) {
	at, all := s.slots[p], intake
	intake, stop := context.WithCancel(intake)
	last, done := at.done, make(chan struct{})
	at.stop, at.done = stop, done
	one := partition{pool: s.o.Pool, way: s.o.Way, roster: at.roster, grace: s.o.Grace}
	one.pool.StartSpread = cmp.Or(at.spread, one.pool.StartSpread)
	at.spread = 0
	at.sole = NewSole(SoleOptions{
		Tenant: s.o.Pool.Tenant, Name: s.name(p), Lost: s.o.Lost, Flush: s.o.Flush, Grace: s.o.Grace,
		Logger: s.o.Pool.Logger, Metrics: s.o.Metrics,
		Acquire: func(ctx context.Context, floor uint64) (uint64, Lease, error) {
			return s.o.Acquire(ctx, s.name(p), floor)
		},
		Floor: func(ctx context.Context) uint64 {
			one.first = at.roster.now().agents
			k := s.known(all)
			if s.o.Way != nil { // whoever the platform tells of
				return max(k.most, k.highest(ctx, s.o.Pool, one.first))
			}
			return k.highest(ctx, s.o.Pool, one.first)
		},
	})
	sole := at.sole
	group.Go(func() error {
		defer close(done)
		defer stop()
		if last != nil {
			<-last
		}
		return sole.Run(intake, work, one.own)
	})
}
