// Package signal tells the spool's goroutines when to go on: the [Bell] when the hub is
// back, the [Valve] when it may be trusted with messages.
//
// Invariants: a bell that rings while nobody waits is not remembered; a closed valve holds
// whoever comes, and whoever has passed goes on.
//
// It may import bus/internal/wire.
package signal

import (
	"context"
	"sync"
	"time"

	"github.com/cenkalti/backoff/v4"

	"aiccbridge/bus/internal/wire"
)

// Bell ends the pauses of everybody who waits for the hub. The zero value is ready.
type Bell struct {
	mu      sync.Mutex
	waiting map[*pauseTimer]struct{}
}

// Ring begins the next try of everybody who waits now; who does not wait hears nothing.
func (b *Bell) Ring() {
	b.mu.Lock()
	defer b.mu.Unlock()
	for t := range b.waiting {
		t.fire()
	}
}

// Retry repeats op until it returns nil, or ctx ends: with growing pauses, which the
// bell cuts short. Once ctx has ended it does not begin: what waits in a lane stays.
func (b *Bell) Retry(ctx context.Context, op func() error) error {
	t := &pauseTimer{bell: b, c: make(chan time.Time, 1)}
	try := func() error {
		if err := ctx.Err(); err != nil {
			return backoff.Permanent(err)
		}
		return op()
	}
	err := backoff.RetryNotifyWithTimer(try, backoff.WithContext(wire.NewBackOff(), ctx), nil, t)
	if err != nil && ctx.Err() != nil {
		return ctx.Err()
	}
	return err
}

// pauseTimer is the clock of one retry.
type pauseTimer struct {
	bell  *Bell
	timer *time.Timer
	c     chan time.Time
}

// Start begins a pause.
func (t *pauseTimer) Start(d time.Duration) {
	t.bell.mu.Lock()
	defer t.bell.mu.Unlock()
	if t.timer != nil { // the bell was faster
		t.timer.Stop()
	}
	select {
	case <-t.c: // what rang while nobody waited
	default:
	}
	if t.bell.waiting == nil {
		t.bell.waiting = make(map[*pauseTimer]struct{})
	}
	t.bell.waiting[t] = struct{}{}
	t.timer = time.AfterFunc(d, t.fire)
}

func (t *pauseTimer) fire() {
	select {
	case t.c <- time.Now():
	default:
	}
}

// C ends the pause.
func (t *pauseTimer) C() <-chan time.Time { return t.c }

// Stop ends the last pause.
func (t *pauseTimer) Stop() {
	t.bell.mu.Lock()
	defer t.bell.mu.Unlock()
	delete(t.bell.waiting, t)
	if t.timer != nil {
		t.timer.Stop()
	}
}

// Valve lets something through while it is open. The zero value is open.
type Valve struct {
	mu     sync.Mutex
	closed chan struct{} // nil: open; ended when it opens
}

// Set opens or shuts the valve; as it is already, nothing happens.
func (v *Valve) Set(open bool) {
	v.mu.Lock()
	defer v.mu.Unlock()
	switch {
	case open == (v.closed == nil):
	case open:
		close(v.closed)
		v.closed = nil
	default:
		v.closed = make(chan struct{})
	}
}

// Wait blocks while the valve is closed. The error is ctx's.
func (v *Valve) Wait(ctx context.Context) error {
	v.mu.Lock()
	closed := v.closed
	v.mu.Unlock()
	if closed != nil {
		select {
		case <-closed:
		case <-ctx.Done():
		}
	}
	return ctx.Err()
}
