package handover

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// bucket is a bucket in memory that can be watched.
type bucket struct {
	mu       sync.Mutex
	values   map[string]string
	revs     map[string]uint64
	revision uint64
	changed  chan struct{}
}

func newBucket() *bucket {
	return &bucket{values: map[string]string{}, revs: map[string]uint64{}, changed: make(chan struct{})}
}

func (b *bucket) Get(_ context.Context, key string) ([]byte, uint64, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if value, ok := b.values[key]; ok {
		return []byte(value), b.revs[key], nil
	}
	return nil, 0, nil
}

func (b *bucket) Swap(_ context.Context, key string, value []byte, revision uint64) (uint64, bool, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if _, there := b.values[key]; there && b.revs[key] != revision || !there && revision != 0 {
		return 0, false, nil
	}
	return b.set(key, string(value)), true, nil
}

// put writes as another system does; "" removes.
func (b *bucket) put(key, value string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.set(key, value)
}

func (b *bucket) set(key, value string) uint64 {
	b.revision++
	b.values[key], b.revs[key] = value, b.revision
	if value == "" {
		delete(b.values, key)
	}
	close(b.changed)
	b.changed = make(chan struct{})
	return b.revision
}

// Watch tells the newest of each key.
func (b *bucket) Watch(ctx context.Context, _ string, f func(key string, value []byte, revision uint64), loaded func()) error {
	told := map[string]uint64{}
	for {
		b.mu.Lock()
		next, news := b.changed, map[string][]byte{}
		for key, rev := range b.revs {
			if told[key] < rev {
				told[key], news[key] = rev, nil
				if value, there := b.values[key]; there {
					news[key] = []byte(value)
				}
			}
		}
		b.mu.Unlock()
		for key, value := range news {
			f(key, value, told[key])
		}
		if loaded != nil {
			loaded()
			loaded = nil
		}
		select {
		case <-next:
		case <-ctx.Done():
			return nil
		}
	}
}

// sealer shows what it seals, for one context.
type sealer struct{}

func (sealer) Seal(plain []byte, context string) (string, error) {
	return fmt.Sprintf("%s|%x", context, plain), nil
}

func (sealer) Open(sealed, context string) (plain []byte, err error) {
	if n, _ := fmt.Sscanf(sealed, context+"|%x", &plain); n == 0 {
		return nil, errors.New("not sealed here")
	}
	return plain, nil
}
