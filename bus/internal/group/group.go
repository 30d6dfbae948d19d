// Package group lets messages that come together share one commit.
//
// A server that syncs each message before it answers takes a few thousand in a second. A
// batch is synced as a whole, and costs as much as a dozen messages. So a [Gate] lets a
// message go on its own while few are on their way, at once; what comes while many are
// waits, and is committed together as soon as it is enough to pay:
//
//	Do ─► fewer than MaxAlone on their way? ──yes──► alone
//	        │ no, or a batch is on its way             │ its end lets the next one go
//	        ▼                                          ▼
//	      waits ─► at least Least wait, no batch ─► one of them commits all, the others
//	                                                wait for what becomes of it
//
// Invariants:
//
//   - No [Gate.Do] returns nil before what its message was sent with, alone or in a batch,
//     has succeeded.
//   - A message is sent once: alone, or in one batch; or not at all, after the end of its
//     context.
//   - Nobody waits for messages that may never come: a message waits only while others are
//     on their way.
//   - There is no goroutine: whoever waits longest commits for all.
//
// It imports nothing of ours.
package group

import (
	"context"
	"slices"
	"sync"
	"time"
)

const (
	// MaxAlone is how many go on their own at a time.
	MaxAlone = 16
	// Least is the smallest batch: below it, messages on their own are cheaper.
	Least = 16
	// Most is the largest batch.
	Most = 256
)

// Gate is where messages to one place meet. It is safe for concurrent use.
type Gate[M any] struct {
	commit func(ctx context.Context, batch []M) error

	mu         sync.Mutex
	shut       time.Time // until then all go alone
	alone      int       // on their way
	committing bool
	waiting    []*waiter[M] // who waits longest is first
}

// waiter is a message that waits for its turn.
type waiter[M any] struct {
	message M
	turn    chan turn[M] // gets one
	taken   bool         // no longer in waiting
	led     bool         // another one commits it
}

// turn says what a waiter is to do.
type turn[M any] struct {
	batch []*waiter[M] // commit these; it is the first of them
	over  bool         // nothing: it was committed, or not
	err   error        // why not
}

// New returns a gate whose batches commit stores, all or none; an error is that of each
// message. Its context does not end with the caller's.
func New[M any](commit func(ctx context.Context, batch []M) error) *Gate[M] {
	return &Gate[M]{commit: commit}
}

// Shut lets each message go alone for a while, however many come.
func (g *Gate[M]) Shut(d time.Duration) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.shut = time.Now().Add(d)
}

// Do returns what became of m: of alone, or of its batch. When ctx ends first, m may be on
// its way in somebody's batch; otherwise it is not sent.
func (g *Gate[M]) Do(ctx context.Context, m M, alone func() error) error {
	w := g.enter(m)
	select {
	case t := <-w.turn:
		return g.take(ctx, t, alone)
	case <-ctx.Done():
	}
	if g.withdraw(w) {
		return ctx.Err()
	}
	return g.take(ctx, <-w.turn, func() error { return ctx.Err() })
}

// enter joins those who wait, if only until it has the lock.
func (g *Gate[M]) enter(m M) *waiter[M] {
	w := &waiter[M]{message: m, turn: make(chan turn[M], 1)}
	g.mu.Lock()
	defer g.mu.Unlock()
	if time.Now().Before(g.shut) {
		w.taken = true
		g.alone++
		w.turn <- turn[M]{}
		return w
	}
	g.waiting = append(g.waiting, w)
	g.next()
	return w
}

// withdraw reports that nobody will tell w anything that it has to act on.
func (g *Gate[M]) withdraw(w *waiter[M]) bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	if !w.taken {
		g.waiting = slices.DeleteFunc(g.waiting, func(other *waiter[M]) bool { return other == w })
		return true
	}
	return w.led
}

// take does what a turn says.
func (g *Gate[M]) take(ctx context.Context, t turn[M], alone func() error) error {
	switch {
	case t.over:
		return t.err
	case t.batch == nil:
		defer g.leave(func() { g.alone-- })
		return alone()
	}
	batch := make([]M, len(t.batch))
	for i, w := range t.batch {
		batch[i] = w.message
	}
	err := g.commit(context.WithoutCancel(ctx), batch)
	g.leave(func() { g.committing = false })
	for _, w := range t.batch[1:] {
		w.turn <- turn[M]{over: true, err: err}
	}
	return err
}

func (g *Gate[M]) leave(gone func()) {
	g.mu.Lock()
	defer g.mu.Unlock()
	gone()
	g.next()
}

// next gives turns to those who wait, as long as there are any. While a batch is on its way,
// all that comes is for the next one.
func (g *Gate[M]) next() {
	switch n := min(len(g.waiting), Most); {
	case g.committing:
	case n >= Least:
		g.committing = true
		batch := slices.Clone(g.waiting[:n])
		for i, w := range batch {
			w.taken, w.led = true, i > 0
		}
		g.waiting = slices.Delete(g.waiting, 0, n)
		batch[0].turn <- turn[M]{batch: batch}
	default:
		n = min(n, max(0, MaxAlone-g.alone))
		for _, w := range g.waiting[:n] {
			w.taken = true
			g.alone++
			w.turn <- turn[M]{}
		}
		g.waiting = slices.Delete(g.waiting, 0, n)
	}
}
