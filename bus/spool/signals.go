package spool

import (
	"context"
	"sync"
	"time"

	"github.com/cenkalti/backoff/v4"

	"aiccbridge/bus/internal/wire"
)

// bell ends the pauses of everybody who waits for the hub.
type bell struct {
	mu      sync.Mutex
	waiting map[*pauseTimer]struct{}
}

func (b *bell) ring() {
	b.mu.Lock()
	defer b.mu.Unlock()
	for t := range b.waiting {
		t.fire()
	}
}

// retry repeats op until it returns nil, or ctx ends: with growing pauses, which the
// bell cuts short. Once ctx has ended it does not begin: what waits in a lane stays.
func (b *bell) retry(ctx context.Context, op func() error) error {
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
	bell  *bell
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

// valve lets something through while it is open. The zero value is open.
type valve struct {
	mu     sync.Mutex
	closed chan struct{} // nil: open; ended when it opens
}

func (v *valve) set(open bool) {
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

// wait blocks while the valve is closed. The error is ctx's.
func (v *valve) wait(ctx context.Context) error {
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
