package health

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
)

func TestGate(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := NewGate()
		ctx, stop := context.WithCancel(t.Context())
		runs, running := 0, false
		done := make(chan error, 1)
		go func() {
			done <- g.While(ctx, func(ctx context.Context) error {
				runs++
				running = true
				<-ctx.Done()
				running = false
				return nil
			})
		}()
		expect := func(wantRuns int, wantRunning bool) {
			t.Helper()
			synctest.Wait()
			if runs != wantRuns || running != wantRunning {
				t.Errorf("ran %d times, running %t; want %d, %t", runs, running, wantRuns, wantRunning)
			}
		}
		expect(1, true)
		g.Set(true) // again: nothing
		expect(1, true)
		g.Set(false)
		expect(1, false)
		g.Set(true)
		expect(2, true)
		g.Set(false)
		g.Set(true)
		expect(3, true)
		stop()
		if err := <-done; err != nil || running {
			t.Errorf("ended with %v", err)
		}
	})
}

func TestGateEnds(t *testing.T) {
	g := NewGate()
	failure := errors.New("failed")
	if err := g.While(t.Context(), func(context.Context) error { return failure }); !errors.Is(err, failure) {
		t.Errorf("the error is %v", err)
	}
	if err := g.While(t.Context(), func(context.Context) error { return nil }); err != nil {
		t.Error(err)
	}
	g.Set(false)
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	if err := g.While(ended, func(context.Context) error { return failure }); err != nil {
		t.Errorf("ran behind a shut gate: %v", err)
	}
}
