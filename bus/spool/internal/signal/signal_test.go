package signal

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"
)

func TestValve(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var v Valve
		ctx, stop := context.WithCancel(t.Context())
		passed := make(chan error)
		go func() {
			for {
				err := v.Wait(ctx)
				passed <- err
				if err != nil {
					return
				}
			}
		}()
		through := func() bool {
			synctest.Wait()
			select {
			case <-passed:
				return true
			default:
				return false
			}
		}
		v.Set(true)
		if !through() {
			t.Error("an open valve holds")
		}
		v.Set(false)
		v.Set(false)
		through() // the one that was under way
		if through() {
			t.Error("a closed valve lets through")
		}
		v.Set(true)
		if !through() {
			t.Error("it does not open")
		}
		v.Set(false)
		through()
		stop()
		if err := <-passed; err == nil {
			t.Error("it does not end with its context")
		}
	})
}

// A bell ends a pause, and only one that is: what rings while nobody waits is not
// remembered.
func TestBell(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var b Bell
		again := errors.New("away")
		tries := make(chan time.Time, 1000)
		ctx, stop := context.WithCancel(t.Context())
		ended := make(chan error, 1)
		begin := time.Now()
		go func() {
			ended <- b.Retry(ctx, func() error {
				tries <- time.Now()
				b.Ring() // during a try
				return again
			})
		}()
		time.Sleep(time.Minute) // the pauses have grown
		synctest.Wait()
		if n := len(tries); n < 12 || n > 60 {
			t.Errorf("%d tries in a minute", n)
		}
		for range 3 {
			for len(tries) > 0 {
				<-tries
			}
			time.Sleep(time.Millisecond)
			now := time.Now()
			b.Ring()
			synctest.Wait()
			if n := len(tries); n != 1 || !(<-tries).Equal(now) {
				t.Errorf("%d tries when it rings, %s after the start", n, now.Sub(begin))
			}
		}
		stop()
		if err := <-ended; !errors.Is(err, context.Canceled) {
			t.Errorf("error %v", err)
		}
		if len(b.waiting) != 0 {
			t.Errorf("%d still wait", len(b.waiting))
		}
		err := b.Retry(ctx, func() error { t.Error("tried although the context had ended"); return nil })
		if !errors.Is(err, context.Canceled) {
			t.Errorf("error %v", err)
		}
	})
}
