package main

import (
	"context"
	"errors"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"aiccbridge/bus/lease"
	"aiccbridge/poller/partition"
	"aiccbridge/poller/session"
)

// TestSomeAgents: what is wrong with some agents is said, and left to the gateway's alarm
// when it is wrong with all.
func TestSomeAgents(t *testing.T) {
	wrong, slow := errors.New("wrong password"), errors.New("signed in elsewhere")
	for name, c := range map[string]struct {
		s    session.Standing
		want []string
	}{
		"nobody":             {session.Standing{}, nil},
		"all are polled":     {session.Standing{Tried: 3}, nil},
		"one of them fails":  {session.Standing{Tried: 3, Failing: 1, Cause: slow}, []string{"1 of 3", "signed in elsewhere"}},
		"all of them fail":   {session.Standing{Tried: 3, Failing: 3, Cause: slow}, nil},
		"the only is halted": {session.Standing{Halted: 1, Why: wrong}, []string{"not tried again: 1", "wrong password", "restart the bridge"}},
		"both":               {session.Standing{Halted: 2, Why: wrong, Tried: 3, Failing: 2, Cause: slow}, []string{"not tried again: 2", "2 of 3"}},
	} {
		err := someAgents(c.s)
		if (err != nil) != (len(c.want) > 0) {
			t.Errorf("%s: %v", name, err)
		}
		for _, text := range c.want {
			if !strings.Contains(err.Error(), text) {
				t.Errorf("%s: %v, want %q", name, err, text)
			}
		}
	}
}

// TestProxyWaits: the lease of a tenant whose agents sign in through the bridge is watched as well.
func TestProxyWaits(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		one := &tenant{}
		if all := one.waiting(); len(all) != 0 {
			t.Errorf("at first: %v", all)
		}
		one.sole = partition.NewSole(partition.SoleOptions{
			Tenant: "acme", Name: proxyPartition, Lost: lease.ErrLost, Floor: func(context.Context) uint64 { return 0 },
			Acquire: func(ctx context.Context, _ uint64) (uint64, partition.Lease, error) {
				<-ctx.Done()
				return 0, nil, ctx.Err()
			},
		})
		ctx, stop := context.WithCancel(t.Context())
		done := make(chan error, 1)
		go func() { done <- one.sole.Run(ctx, ctx, nil) }()
		begun := time.Now()
		synctest.Wait()
		if all := one.waiting(); !all[proxyPartition].Equal(begun) {
			t.Errorf("while it waits: %v", all)
		}
		stop()
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
}
