package proxy

import (
	"context"
	"encoding/json"
	"time"

	"aiccbridge/internal/retry"
	"aiccbridge/poller/proxy/post"
)

const (
	pushAgain     = 10 * time.Second  // EVENT_PUSH_FAIL_INTERVALTIME
	pushGivesUp   = 120 * time.Second // EVENT_PUSH_FAIL_TOTALTIME
	pushSoon      = time.Second       // between the first tries in the old dialect, which has no rule
	pushSoonTries = 3
)

// startPushes pushes to a client that wants it until its badge is taken away. The caller has the
// mutex, and what the client has already is confirmed.
func (t *term) startPushes(b *badge) {
	if b.way == nil {
		return
	}
	ctx, stop := context.WithCancel(t.intake)
	b.stop = stop
	for _, c := range b.clients { // there is one
		t.running.Go(func() { t.push(ctx, b, c) })
	}
}

// push pushes what comes, one push after the other, each until the client has taken it.
func (t *term) push(ctx context.Context, b *badge, c *client) {
	var failing time.Time
	for tries := 0; ctx.Err() == nil; {
		changed := b.desk.queue.Changed()
		items, end := c.reader.Peek(t.wayOf(b).Most())
		if len(items) == 0 {
			select {
			case <-changed:
			case <-ctx.Done():
			}
			continue
		}
		events := make([]json.RawMessage, len(items))
		for i := range items {
			events[i] = items[i].Raw
		}
		// A push that has begun is finished: its client may have taken it over.
		err := t.p.o.Poster.Post(t.work, t.wayOf(b), b.guid, b.desk.agent, events)
		if err == nil {
			t.p.counts.answers.WithLabelValues(t.p.o.Record.Tenant, "pushed").Add(float64(len(items)))
			t.confirm(b, c, items[len(items)-1], end)
			t.hear(b, c.who)
			tries, failing = 0, time.Time{}
			continue
		}
		if tries++; tries == 1 {
			failing = time.Now()
			t.p.log.Warn().Err(err).Str("agent", b.desk.agent).Msg("client does not take a push; it is repeated")
		}
		t.p.counts.answers.WithLabelValues(t.p.o.Record.Tenant, "push_failed").Inc()
		if !b.way.Old && time.Since(failing) >= pushGivesUp {
			t.silence(c)
		}
		pause := pushAgain
		if b.way.Old && tries < pushSoonTries {
			pause = pushSoon
		}
		_ = retry.Wait(ctx, pause) // the loop sees the end
	}
}

// silence makes a client count as one that has gone.
func (t *term) silence(c *client) {
	t.mu.Lock()
	defer t.mu.Unlock()
	c.heard = time.Time{}
}

// wayOf is how a badge's client wants its events now.
func (t *term) wayOf(b *badge) post.Way {
	t.mu.Lock()
	defer t.mu.Unlock()
	return *b.way
}

// renewToken takes a new token for pushes, which a heartbeat may bring.
func (t *term) renewToken(b *badge, token string) {
	if b.way == nil || b.way.Old || !post.Token(token) {
		return
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	if b.way.Token != token {
		renewed := *b.way
		renewed.Token = token
		b.way, b.desk.changed = &renewed, true
	}
}
