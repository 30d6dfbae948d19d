package poller

import (
	"context"
	"errors"
	"hash/fnv"
	"hash/maphash"
	"reflect"
	"sync"
	"sync/atomic"
	"time"

	"aiccbridge/internal/retry"
	"aiccbridge/poller/sequence"

	"github.com/rs/zerolog"
)

// Pool polls the wanted agents of one tenant, or of one partition of it.
type Pool struct {
	Options
	metrics *metrics
	habits  sequence.Habits // of the gateway, learned from all agents
	seed    maphash.Seed    // of the hashes by which repeated events are known
	started atomic.Bool
}

// New checks the options and registers the metrics. It does no I/O.
func New(o Options) (*Pool, error) {
	o = o.withDefaults()
	if err := o.validate(); err != nil {
		return nil, err
	}
	m, err := newMetrics(o.Registerer, o.Tenant)
	if err != nil {
		return nil, err
	}
	o.Logger = o.Logger.With().Str("tenant", o.Tenant).Logger()
	return &Pool{Options: o, metrics: m, seed: maphash.MakeSeed()}, nil
}

// seat is the place of one agent in a pool. It outlives restarts of the agent:
// the order numbers go on, and so does the session with its cookies.
type seat struct {
	id      string
	session Session
	seq     uint64 // of the last message stored; only the running stint touches it
	heard   heard

	agent  Agent              // as last wanted
	wanted bool               // still is
	stop   context.CancelFunc // ends the last stint
	done   chan struct{}      // closed when it has ended
}

// Run makes the set of polled agents equal to the last one received from wanted,
// until intake ends: it starts what is missing, stops what is no longer wanted,
// restarts what changed and leaves the rest alone. Closing wanted leaves the set
// as it is; nothing is received any more once intake has ended.
//
// When intake ends no poll is begun any more; those in flight end by themselves
// (a hold of the gateway, normally 10 s) and what they bring is stored. When work
// ends everything is cut at once. Run returns when all of it has ended, with an
// error only when called twice.
func (p *Pool) Run(intake, work context.Context, wanted <-chan []Agent) error {
	if p.started.Swap(true) {
		return errors.New("poller: a pool runs only once; its order numbers would start again")
	}
	intake, cancel := context.WithCancel(intake)
	defer cancel()
	defer context.AfterFunc(work, cancel)() // nothing begins after the end of work
	r := roster{pool: p, intake: intake, work: work, seats: make(map[string]*seat)}
	defer r.running.Wait()
	look := time.NewTicker(silenceLook)
	defer look.Stop()
	for {
		select {
		case <-intake.Done():
			return nil
		case <-look.C:
			r.listen()
		case agents, open := <-wanted:
			if !open {
				wanted = nil
				continue
			}
			r.reconcile(agents)
		}
	}
}

// roster is what a running pool knows of its agents.
type roster struct {
	pool         *Pool
	intake, work context.Context
	seats        map[string]*seat
	running      sync.WaitGroup
}

func (r *roster) reconcile(agents []Agent) {
	want := make(map[string]Agent, len(agents))
	for _, a := range agents {
		if _, twice := want[a.ID]; twice {
			r.pool.Logger.Error().Str("agent", a.ID).Msg("agent is wanted twice; the last description counts")
		}
		want[a.ID] = a
	}
	for id, s := range r.seats {
		if _, ok := want[id]; !ok && s.wanted {
			s.wanted = false
			s.stop()
		}
	}
	for id, a := range want {
		s, known := r.seats[id]
		switch {
		case !known:
			s = &seat{id: id, session: r.pool.Agent(id)}
			r.seats[id] = s
			r.start(s, a, startDelay(id, r.pool.StartSpread))
		case !s.wanted:
			r.start(s, a, startDelay(id, r.pool.StartSpread))
		case !reflect.DeepEqual(s.agent, a):
			s.stop()
			r.start(s, a, 0)
		}
	}
}

// start begins a new stint after delay, and not before the seat's last one ended.
func (r *roster) start(s *seat, a Agent, delay time.Duration) {
	last := s.done
	ctx, stop := context.WithCancel(r.intake)
	done := make(chan struct{})
	s.agent, s.wanted, s.stop, s.done = a, true, stop, done
	r.running.Go(func() {
		defer close(done)
		defer stop()
		if last != nil {
			<-last
		}
		if retry.Wait(ctx, delay) != nil {
			return
		}
		newStint(r.pool, s, a, ctx, r.work).run()
	})
}

// startDelay spreads the first requests of many agents, the same way each time.
func startDelay(id string, spread time.Duration) time.Duration {
	if spread <= 0 {
		return 0
	}
	h := fnv.New64a()
	h.Write([]byte(id))
	// The high bits of FNV hardly differ between short ids; fold and stir them.
	x := h.Sum64()
	x ^= x >> 33
	x *= 0xff51afd7ed558ccd
	x ^= x >> 33
	return time.Duration(x % uint64(spread))
}

func agentLogger(l zerolog.Logger, id string) zerolog.Logger {
	return l.With().Str("agent", id).Logger()
}
