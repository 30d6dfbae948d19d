package spool

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"

	"aiccbridge/bus/internal/bustest"
	"aiccbridge/schemas"
)

func TestProgress(t *testing.T) {
	t.Parallel()
	p := newProgress()
	p.start(4)
	for _, seq := range []uint64{5, 6, 9} {
		p.begin(seq)
	}
	for _, step := range []struct{ done, want uint64 }{{9, 4}, {5, 5}, {6, 9}} {
		p.done(step.done)
		if got := p.arrived(); got != step.want {
			t.Errorf("after %d: %d, want %d", step.done, got, step.want)
		}
	}
	if err := p.wait(t.Context(), 9); err != nil {
		t.Error(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := p.wait(ctx, 10); !errors.Is(err, context.Canceled) {
		t.Errorf("error %v", err)
	}
}

func TestLanes(t *testing.T) {
	t.Parallel()
	l := newLanes()
	var mu sync.Mutex
	got := map[string][]uint64{}
	held := make(chan struct{})
	for i := range uint64(300) {
		key := fmt.Sprint(i % 3)
		err := l.add(t.Context(), key, schemas.Stored{Sequence: i}, func(m schemas.Stored) {
			if key == "0" {
				<-held
			}
			mu.Lock()
			defer mu.Unlock()
			got[key] = append(got[key], m.Sequence)
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	bustest.Await(t, func() bool { mu.Lock(); defer mu.Unlock(); return len(got["1"]) == 100 && len(got["2"]) == 100 })
	ctx, cancel := context.WithCancel(t.Context())
	full := schemas.Stored{Body: make([]byte, windowBytes)}
	go cancel()
	if err := l.add(ctx, "1", full, func(schemas.Stored) {}); err == nil {
		t.Error("the window has no limit")
	}
	close(held)
	l.wait()
	for key, list := range got {
		for i := 1; i < len(list); i++ {
			if list[i] < list[i-1] {
				t.Errorf("lane %s: %d after %d", key, list[i], list[i-1])
			}
		}
	}
	if len(l.queues) != 0 {
		t.Errorf("%d lanes left", len(l.queues))
	}
}
