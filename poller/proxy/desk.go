package proxy

import (
	"bytes"
	"context"
	"encoding/json"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"aiccbridge/internal/ccgateway"
	"aiccbridge/internal/members"
	"aiccbridge/poller/internal/insist"
	"aiccbridge/poller/proxy/kept"
	"aiccbridge/poller/proxy/post"
	"aiccbridge/poller/proxy/queue"
	"aiccbridge/poller/session"
	"aiccbridge/schemas"
)

// desk is one agent who is signed in through the bridge. What is not said to be otherwise is
// guarded by the term's mutex.
type desk struct {
	term  *term
	agent string
	queue queue.Queue // safe by itself

	session   atomic.Pointer[ccgateway.Agent] // that calls go on with; nil: there is none yet
	loginTime string                          // as the gateway wrote it
	badges    []*badge
	changed   bool       // since it was kept
	writing   sync.Mutex // one write to the bucket at a time; taken before the term's
	kept      *kept.Place

	over    bool         // there is no session
	fenced  time.Time    // since when somebody else has the agent; zero: nobody has
	signing int          // sign-ins that are passed on now
	fresh   bool         // a session was begun that is not polled yet
	aside   []queue.Item // that a session is over: it may be the one that a sign-in just replaced
	ended   bool         // so does the gateway say
	left    bool         // its last client has gone without a word: it is to be signed out
	ticket  string       // of a session that is not where the loop looks for it yet

	contact *session.Contact
	loop    *loop
}

// loop is one stay of the agent with a session.
type loop struct {
	stop context.CancelFunc
	done chan struct{} // closed when it has ended
}

// badge is what a sign-in gave to a client: a GUID, and with it the right to the agent's calls.
type badge struct {
	desk    *desk
	guid    string
	way     *post.Way // nil: the client polls
	place   string    // who signed in, see who; "": before a restart
	cookie  bool      // place is by a cookie
	clients []*client
	stop    context.CancelFunc // ends the pushes
}

// session is the one that a client's calls go on with; nil: of nobody who has signed in.
func (b *badge) session() *ccgateway.Agent {
	if b == nil {
		return nil
	}
	return b.desk.session.Load()
}

// shutdownEvent is the platform's event that says that a session is over.
var shutdownEvent = []byte("AgentOther_ShutdownService")

// Delivered is told by the agent's loop; see [session.Observer].
func (t *term) Delivered(agent string, raw json.RawMessage, at schemas.Position) {
	t.mu.Lock()
	defer t.mu.Unlock()
	d := t.desks[agent]
	if d == nil {
		return // nobody is there to get it; it is stored
	}
	item := queue.Item{Raw: raw, At: at, Came: time.Now()}
	if (d.signing > 0 || d.fresh) && bytes.Contains(raw, shutdownEvent) {
		d.aside = append(d.aside, item)
		return
	}
	d.queue.Add(item)
}

// Ended is told by the agent's loop; see [session.Observer].
func (t *term) Ended(agent string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	switch d := t.desks[agent]; {
	case d == nil || d.fresh: // what ended is the session before
	case d.signing > 0:
		d.ended = true
	default:
		d.close()
	}
}

// elsewhereFor is for how long clients of an agent whom somebody else has are told to ask elsewhere.
// A lease is lost before that; one that is not lost is not what stands against the agent.
const elsewhereFor = time.Minute

// Fenced is told by the agent's loop; see [session.Observer]. Another bridge serves the agent's
// clients, or will: they are to ask there, and not to believe that they are signed out. What is kept
// of them is written once more: if that bridge has done so, this term is over.
func (t *term) Fenced(agent string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if d := t.desks[agent]; d != nil && !d.fresh && d.fenced.IsZero() { // fresh: it is the loop before
		d.fenced, d.changed = time.Now(), true
		d.loop.stop()
		d.queue.Wake()
	}
}

// isElsewhere reports that somebody else has the agent; after a while there is nobody to ask.
func (d *desk) isElsewhere() bool {
	if !d.fenced.IsZero() && !d.over && time.Since(d.fenced) > elsewhereFor {
		d.close()
	}
	return !d.fenced.IsZero() && !d.over
}

// close says that there is no session any more.
func (d *desk) close() {
	d.over = true
	d.loop.stop()
	d.queue.Wake()
}

// arrives begins a sign-in.
func (d *desk) arrives() {
	d.term.mu.Lock()
	defer d.term.mu.Unlock()
	d.signing++
}

// refused ends a sign-in that began no session.
func (d *desk) refused() {
	d.term.mu.Lock()
	defer d.term.mu.Unlock()
	if d.signing--; d.signing > 0 || d.fresh {
		return
	}
	d.queue.Add(d.aside...)
	d.aside = nil
	if d.ended {
		d.ended = false
		d.close()
	}
}

