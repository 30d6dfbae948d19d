package spool

import (
	"context"
	"fmt"
	"sync"
	"testing"
	"time"

	"aiccbridge/bus/internal/bustest"
	"aiccbridge/bus/internal/hubtest"
	"aiccbridge/bus/kv"
	"aiccbridge/schemas"
)

// The hub goes and comes in every way, again and again, under events, dead
// letters and notices whose taker needs the hub too. Nothing gets stuck.
func TestSpoolOverManyShortOutages(t *testing.T) {
	t.Parallel()
	const agents, outages, perOutage = 8, 20, 3
	proxy, hub, direct := hubtest.Proxied(t, hubtest.Quick(500*time.Millisecond))
	ledger := kv.Open(hub, schemas.BucketWindows)
	var mu sync.Mutex
	taken := map[string]bool{}
	s := spoolOn(t, bustest.Server(t), hub, func(o *Options) {
		o.Notice = func(ctx context.Context, n schemas.FileNotice) error {
			_, err := ledger.Put(ctx, n.ResponseID, []byte("1"))
			if err == nil {
				mu.Lock()
				defer mu.Unlock()
				taken[n.ResponseID] = true
			}
			return err
		}
	})
	runs(t, s)
	for i := range outages {
		switch i % 4 {
		case 0:
			proxy.Away(true)
			bustest.Await(t, func() bool { return hub.Connected() != nil })
		case 1:
			proxy.Cut()
		case 2:
			proxy.Swallow(2, `{"stream":"AICC_EVENTS"`)
		case 3:
			proxy.HalfClose()
		}
		for n := range perOutage {
			for agent := range agents {
				publish(t, s, bustest.AgentEvent(agent, i*perOutage+n, false))
			}
		}
		publish(t, s, bustest.Message("aicc.v1.acme.deadletter.invalid_message", fmt.Sprint(i), true))
		if err := s.Accept(t.Context(), bustest.Notice("acme", i)); err != nil {
			t.Fatal(err)
		}
		proxy.Away(false)
		if i%5 == 4 {
			flush(t, s)
		}
	}
	flush(t, s)
	bustest.Await(t, func() bool { return s.State().Messages == 0 })
	if got := statsAt(t, direct, agents, outages*perOutage); got != (stats{}) {
		t.Errorf("%+v", got)
	}
	if letters := hubtest.All(t, direct, schemas.StreamDeadLetters); len(letters) != outages || len(taken) != outages {
		t.Errorf("%d dead letters, %d notices, want %d", len(letters), len(taken), outages)
	}
}
