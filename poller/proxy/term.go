package proxy

import (
	"context"
	"errors"
	"maps"
	"net/http"
	"slices"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"

	"aiccbridge/internal/ccgateway"
	"aiccbridge/poller/proxy/kept"
	"aiccbridge/poller/proxy/later"
	"aiccbridge/poller/proxy/onward"
	"aiccbridge/poller/record"
	"aiccbridge/poller/session"
	"aiccbridge/schemas"
)

// term is the time for which this bridge serves a tenant's clients, under one epoch.
type term struct {
	p            *Proxy
	records      *record.Tenant
	sessions     *session.Tenant
	intake, work context.Context
	epoch        uint64
	depose       context.CancelCauseFunc // a later owner has written
	running      sync.WaitGroup
	store        func() // waits until what waits to be stored is; nil: nothing does

	mu     sync.Mutex
	closed bool
	desks  map[string]*desk  // by agent
	badges map[string]*badge // by the client's GUID
	// seqs are the numbers of the last messages of agents, whose desks may have gone: what the
	// bucket has may be older.
	seqs map[string]uint64
}

func (p *Proxy) newTerm(intake, work context.Context, epoch uint64) (*term, error) {
	t := &term{p: p, work: work, epoch: epoch, desks: map[string]*desk{}, badges: map[string]*badge{}, seqs: map[string]uint64{}}
	t.intake, t.depose = context.WithCancelCause(intake)
	r, s := p.o.Record, p.o.Session
	r.Epoch, r.Via, s.Epoch, s.Observer = epoch, schemas.WayProxy, epoch, t
	if p.o.PassUnstored {
		store := later.New(r.Store, r.Names, p.log)
		r.Store, s.Sessions = store, later.Bucket{Bucket: s.Sessions}
		var storing sync.WaitGroup
		storing.Go(func() { store.Run(work) })
		t.store = func() {
			store.Finish()
			storing.Wait()
		}
	}
	var err error
	t.records = record.NewTenant(r)
	if t.sessions, err = session.NewTenant(s); err != nil && t.store != nil {
		t.store()
	}
	return t, err
}

// end waits until everything has ended, and keeps what clients have confirmed.
func (t *term) end() {
	t.mu.Lock()
	t.closed = true
	t.mu.Unlock()
	t.running.Wait()
	if t.store != nil {
		t.store()
	}
	if t.deposed() == nil { // else the next owner has written already
		t.keep(context.WithoutCancel(t.work))
	}
	t.depose(nil)
}

// deposed says by which epoch, if a later owner has written: a *record.Outgrown.
func (t *term) deposed() error {
	if outgrown := (*record.Outgrown)(nil); errors.As(context.Cause(t.intake), &outgrown) {
		return outgrown
	}
	return nil
}

// stays keeps the term from ending until running is told that it may. false: it ends already.
func (t *term) stays() bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	if !t.closed {
		t.running.Add(1)
	}
	return !t.closed
}

// desk is that of an agent, a new one if there is none.
func (t *term) desk(agent string) *desk {
	t.mu.Lock()
	defer t.mu.Unlock()
	d := t.desks[agent]
	if d == nil {
		d = &desk{term: t, agent: agent, contact: t.sessions.Contact(agent), kept: kept.NewPlace(t.p.o.Clients, t.p.key(agent), t.epoch)}
		t.desks[agent] = d
	}
	return d
}

// badge is that of a client's GUID; nil: there is none.
func (t *term) badge(guid string) *badge {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.badges[guid]
}

func (t *term) loginTime(b *badge) string {
	t.mu.Lock()
	defer t.mu.Unlock()
	return b.desk.loginTime
}

// look forgets clients of which nothing was heard, and desks that nobody uses.
func (t *term) look() {
	t.mu.Lock()
	defer t.mu.Unlock()
	for _, d := range t.desks {
		d.contact.Look()
		if d.isElsewhere() {
			continue // and so may its clients be
		}
		for _, b := range slices.Clone(d.badges) {
			t.lookAt(b)
		}
		if d.left && d.signing == 0 { // else it may have a client soon
			d.left = false
			s := d.session.Load()
			t.running.Go(func() { t.expel(d, s) })
		}
	}
	maps.DeleteFunc(t.desks, func(_ string, d *desk) bool {
		return len(d.badges) == 0 && !d.changed && d.signing == 0 && d.rests()
	})
}