// begin goes on with a session: the one of a ticket, or, without, the one that the bucket has. The
// caller has the mutex.
func (d *desk) begin(s *ccgateway.Agent, ticket string) {
	t, last := d.term, d.loop
	intake, stop := context.WithCancel(t.intake)
	next := &loop{stop, make(chan struct{})}
	d.loop, d.over, d.fenced, d.ended, d.fresh, d.left, d.ticket = next, false, time.Time{}, false, true, false, ticket
	d.session.Store(s)
	if last != nil {
		last.stop()
	}
	t.running.Go(func() {
		defer close(next.done)
		defer stop()
		if last != nil {
			<-last.done // it finishes its poll first
		}
		if ticket != "" && t.hand(d.agent, s) != nil {
			return // the term has ended
		}
		t.mu.Lock()
		seq := t.seqs[d.agent]
		if d.loop == next {
			d.fresh, d.aside, d.ticket, d.changed = false, nil, "", d.changed || ticket != ""
		}
		t.mu.Unlock()
		recorder := t.records.Recorder(d.agent, seq)
		t.sessions.Loop(session.Agent{ID: d.agent}, session.Parts{Gateway: s, Record: recorder, Contact: d.contact}).Run(intake, t.work)
		t.mu.Lock()
		defer t.mu.Unlock()
		t.seqs[d.agent] = recorder.Seq()
	})
}

// hand puts a session where the agent's loop looks for it, for as long as it takes. It is as it is
// by then: calls are passed on in it meanwhile, and their answers may change the GUID.
func (t *term) hand(agent string, s *ccgateway.Agent) error {
	o, key := t.p.o.Session, t.p.key(agent)
	return insist.New(t.p.log).Insist(t.work, "hand session over", func(ctx context.Context) error {
		sealed, err := o.Seal.Seal([]byte(s.Ticket()), key)
		if err != nil {
			return err
		}
		for {
			value, revision, err := o.Sessions.Get(ctx, key)
			if err != nil {
				return err
			}
			var e schemas.Session
			further, err := members.Decode(value, &e)
			if err != nil {
				e, further = schemas.Session{}, nil // not an entry: it is replaced
			}
			e.Handover = schemas.Handover{} // of a session before, which another system may have wanted back
			e.Tenant, e.Agent, e.GUID, e.UpdatedAt = t.p.o.Record.Tenant, agent, sealed, time.Now().UTC()
			if value, err = members.Encode(e, further); err != nil {
				return err
			}
			if _, ok, err := o.Sessions.Swap(ctx, key, value, revision); ok || err != nil {
				return err
			}
		}
	})
}

// admit gives a badge to who has signed in, and begins with the session.
func (d *desk) admit(s *ccgateway.Agent, ticket, loginTime string, b *badge) {
	t := d.term
	t.mu.Lock()
	defer t.mu.Unlock()
	b.clients = []*client{newClient(d.queue.Read())}
	t.pin(b)
	t.supersede(b)
	t.startPushes(b)
	d.loginTime = loginTime
	d.signing--
	d.begin(s, ticket)
}

// supersede takes away badges of a client that has signed in anew: they would keep the agent
// signed in when it signs out. It is the same one that brings the same cookie, or wants pushes at
// the same address, or comes from the same place as one of which nothing is heard there any more.
// There are no more than so many badges in any case. The caller has the mutex.
func (t *term) supersede(by *badge) {
	d := by.desk
	others := slices.DeleteFunc(slices.Clone(d.badges), func(b *badge) bool { return b == by })
	for _, b := range others {
		pushed := by.way != nil && b.way != nil && by.way.URI == b.way.URI
		here := by.place != "" && b.place == by.place || slices.ContainsFunc(b.clients, func(c *client) bool { return c.who == by.place })
		if pushed || here && (by.cookie || b.quiet()) {
			t.drop(b)
		}
	}
	for len(d.badges) > maxClients {
		others = slices.DeleteFunc(slices.Clone(d.badges), func(b *badge) bool { return b == by })
		t.drop(slices.MinFunc(others, func(x, y *badge) int { return x.heard().Compare(y.heard()) }))
	}
}

// heard is when its clients were heard last.
func (b *badge) heard() (last time.Time) {
	for _, c := range b.clients {
		if c.heard.After(last) {
			last = c.heard
		}
	}
	return last
}

// quiet reports that nobody polls with it, or has just done so.
func (b *badge) quiet() bool {
	polls := slices.ContainsFunc(b.clients, func(c *client) bool { return c.inside > 0 })
	return b.way == nil && !polls && time.Since(b.heard()) > quietAfter
}

// pin makes a badge count. The caller has the mutex.
func (t *term) pin(b *badge) {
	t.badges[b.guid] = b
	b.desk.badges, b.desk.changed = append(b.desk.badges, b), true
}

// drop takes a badge away.
func (t *term) drop(b *badge) {
	for _, c := range b.clients {
		c.leave()
	}
	b.clients = nil
	if b.stop != nil {
		b.stop()
	}
	delete(t.badges, b.guid)
	d := b.desk
	d.badges, d.changed = slices.DeleteFunc(d.badges, func(o *badge) bool { return o == b }), true
}
