package bus

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

// lanes keep the order within each partition and let the partitions overtake one
// another. A lane is a goroutine; it lives while its partition has messages.
type lanes struct {
	window *semaphore.Weighted
	group  sync.WaitGroup

	mu     sync.Mutex
	queues map[string][]schemas.Stored // a key without messages: its lane is at the last one
}

func newLanes() *lanes {
	return &lanes{window: semaphore.NewWeighted(windowBytes), queues: make(map[string][]schemas.Stored)}
}

// add hands a message to the lane of its partition, which calls do, and blocks
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
