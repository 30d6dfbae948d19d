package bus

import (
	"context"
	"sync"
)

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