// rests reports that nothing of the agent runs.
func (d *desk) rests() bool {
	if d.loop == nil {
		return true
	}
	select {
	case <-d.loop.done:
		return true
	default:
		return false
	}
}

// lookAt forgets those who use a badge and were not heard of, and sheds what others do not fetch. With
// the last one of an agent its session ends, as it would at the gateway.
func (t *term) lookAt(b *badge) {
	for _, c := range slices.Clone(b.clients) {
		n, _ := c.reader.Waiting()
		if n > maxWaiting || c.inside == 0 && time.Since(c.heard) > t.p.o.Forget {
			t.forget(b, c)
		} else if c.inside == 0 && time.Since(c.fetched) > t.p.o.Forget {
			t.shed(b, c)
		}
	}
	if len(b.clients) > 0 {
		return
	}
	t.drop(b)
	d := b.desk
	last := len(d.badges) == 0 && !d.over
	d.left = last && !t.p.o.KeepSilent
	t.p.log.Warn().Str("agent", d.agent).Stringer("after", t.p.o.Forget).Bool("last", last).Msg("client is silent and forgotten")
}

// shed drops what has waited for too long for a client that is heard of, by heartbeats and other calls,
// and fetches no events: for that client alone, the stream has them.
func (t *term) shed(b *badge, c *client) {
	n, last := c.reader.Drop(time.Now().Add(-t.p.o.Forget))
	if n == 0 {
		return
	}
	c.confirmed, c.came, b.desk.changed = last.At, last.Came, true
	t.p.counts.answers.WithLabelValues(t.p.o.Record.Tenant, "dropped").Add(float64(n))
	if !c.shed {
		c.shed = true
		t.p.log.Warn().Str("agent", b.desk.agent).Stringer("after", t.p.o.Forget).Msg("client fetches no events; old ones are dropped for it, the stream has them")
	}
}

// expel signs an agent out whose clients have gone: by force, as the gateway does, in a call or
// not. Its loop hears of it by its next poll. The session is that of the clients which have gone:
// a later one is somebody's.
func (t *term) expel(d *desk, s *ccgateway.Agent) {
	r, err := http.NewRequestWithContext(t.work, http.MethodDelete, "/", nil)
	if err == nil {
		var a onward.Reply
		path := "onlineagent/" + d.agent + "/forcelogout"
		if a, err = t.p.pass.Exchange(r, path, nil, s); err == nil && a.Code() != "0" {
			err = errors.New("the gateway refuses with " + a.Code())
		}
	}
	if err != nil {
		t.p.log.Warn().Err(err).Str("agent", d.agent).Msg("agent without clients can't be signed out; it is not polled any more, and the gateway ends its session")
		t.mu.Lock()
		defer t.mu.Unlock()
		if d.loop != nil && len(d.badges) == 0 && d.session.Load() == s {
			d.loop.stop()
		}
		return
	}
	t.p.log.Info().Str("agent", d.agent).Msg("agent is signed out, for its last client is silent")
}

// survey is how clients stand.
type survey struct {
	agents, clients, waiting int
	oldest                   time.Duration // of what waits
}

func (t *term) survey() (s survey) {
	t.mu.Lock()
	defer t.mu.Unlock()
	for _, d := range t.desks {
		if len(d.badges) > 0 && !d.over && !d.isElsewhere() {
			s.agents++
		}
		for _, b := range d.badges {
			for _, c := range b.clients {
				n, since := c.reader.Waiting()
				s.clients++
				s.waiting += n
				if n > 0 {
					s.oldest = max(s.oldest, time.Since(since))
				}
			}
		}
	}
	return s
}

// restoreWidth is how many agents are read at once.
const restoreWidth = 16

// restore goes on with what the last owner's clients had, and their agents' sessions. The error
// is the context's.
func (t *term) restore(ctx context.Context) error {
	entries := map[uint64]kept.Entry{} // by their revisions
	err := t.p.o.Known(ctx, func(value []byte, revision uint64) {
		if e, ok := kept.Read(value); ok && e.Tenant == t.p.o.Record.Tenant && agentForm.MatchString(e.Agent) {
			entries[revision] = e
		}
	})
	if err != nil && ctx.Err() == nil {
		t.p.log.Error().Err(err).Msg("clients of the last owner can't be read; they have to sign in again")
	}
	group := errgroup.Group{}
	group.SetLimit(restoreWidth)
	for revision, e := range entries {
		group.Go(func() error { return t.restoreDesk(ctx, e, revision) })
	}
	return group.Wait()
}
