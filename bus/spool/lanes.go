package spool

import (
	"context"
	"sync"

	"golang.org/x/sync/semaphore"

	"aiccbridge/schemas"
)

const (
	// windowBytes limits what the lanes of one forwarder hold together.
	windowBytes = 16 << 20
	// leastBytes is what a message counts at least, so that there are never more
	// than 1,024 of them, nor of lanes.
	leastBytes = windowBytes / 1024
)

// lanes keep the order within each lane, the messages of one key, and let the lanes
// overtake one another. A lane is a goroutine; it lives while its key has messages.
type lanes struct {
	window *semaphore.Weighted
	group  sync.WaitGroup

	mu     sync.Mutex
	queues map[string][]schemas.Stored // a key without messages: its lane is at the last one
}

func newLanes() *lanes {
	return &lanes{window: semaphore.NewWeighted(windowBytes), queues: make(map[string][]schemas.Stored)}
}

// add hands a message to the lane of its key, which calls do, and blocks
// while the window is full. An error means that ctx has ended.
func (l *lanes) add(ctx context.Context, key string, m schemas.Stored, do func(schemas.Stored)) error {
	if err := l.window.Acquire(ctx, weight(m)); err != nil {
		return err
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	queue, runs := l.queues[key]
	l.queues[key] = append(queue, m)
	if !runs {
		l.group.Go(func() { l.drain(key, do) })
	}
	return nil
}

func (l *lanes) drain(key string, do func(schemas.Stored)) {
	for {
		m, ok := l.next(key)
		if !ok {
			return
		}
		do(m)
		l.window.Release(weight(m))
	}
}

func (l *lanes) next(key string) (m schemas.Stored, ok bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	queue := l.queues[key]
	if len(queue) == 0 {
		delete(l.queues, key)
		return m, false
	}
	m, queue[0] = queue[0], schemas.Stored{} // the array lives on, the bytes need not
	l.queues[key] = queue[1:]
	return m, true
}

// wait returns when every lane is empty. Call it after the last add.
func (l *lanes) wait() { l.group.Wait() }

func weight(m schemas.Stored) int64 { return min(max(int64(len(m.Body)), leastBytes), windowBytes) }

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
