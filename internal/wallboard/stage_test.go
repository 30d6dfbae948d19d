package wallboard

import (
	"context"
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"os"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"go.uber.org/goleak"

	"aiccbridge/bus/kv"
	"aiccbridge/internal/admin"
	"aiccbridge/internal/ask"
	"aiccbridge/internal/hubtest"
	"aiccbridge/schemas"
	"aiccbridge/schemas/events"
)

func TestMain(m *testing.M) {
	code := m.Run()
	if err := goleak.Find(); err != nil && code == 0 {
		fmt.Fprintln(os.Stderr, err)
		code = 1
	}
	os.Exit(code)
}

// patience is how long a test waits for what must come.
const patience = time.Minute

// lease is the partition of every agent.
const lease = "0"

// wallHub is a hub as the bridge has it.
type wallHub struct{ hubtest.Hub }

func (h wallHub) Follow(ctx context.Context, bucket schemas.Bucket, f func(string, schemas.Stored, time.Time), idle func(time.Time)) error {
	return kv.Open(h.Conn(), bucket).Follow(ctx, ">", f, idle)
}

func (h wallHub) End(ctx context.Context, stream schemas.Stream) (uint64, error) {
	return h.Conn().End(ctx, h.Conn().Names().Stream(stream))
}

// stage is a board on a hub of its own, served as the bridge serves it.
type stage struct {
	t     testing.TB
	hub   wallHub
	names schemas.Names
	board *Board
	url   string
	stop  func() // ends the board and the listener, and waits for them

	assets string // the board's version of page, style and script; "": that of the files

	mu      sync.Mutex
	bridges []ask.Bridge
}

// newStage starts one, which ends with the test; change may change the board's options.
func newStage(t testing.TB, change func(*Options)) *stage {
	t.Helper()
	h, names := hubtest.Start(t)
	s := &stage{t: t, hub: wallHub{h}, names: names}
	s.says(ask.Bridge{Instance: "bridge-1", Version: "1.2.3", Mode: "embedded", Started: time.Now().Add(-time.Hour), Tenants: []string{acme}})
	s.serve("127.0.0.1:0", change)
	return s
}

const acme = "acme"

// serve starts the board and its listener.
func (s *stage) serve(address string, change func(*Options)) {
	s.t.Helper()
	l, err := net.Listen("tcp", address)
	if err != nil {
		s.t.Fatal(err)
	}
	o := Options{Hub: s.hub, Names: s.names, Lease: func(string) string { return lease }, Bridges: s.answers}
	if change != nil {
		change(&o)
	}
	s.board, s.url = New(o), "http://"+l.Addr().String()+"/"
	if s.assets != "" {
		s.board.assets = s.assets
	}
	a := admin.New(admin.Options{Listener: l, Host: address, Metrics: prometheus.NewRegistry(), Health: http.NotFoundHandler(), Wall: s.board.Handler(), Token: o.Token})
	ctx, cancel := context.WithCancel(context.WithoutCancel(s.t.Context()))
	var group sync.WaitGroup
	for _, run := range []func() error{
		func() error { return s.board.Run(ctx) },
		func() error { return a.Run(ctx, context.WithoutCancel(ctx)) },
	} {
		group.Go(func() {
			if err := run(); err != nil {
				s.t.Error(err)
			}
		})
	}
	s.stop = sync.OnceFunc(func() {
		cancel()
		group.Wait()
	})
	s.t.Cleanup(s.stop)
}

// says is what the bridges say of themselves from now on.
func (s *stage) says(all ...ask.Bridge) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.bridges = all
}

func (s *stage) answers(context.Context) ([]ask.Bridge, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.bridges), nil
}

// put stores an entry of a bucket.
func (s *stage) put(bucket schemas.Bucket, key string, value any) {
	s.t.Helper()
	body, err := json.Marshal(value)
	if err == nil {
		_, err = kv.Open(s.hub.Conn(), bucket).Put(s.t.Context(), key, body)
	}
	if err != nil {
		s.t.Fatal(err)
	}
}

// agent stores where an agent stands.
func (s *stage) agent(tenant, id string, state schemas.State, since time.Time, call string) {
	s.t.Helper()
	s.put(schemas.BucketState, schemas.AgentKey(tenant, id), schemas.AgentState{Tenant: tenant, Agent: id, State: state, Since: since.UTC(), CallID: call, Position: schemas.Position{Epoch: 1, Seq: 1}})
}

// polls has a bridge hold the lease of a tenant's agents until the test ends.
func (s *stage) polls(tenant, instance string) {
	s.t.Helper()
	key := schemas.LeaseKey(tenant, lease)
	s.put(schemas.BucketLeases, key, map[string]string{"instance": instance})
	ctx, cancel := context.WithCancel(s.t.Context())
	done := make(chan struct{})
	go func() {
		defer close(done)
		tick := time.NewTicker(schemas.LeaseTTL / 3)
		defer tick.Stop()
		for {
			select {
			case <-ctx.Done():
				return
			case <-tick.C:
				s.put(schemas.BucketLeases, key, map[string]string{"instance": instance})
			}
		}
	}()
	s.t.Cleanup(func() {
		cancel()
		<-done
	})
}

// event stores an event of an agent.
func (s *stage) event(tenant, agent, eventType string, seq uint64, content string) {
	s.t.Helper()
	now := time.Now()
	e := schemas.Event{Via: schemas.WayPoll, Tenant: tenant, Agent: agent, Type: eventType, OccurredAt: now, ReceivedAt: now, Position: schemas.Position{Epoch: 1, Seq: seq}}
	info, _ := events.Lookup(eventType)
	info.Fill(&e, json.RawMessage(content))
	m, err := s.names.EventMessage(e)
	if err == nil {
		err = s.hub.Publish(s.t.Context(), m)
	}
	if err != nil {
		s.t.Fatal(err)
	}
}

// until waits for what must become true.
func (s *stage) until(what string, condition func() bool) {
	s.t.Helper()
	ctx, cancel := context.WithTimeout(s.t.Context(), patience)
	defer cancel()
	tick := time.NewTicker(50 * time.Millisecond)
	defer tick.Stop()
	for !condition() {
		select {
		case <-ctx.Done():
			s.t.Fatalf("waited in vain until %s", what)
		case <-tick.C:
		}
	}
}
