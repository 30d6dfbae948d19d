package bus

import (
	"context"
	"sync"
)

// progress knows up to which sequence everything has arrived. Messages begin in
// order and end in any.
type progress struct {
	trimming sync.Mutex // one at a time

	mu     sync.Mutex
	moved  *sync.Cond
	going  []uint64            // began, in order; none of them is below the first that has not ended
	ended  map[uint64]struct{} // of these
	behind uint64              // everything up to here has arrived
}

func newProgress() *progress {
	p := &progress{ended: make(map[uint64]struct{})}
	p.moved = sync.NewCond(&p.mu)
	return p
}

func (p *progress) start(behind uint64) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.behind = behind
}

func (p *progress) begin(seq uint64) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.going = append(p.going, seq)
}

func (p *progress) done(seq uint64) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.ended[seq] = struct{}{}
	for len(p.going) > 0 {
		first := p.going[0]
		if _, ok := p.ended[first]; !ok {
			break
		}
		delete(p.ended, first)
		p.going, p.behind = p.going[1:], first
	}
	p.moved.Broadcast()
}

func (p *progress) arrived() uint64 {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.behind
}

// wait returns nil when everything up to seq has arrived.
func (p *progress) wait(ctx context.Context, seq uint64) error {
	defer context.AfterFunc(ctx, func() {
		p.mu.Lock()
		defer p.mu.Unlock()
		p.moved.Broadcast()
	})()
	p.mu.Lock()
	defer p.mu.Unlock()
	for p.behind < seq && ctx.Err() == nil {
		p.moved.Wait()
	}
	if p.behind >= seq {
		return nil
	}
	return ctx.Err()
}
