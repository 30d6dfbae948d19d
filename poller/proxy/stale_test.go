package proxy_test

import (
	"context"
	"net/http"
	"sync"
	"testing"

	"aiccbridge/bus/kv"
	"aiccbridge/internal/conform"
	"aiccbridge/poller/partition"
	"aiccbridge/poller/proxy/kept"
	"aiccbridge/schemas"
)

// TestProxyStale: a bridge that has lost the lease and does not know it yet writes nothing over what
// the next owner keeps of clients, and serves nobody once it sees that.
func TestProxyStale(t *testing.T) {
	t.Parallel()
	s := newScene(t, still(1))
	s.learn()
	had := false
	s.acquire = func(ctx context.Context, above uint64) (uint64, partition.Lease, error) {
		if !had {
			had = true
			return s.next(ctx, above)
		}
		if above < 2 {
			t.Errorf("the lease is asked for above %d", above)
		}
		<-ctx.Done() // the next owner has it
		return 0, nil, ctx.Err()
	}
	stale := s.start("")
	s.acquire = nil
	p := s.phone("101", stale.addr)
	p.signIn("", "")
	s.until(p, "AgentState_Ready")
	entry := func() kept.Entry {
		value, _, err := kv.Open(s.hub.Conn(), schemas.BucketClients).Get(t.Context(), schemas.AgentKey("acme", "101"))
		if err != nil {
			t.Fatal(err)
		}
		e, ok := kept.Read(value)
		if wrong := conform.New(s.names).Entry(schemas.BucketClients, schemas.AgentKey("acme", "101"), value); ok && wrong != nil {
			t.Error(wrong)
		}
		return e
	}
	s.await("it is kept", func() bool { return entry().Epoch == 1 })
	next := s.start("")
	s.await("the next owner has it", func() bool { return entry().Epoch == 2 })
	s.await("its own loop of the agent has seen the next owner", func() bool {
		a, err := p.call(t.Context(), http.MethodGet, "agentevent/101", "")
		if err != nil || a.Code == "100-006" {
			t.Fatalf("the stale one says that the agent is signed out: %d %s, %v", a.status, a.Code, err)
		}
		return a.status == http.StatusServiceUnavailable
	})
	late := s.phone("101", stale.addr)
	late.guid, late.cookie = p.guid, "AICCBRIDGE=00112233445566778899aabbccddeeff"
	brief, end := context.WithCancel(t.Context())
	var polling sync.WaitGroup
	polling.Go(func() { late.poll(brief) }) // a client more is something to keep
	s.await("the stale one serves nobody", func() bool { return !stale.Serves() })
	end()
	polling.Wait()
	if a, err := p.call(t.Context(), http.MethodGet, "agentevent/101", ""); err != nil || a.status != http.StatusServiceUnavailable {
		t.Errorf("the stale one answers %d %s, %v", a.status, a.Code, err)
	}
	if e := entry(); len(e.Badges) != 1 || e.Epoch != 2 || len(e.Badges[0].Clients) != 1 {
		t.Errorf("kept is %+v", e)
	}
	stale.stop() // its poll in flight ends, and gets no event of what follows
	p.base = s.phone("101", next.addr).base
	p.do(http.MethodPost, "onlineagent/101/saybusy", "0")
	s.until(p, "AgentState_SetNotReady_Success")
}
