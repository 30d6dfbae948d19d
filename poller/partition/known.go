package partition

import (
	"context"
	"encoding/json"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/sync/errgroup"

	"aiccbridge/poller"
	"aiccbridge/poller/session"
	"aiccbridge/schemas"
)

// known is which epochs the agents of a tenant have had, as far as their sessions and the
// tenant's last event show.
type known struct {
	epochs map[string]uint64 // by agent, of the sessions
	events bool              // there are some, and they can be asked for
	most   uint64            // of all that was seen
	older  bool              // the sessions are older than the events: a bucket was put back
}

// known reads them; partitions that ask at once share the answer.
func (s *Share) known(ctx context.Context) known {
	all, _, _ := s.reading.Do("", func() (any, error) { // without an error
		return s.read(ctx), nil
	})
	return all.(known)
}

func (s *Share) read(ctx context.Context) known {
	if s.o.Await != nil {
		s.o.Await(ctx)
	}
	k := known{epochs: map[string]uint64{}}
	// An error means that ctx ended, as the caller sees.
	_ = s.o.Sessions(ctx, func(value []byte) {
		var at schemas.Session
		if json.Unmarshal(value, &at) == nil && at.Epoch > 0 && at.Epoch <= mostEpoch { // else another system wrote it last
			k.epochs[at.Agent] = max(k.epochs[at.Agent], at.Epoch)
			k.most = max(k.most, at.Epoch)
		}
	})
	pool := s.o.Pool
	if pool.LastStored == nil {
		return k
	}
	ctx, cancel := context.WithTimeout(ctx, lookLimit)
	defer cancel()
	agent, epoch, found, err := look(ctx, pool, pool.Names.Agents(pool.Tenant))
	if sayUnknown(ctx, pool, err); err == nil {
		k.events, k.older = found, epoch > k.epochs[agent]
		k.most = max(k.most, epoch)
	}
	return k
}

// knownOf is what is known of a few agents who come while others are polled: each is asked
// after alone, his session and his last event.
func knownOf(ctx context.Context, pool poller.Options, agents []session.Agent) known {
	k, mu := known{epochs: map[string]uint64{}, events: pool.LastStored != nil, older: true}, sync.Mutex{}
	ctx, cancel := context.WithTimeout(ctx, lookLimit)
	defer cancel()
	group := errgroup.Group{}
	group.SetLimit(lookWidth)
	for _, a := range agents {
		group.Go(func() error {
			value, _, err := pool.Sessions.Get(ctx, schemas.AgentKey(pool.Tenant, a.ID))
			var at schemas.Session
			if err == nil && json.Unmarshal(value, &at) == nil && at.Epoch <= mostEpoch {
				mu.Lock()
				defer mu.Unlock()
				k.epochs[a.ID] = at.Epoch
			}
			return err
		})
	}
	sayUnknown(ctx, pool, group.Wait())
	return k
}

const (
	// mostEpoch is above all that leases give. Whoever may write entries could else name one that
	// no lease reaches, and so stop those polled beside that agent.
	mostEpoch = 1 << 53
	// lookLimit is for the look at what is stored; a hub that is away is not waited for.
	lookLimit = 30 * time.Second
	// lookWidth is how many agents are asked after at once.
	lookWidth = 16
)

// highest is the highest epoch of some agents. The lease's must be above it, also when the
// buckets of leases and sessions were lost: then events alone know which numbers were given.
// So the last events of agents without a session are looked at, and of all if the sessions
// are older than the events.
func (k known) highest(ctx context.Context, pool poller.Options, agents []session.Agent) uint64 {
	var highest atomic.Uint64
	raise := func(to uint64) {
		for old := highest.Load(); to > old && !highest.CompareAndSwap(old, to); old = highest.Load() {
		}
	}
	ctx, cancel := context.WithTimeout(ctx, lookLimit)
	defer cancel()
	group := errgroup.Group{}
	group.SetLimit(lookWidth)
	for _, a := range agents {
		epoch, has := k.epochs[a.ID]
		raise(epoch)
		if k.events && (k.older || !has) && ctx.Err() == nil {
			group.Go(func() error {
				_, epoch, _, err := look(ctx, pool, pool.Names.Agent(pool.Tenant, a.ID))
				raise(epoch)
				return err
			})
		}
	}
	sayUnknown(ctx, pool, group.Wait())
	return highest.Load()
}

// look is whose the last event is that matches a filter, and of which epoch.
func look(ctx context.Context, pool poller.Options, filter string) (agent string, epoch uint64, found bool, err error) {
	m, found, err := pool.LastStored(ctx, filter)
	var at struct {
		Agent string `json:"agent"`
		schemas.Position
	}
	if err == nil && found {
		_ = json.Unmarshal(m.Body, &at) // one that can't be read says nothing
	}
	return at.Agent, at.Epoch, found, err
}

func sayUnknown(ctx context.Context, pool poller.Options, err error) {
	if err != nil && context.Cause(ctx) != context.Canceled {
		pool.Logger.Warn().Err(err).Str("tenant", pool.Tenant).Msg("stored events can't be asked for their epochs; those of sessions and leases count")
	}
}
