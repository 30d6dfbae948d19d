package main

import (
	"context"
	"sync"
)

// gate lets something go on only while it is open.
type gate struct {
	mu   sync.Mutex
	open context.Context // ends when the gate shuts; nil: it is shut
	shut context.CancelFunc
	wait chan struct{} // closed when it opens
}

// newGate returns an open gate.
func newGate() *gate {
	g := &gate{wait: make(chan struct{})}
	g.set(true)
	return g
}

func (g *gate) set(open bool) {
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

func (g *gate) state() (open context.Context, wait <-chan struct{}) {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.open, g.wait
}

// while runs f whenever the gate is open, with a context that ends when it
// shuts, until ctx ends. An error of f is returned at once.
func (g *gate) while(ctx context.Context, f func(context.Context) error) error {
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
