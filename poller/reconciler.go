package poller

import (
	"cmp"
	"context"
	"hash/fnv"
	"reflect"
	"sync"
	"time"

	"aiccbridge/poller/record"
	"aiccbridge/poller/session"
)

// slot is the place of one agent in a pool. It outlives restarts of the agent:
// the order numbers go on, and so does the session with its cookies.
type slot struct {
	gateway session.Gateway
	contact *session.Contact
	seq     uint64 // of the last message stored; only the running loop's goroutine touches it

	agent   session.Agent      // as last wanted
	wanted  bool               // still is
	changes chan session.Agent // to the last loop
	stop    context.CancelFunc // ends the last loop
	done    chan struct{}      // closed when it has ended
}

// describe tells the loop that runs how the agent is described now; one that has not taken the
// last description yet need not know that.
func (s *slot) describe(a session.Agent) {
	s.agent = a
	select {
	case <-s.changes:
	default:
	}
	s.changes <- a
}

// reconciler makes the set of agents that are polled equal to the wanted one.
type reconciler struct {
	options Options
	record  *record.Tenant
	session *session.Tenant
	slots   map[string]*slot
	running sync.WaitGroup
}

// reconcile starts who is missing, their first sign-ins spread, and stops who is not wanted.
func (r *reconciler) reconcile(intake, work context.Context, agents []session.Agent, spread time.Duration) {
	want := make(map[string]session.Agent, len(agents))
	for _, a := range agents {
		if _, twice := want[a.ID]; twice {
			r.options.Logger.Error().Str("agent", a.ID).Msg("agent is wanted twice; the last description counts")
		}
		want[a.ID] = a
	}
	for id, s := range r.slots {
		if _, ok := want[id]; !ok && s.wanted {
			s.wanted = false
			s.stop()
		}
	}
	for id, a := range want {
		s, known := r.slots[id]
		switch {
		case !known:
			s = &slot{gateway: r.options.Agent(id), contact: r.session.Contact(id)}
			r.slots[id] = s
			r.start(intake, work, s, a, startDelay(id, spread))
		case !s.wanted:
			r.start(intake, work, s, a, startDelay(id, spread))
		case reflect.DeepEqual(s.agent, a):
		case (s.agent.Password == "") == (a.Password == ""):
			s.describe(a)
		default: // another way in
			s.stop()
			r.start(intake, work, s, a, 0)
		}
	}
}

// start begins a new session loop, not before the slot's last one ended. Delayed is its
// sign-in alone: a session that goes on must not be silent for longer than it has been.
func (r *reconciler) start(intake, work context.Context, s *slot, a session.Agent, delay time.Duration) {
	last := s.done
	intake, stop := context.WithCancel(intake)
	done, changes := make(chan struct{}), make(chan session.Agent, 1)
	s.agent, s.wanted, s.changes, s.stop, s.done = a, true, changes, stop, done
	r.running.Go(func() {
		defer close(done)
		defer stop()
		if last != nil {
			<-last
		}
		recorder := r.record.Recorder(a.ID, s.seq)
		recorder.Via = cmp.Or(a.Via, recorder.Via)
		parts := session.Parts{Gateway: s.gateway, Record: recorder, Contact: s.contact, SignInAfter: delay, Changes: changes, Seat: r.options.Metrics.Seat(r.options.Tenant, a.ID)}
		r.loop(a, parts).Run(intake, work)
		s.seq = recorder.Seq()
	})
}

func (r *reconciler) loop(a session.Agent, p session.Parts) session.Runner {
	if r.options.Loop != nil {
		return r.options.Loop(a, p)
	}
	return r.session.Loop(a, p)
}

// look measures how long the gateway has heard nothing of the agents.
func (r *reconciler) look() {
	for _, s := range r.slots {
		s.contact.Look()
	}
}

// startDelay spreads the first sign-ins of many agents, the same way each time.
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
