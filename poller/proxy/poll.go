package proxy

import (
	"context"
	"net/http"
	"slices"
	"time"

	"aiccbridge/poller/proxy/queue"
	"aiccbridge/poller/proxy/wire"
)

// writeWithin is how long a client may take to read an answer.
const writeWithin = 20 * time.Second

// poll answers a client's poll: with the next event, or with none after the hold. Of two polls of
// one client the newer one counts: the older is one that the client has given up.
func (t *term) poll(w http.ResponseWriter, r *http.Request, b *badge) {
	if b.way != nil {
		t.p.say(w, codeWrongWay)
		return
	}
	c, newer, leave := t.enter(b, who(r))
	if c == nil { // its badge was taken away meanwhile
		t.p.say(w, codeNotSignedIn)
		return
	}
	defer leave()
	select {
	case <-c.turn:
	case <-r.Context().Done():
		return
	}
	defer func() { c.turn <- struct{}{} }()
	t.settle(r.Context(), b, c)
	hold := time.NewTimer(t.p.o.Hold)
	defer hold.Stop()
	for {
		changed := b.desk.queue.Changed()
		if next, end := c.reader.Peek(1); len(next) > 0 {
			t.give(w, r, c, given{item: next[0], end: end})
			return
		}
		if t.isFenced(b) {
			t.p.elsewhere(w)
			return
		}
		if t.isOver(b, c.who) {
			t.p.say(w, codeNotSignedIn)
			return
		}
		select {
		case <-changed:
			continue
		case <-r.Context().Done():
			return
		case <-newer:
		case <-hold.C:
		case <-t.intake.Done(): // the client asks the next bridge
		}
		t.p.answer(w, "idle", idle)
		return
	}
}

// enter notes a poll and makes an earlier one of the client end. No client: the badge does not
// count any more.
func (t *term) enter(b *badge, who string) (c *client, newer <-chan struct{}, leave func()) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.badges[b.guid] != b {
		return nil, nil, nil
	}
	c = t.reader(b, who)
	close(c.newer)
	c.newer = make(chan struct{})
	c.heard, c.fetched, c.shed = time.Now(), time.Now(), false
	c.inside++
	return c, c.newer, func() {
		t.mu.Lock()
		defer t.mu.Unlock()
		c.inside--
		c.heard, c.fetched = time.Now(), time.Now()
	}
}

// settle finds out whether the event of the last answer arrived, and confirms it then.
func (t *term) settle(ctx context.Context, b *badge, c *client) {
	last := c.given
	if last == nil {
		return
	}
	c.given = nil
	now := wire.Of(ctx)
	if !last.sent || last.conn != nil && last.conn != now && !last.conn.Arrived(ctx) {
		t.p.counts.answers.WithLabelValues(t.p.o.Record.Tenant, "again").Inc()
		t.p.log.Debug().Str("agent", b.desk.agent).Msg("an answer did not arrive; its event is given again")
		return
	}
	t.confirm(b, c, last.item, last.end)
}

// confirm notes that a client has all events before a number, the last of which is given.
func (t *term) confirm(b *badge, c *client, last queue.Item, end uint64) {
	c.reader.Confirm(end)
	t.mu.Lock()
	defer t.mu.Unlock()
	c.confirmed, c.came, b.desk.changed = last.At, last.Came, true
	c.fetched, c.shed = time.Now(), false
}

// give answers with an event.
func (t *term) give(w http.ResponseWriter, r *http.Request, c *client, next given) {
	next.conn = wire.Of(r.Context())
	c.given = &next
	if r.Context().Err() != nil {
		return
	}
	err := t.p.answer(w, "event", `{"message":"","retcode":"0","event":`+string(next.item.Raw)+`}`)
	c.given.sent = err == nil && r.Context().Err() == nil
}

// isFenced reports that somebody else has the agent, and clients are to ask there.
func (t *term) isFenced(b *badge) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	return b.desk.isElsewhere()
}

// isOver reports that the agent has no session. Who was told so is forgotten.
func (t *term) isOver(b *badge, who string) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	if over := b.desk.over || t.badges[b.guid] != b; !over {
		return false
	}
	if i := slices.IndexFunc(b.clients, func(c *client) bool { return c.who == who }); len(b.clients) > 1 && i >= 0 {
		t.forget(b, b.clients[i])
	} else if len(b.clients) <= 1 {
		t.drop(b)
	}
	return true
}
