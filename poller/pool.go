package poller

import (
	"context"
	"errors"
	"sync/atomic"
	"time"

	"aiccbridge/poller/record"
	"aiccbridge/poller/session"
)

// silenceLook is how often a pool looks for agents that have gone silent.
const silenceLook = 5 * time.Second

// Pool polls the wanted agents of one tenant, or of one partition of it.
type Pool struct {
	options Options
	record  *record.Tenant
	session *session.Tenant
	started atomic.Bool
	spread  atomic.Int64 // of those who come later
}

// New checks the options. It does no I/O.
func New(o Options) (*Pool, error) {
	if err := o.validate(); err != nil {
		return nil, err
	}
	o = o.WithDefaults()
	loops, err := session.NewTenant(o.session())
	if err != nil {
		return nil, err
	}
	return &Pool{options: o, record: record.NewTenant(o.Record()), session: loops}, nil
}

// SpreadStarts spreads the first sign-ins of those who come later than the first agents of a
// run. Default: they are not spread.
func (p *Pool) SpreadStarts(over time.Duration) { p.spread.Store(int64(over)) }

// Run makes the set of polled agents equal to the last one received from wanted,
// until intake ends: it starts what is missing, stops what is no longer wanted, and leaves
// the rest alone; an agent that is described otherwise is signed in so the next time, a halted
// one at once. Closing wanted leaves the set
// as it is; nothing is received any more once intake has ended.
//
// When intake ends no poll is begun any more; those in flight end by themselves
// (a hold of the gateway, normally 10 s) and what they bring is stored. When work
// ends everything is cut at once. Run returns when all of it has ended, with an
// error only when called twice.
func (p *Pool) Run(intake, work context.Context, wanted <-chan []session.Agent) error {
	if p.started.Swap(true) {
		return errors.New("poller: a pool runs only once; its order numbers would start again")
	}
	intake, cancel := context.WithCancel(intake)
	defer cancel()
	defer context.AfterFunc(work, cancel)() // nothing begins after the end of work
	r := reconciler{options: p.options, record: p.record, session: p.session, slots: make(map[string]*slot)}
	defer r.running.Wait()
	look := time.NewTicker(silenceLook)
	defer look.Stop()
	for {
		select {
		case <-intake.Done():
			return nil
		case <-look.C:
			r.look()
		case agents, open := <-wanted:
			if !open {
				wanted = nil
				continue
			}
			spread := p.options.StartSpread
			if len(r.slots) > 0 {
				spread = time.Duration(p.spread.Load())
			}
			r.reconcile(intake, work, agents, spread)
		}
	}
}
