package bus

import (
	"context"
	"sync"
	"time"

	"github.com/nats-io/nats.go"
)

// watchEvery is how often the spool is trimmed and looked at.
const watchEvery = time.Second

// watch trims, measures and logs, once a second.
func (s *Spool) watch(ctx context.Context) error {
	tick := time.NewTicker(s.opts.watchEvery)
	defer tick.Stop()
	trouble := s.local.trouble("spool")
	for {
		select {
		case <-ctx.Done():
			return nil // each forwarder trims once more when its lanes are empty
		case <-tick.C:
		}
		err := s.trim(ctx)
		if err == nil {
			err = s.refresh(ctx)
		}
		if err != nil && ctx.Err() == nil {
			trouble.failed(err)
			continue
		}
		trouble.over()
		s.outage.tick(s.State().Messages, s.hub.Connected() == nil)
	}
}

func (s *Spool) trim(ctx context.Context) error {
	for _, l := range s.lines {
		if err := l.trim(ctx); err != nil {
			return err
		}
	}
	return nil
}

// refresh asks the local server how much waits.
func (s *Spool) refresh(ctx context.Context) error {
	var state SpoolState
	fullest := -1.0
	for _, l := range s.lines {
		info, err := s.local.streamInfo(ctx, l.stream)
		if err != nil {
			return err
		}
		have := info.State
		state.Messages += have.Msgs
		if full := float64(have.Bytes) / float64(info.Config.MaxBytes); full > fullest {
			fullest = full
			state.Bytes, state.MaxBytes = int64(have.Bytes), info.Config.MaxBytes
		}
		oldest := time.Time{}
		if have.Msgs > 0 {
			oldest = have.FirstTime
		}
		if !oldest.IsZero() && (state.Oldest.IsZero() || oldest.Before(state.Oldest)) {
			state.Oldest = oldest
		}
		s.metrics.observe(l.stream, have.Msgs, have.Bytes, oldest)
	}
	s.state.Store(&state)
	return nil
}

// bell wakes everybody who waits.
type bell struct {
	mu sync.Mutex
	ch chan struct{}
}

// rung is closed at the next ring.
func (b *bell) rung() <-chan struct{} {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.ch == nil {
		b.ch = make(chan struct{})
	}
	return b.ch
}

func (b *bell) ring() {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.ch != nil {
		close(b.ch)
		b.ch = nil
	}
}

// follow rings whenever the connection comes back, so that nobody sits out his
// pause then.
func (b *bell) follow(ctx context.Context, nc *nats.Conn) error {
	changes := nc.StatusChanged(nats.CONNECTED)
	defer nc.RemoveStatusListener(changes)
	for {
		select {
		case <-ctx.Done():
			return nil
		case _, ok := <-changes:
			if !ok {
				return nats.ErrConnectionClosed
			}
			b.ring()
		}
	}
}

// pause waits for d, for the hub to come back, or for ctx to end.
func (b *bell) pause(ctx context.Context, d time.Duration) {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ctx.Done():
	case <-timer.C:
	case <-b.rung():
	}
}
