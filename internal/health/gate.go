package health

import (
	"context"
	"sync"
)

// Gate lets something go on only while it is open.
type Gate struct {
	mu   sync.Mutex
	open context.Context // ends when the gate shuts; nil: it is shut
	shut context.CancelFunc
	wait chan struct{} // closed when it opens
}

// NewGate returns an open gate.
func NewGate() *Gate {
	g := &Gate{wait: make(chan struct{})}
	g.Set(true)
	return g
}

// Set opens or shuts the gate; as it is already, nothing happens.
func (g *Gate) Set(open bool) {
	g.mu.Lock()
	defer g.mu.Unlock()
	switch {
	case open == (g.open != nil):
	case open:
		g.open, g.shut = context.WithCancel(context.Background())
		close(g.wait)
	default:
		g.shut()
		g.open, g.wait = nil, make(chan struct{})
	}
}

func (g *Gate) state() (open context.Context, wait <-chan struct{}) {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.open, g.wait
}

// While runs f whenever the gate is open, with a context that ends when it
// shuts, until ctx ends. An error of f is returned at once.
func (g *Gate) While(ctx context.Context, f func(context.Context) error) error {
	for ctx.Err() == nil {
		open, wait := g.state()
		if open == nil {
			select {
			case <-ctx.Done():
			case <-wait:
			}
			continue
		}
		running, stop := context.WithCancel(ctx)
		shut := context.AfterFunc(open, stop)
		err := f(running)
		shut()
		stop()
		if err != nil {
			return err
		}
		if open.Err() == nil { // f ended by itself: nothing is left to do
			return nil
		}
	}
	return nil
}
