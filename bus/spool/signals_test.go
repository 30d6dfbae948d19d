package spool

import (
	"context"
	"testing"
	"testing/synctest"
)

func TestValve(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var v valve
		ctx, stop := context.WithCancel(t.Context())
		passed := make(chan error)
		go func() {
			for {
				err := v.wait(ctx)
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
		v.set(true)
		if !through() {
			t.Error("an open valve holds")
		}
		v.set(false)
		v.set(false)
		through() // the one that was under way
		if through() {
			t.Error("a closed valve lets through")
		}
		v.set(true)
		if !through() {
			t.Error("it does not open")
		}
		v.set(false)
		through()
		stop()
		if err := <-passed; err == nil {
			t.Error("it does not end with its context")
		}
	})
}
