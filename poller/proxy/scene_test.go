package proxy_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"go.uber.org/goleak"

	"aiccbridge/bus/kv"
	"aiccbridge/internal/ccgateway"
	"aiccbridge/internal/hubtest"
	"aiccbridge/internal/platformsim"
	"aiccbridge/internal/seal"
	"aiccbridge/poller/partition"
	"aiccbridge/poller/proxy"
	"aiccbridge/poller/proxy/post"
	"aiccbridge/poller/proxy/wire"
	"aiccbridge/poller/record"
	"aiccbridge/poller/session"
	"aiccbridge/schemas"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

var errLost = errors.New("lost")

// lease is one that nobody else wants.
type lease struct{}

func (lease) Run(ctx context.Context) error {
	<-ctx.Done()
	return nil
}
func (lease) Release(context.Context) error { return nil }

// scene is a platform, a hub, and bridges that come and go.
type scene struct {
	t      testing.TB
	sim    *platformsim.Sim
	hub    hubtest.Hub
	names  schemas.Names
	box    *seal.Box
	epoch  atomic.Uint64
	change func(*proxy.Options)
	// acquire is how the next bridge gets the lease; nil: at once.
	acquire func(ctx context.Context, floor uint64) (uint64, partition.Lease, error)
}

// next gives the lease under the next epoch.
func (s *scene) next(_ context.Context, floor uint64) (uint64, partition.Lease, error) {
	s.epoch.Store(max(s.epoch.Load(), floor) + 1)
	return s.epoch.Load(), lease{}, nil
}

func newScene(t testing.TB, o platformsim.Options) *scene {
	t.Helper()
	s := &scene{t: t}
	var err error
	if s.box, err = seal.OpenDir(t.TempDir()); err != nil {
		t.Fatal(err)
	}
	s.hub, s.names = hubtest.Start(t)
	if s.sim, err = platformsim.New(o); err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- s.sim.Run(ctx) }()
	t.Cleanup(func() {
		stop()
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
	<-s.sim.Ready()
	return s
}

// bridge is one life of a bridge.
type bridge struct {
	addr string
	*proxy.Proxy
	stop func() // in order
	kill func() // nothing in hand is finished
}

// start starts a bridge at an address; "": any.
func (s *scene) start(address string) *bridge {
	s.t.Helper()
	gateway, err := ccgateway.New(ccgateway.Options{URL: s.sim.Settings().GatewayURL, InsecureSkipVerify: true})
	if err != nil {
		s.t.Fatal(err)
	}
	sessions, clients := kv.Open(s.hub.Conn(), schemas.BucketSessions), kv.Open(s.hub.Conn(), schemas.BucketClients)
	each := func(b *kv.Bucket) func(context.Context, func([]byte, uint64)) error {
		return func(ctx context.Context, f func([]byte, uint64)) error {
			return b.Each(ctx, "acme.>", func(_ string, e schemas.Stored) error {
				f(e.Body, e.Sequence)
				return nil
			})
		}
	}
	poster := post.New(post.Options{Hosts: []string{"127.0.0.1"}})
	o := proxy.Options{
		Record: record.Options{
			Tenant: "acme", Names: s.names, Store: s.hub, States: kv.Open(s.hub.Conn(), schemas.BucketState),
			LastStored: s.hub.Last, Metrics: record.NewMetrics(nil),
		},
		Session: session.Options{Tenant: "acme", Sessions: sessions, Seal: s.box, Metrics: session.NewMetrics(nil), Heartbeat: -1},
		Gateway: gateway, Sessions: each(sessions), Clients: clients, Known: each(clients), Poster: poster,
		Stored: func(ctx context.Context, filter string, since time.Time, f func(schemas.Stored) error) error {
			return s.hub.ReadSince(ctx, schemas.StreamEvents, filter, since, f)
		},
	}
	if s.change != nil {
		s.change(&o)
	}
	p, err := proxy.New(o)
	if err != nil {
		s.t.Fatal(err)
	}
	acquire := s.acquire
	if acquire == nil {
		acquire = s.next
	}
	sole := partition.NewSole(partition.SoleOptions{Tenant: "acme", Lost: errLost, Grace: 20 * time.Second, Floor: p.Floor, Acquire: acquire})
	if address == "" {
		address = "127.0.0.1:0"
	}
	l, err := net.Listen("tcp", address)
	if err != nil {
		s.t.Fatal(err)
	}
	server := wire.NewServer(l, nil, proxy.Handler{Tenants: map[string]*proxy.Proxy{"acme": p}})
	intake, stopIntake := context.WithCancel(context.Background())
	work, stopWork := context.WithCancel(context.Background())
	var running sync.WaitGroup
	running.Go(func() {
		if err := sole.Run(intake, work, p.Serve); err != nil && work.Err() == nil {
			s.t.Error(err)
		}
	})
	running.Go(func() { _ = server.Run(intake, work) }) // a kill cuts requests, which is an error
	end := func(first func()) func() {
		return sync.OnceFunc(func() {
			first()
			stopIntake()
			running.Wait()
			stopWork()
			gateway.Close()
			p.Close()
			poster.Close()
		})
	}
	b := &bridge{addr: l.Addr().String(), Proxy: p, stop: end(func() {}), kill: end(stopWork)}
	s.t.Cleanup(b.stop)
	deadline := time.Now().Add(30 * time.Second)
	for !p.Serves() {
		if time.Now().After(deadline) {
			s.t.Fatal("the bridge does not serve")
		}
		time.Sleep(5 * time.Millisecond)
	}
	return b
}

// phone is a softphone: it speaks as those of the vendor do.
type phone struct {
	t      testing.TB
	agent  string
	base   string
	http   *http.Client
	guid   string // as the header Set-GUID, spelt so, told it
	cookie string

	mu     sync.Mutex
	seen   []seen
	codes  []string
	failed int
}

// seen is an event that reached a client.
type seen struct {
	Type    string          `json:"eventType"`
	At      int64           `json:"eventGenTime"`
	WorkNo  string          `json:"workNo"`
	Content json.RawMessage `json:"content"`
}

func (e seen) String() string { return fmt.Sprint(e.Type, " ", e.At, " ", string(e.Content)) }

func (s *scene) phone(agent, address string) *phone {
	transport := &http.Transport{}
	s.t.Cleanup(transport.CloseIdleConnections)
	return &phone{t: s.t, agent: agent, base: "http://" + address + proxy.Base, http: &http.Client{Transport: transport}}
}

// answer is what a call came to.
type answer struct {
	status int
	header http.Header
	body   []byte
	Code   string          `json:"retcode"`
	Result json.RawMessage `json:"result"`
	Event  *seen           `json:"event"`
}

func (p *phone) call(ctx context.Context, method, path, body string, header ...string) (a answer, err error) {
	r, err := http.NewRequestWithContext(ctx, method, p.base+path, strings.NewReader(body))
	if body == "" {
		r.Body, r.ContentLength = nil, 0
	}
	if err != nil {
		return a, err
	}
	if p.guid != "" {
		r.Header["guid"] = []string{p.guid}
	}
	if p.cookie != "" {
		r.Header.Set("Cookie", p.cookie)
	}
	for i := 0; i+1 < len(header); i += 2 {
		r.Header.Set(header[i], header[i+1])
	}
	got, err := p.http.Do(r)
	if err != nil {
		return a, err
	}
	defer got.Body.Close()
	a.status, a.header = got.StatusCode, got.Header
	if a.body, err = io.ReadAll(got.Body); err != nil {
		return a, err
	}
	return a, json.Unmarshal(a.body, &a)
}

// signIn signs in and keeps the GUID.
func (p *phone) signIn(how, further string) answer {
	p.t.Helper()
	body := fmt.Sprintf(`{"password":%q,"phonenum":"70092","status":"4"%s}`, p.password(), further)
	a, err := p.call(p.t.Context(), http.MethodPut, "onlineagent/"+p.agent+how, body)
	if err != nil {
		p.t.Fatal(err)
	}
	if a.Code == "0" {
		p.guid = strings.TrimPrefix(a.header.Get("Set-Guid"), "JSESSIONID=")
	}
	return a
}

var passwords sync.Map // by agent

func (p *phone) password() string {
	word, _ := passwords.Load(p.agent)
	return word.(string)
}

// learn lets phones know the passwords of a platform.
func (s *scene) learn() {
	for _, a := range s.sim.Settings().Agents {
		passwords.Store(a.ID, a.Password)
	}
}

// poll polls until ctx ends, or a code other than 0 comes.
func (p *phone) poll(ctx context.Context) {
	for ctx.Err() == nil {
		a, err := p.call(ctx, http.MethodGet, "agentevent/"+p.agent, "")
		p.mu.Lock()
		switch {
		case err != nil || a.status != http.StatusOK:
			p.failed++
		case a.Code != "0":
			p.codes = append(p.codes, a.Code)
			p.mu.Unlock()
			return
		case a.Event != nil:
			p.seen = append(p.seen, *a.Event)
		case string(a.body) != `{"message":"","retcode":"0"}`:
			p.t.Errorf("an idle poll is answered with %s", a.body)
		}
		p.mu.Unlock()
		if err != nil {
			select {
			case <-time.After(20 * time.Millisecond):
			case <-ctx.Done():
			}
		}
	}
}

func (p *phone) events() []seen {
	p.mu.Lock()
	defer p.mu.Unlock()
	return append([]seen(nil), p.seen...)
}

// given is what the platform gave for an agent, in order.
func (s *scene) given(agent string) (all []seen) {
	for _, e := range s.sim.Truth().Events {
		if e.Agent == agent {
			all = append(all, seen{Type: e.Type, At: e.GeneratedAt.UnixMilli(), WorkNo: agent, Content: e.Content})
		}
	}
	return all
}

// stored is what the stream has of the platform's events of an agent, in order.
func (s *scene) stored(agent string) (all []seen) {
	s.t.Helper()
	err := s.hub.Read(s.t.Context(), schemas.StreamEvents, s.names.Agent("acme", agent), 0, func(m schemas.Stored) error {
		var e schemas.Event
		if m.Get("ce-type") == schemas.TypeEvent && json.Unmarshal(m.Body, &e) == nil && !strings.HasPrefix(e.Type, "bridge.") {
			content := e.Content
			if content == nil {
				content = json.RawMessage("null")
			}
			all = append(all, seen{Type: e.Type, At: e.OccurredAt.UnixMilli(), WorkNo: agent, Content: content})
		}
		return nil
	})
	if err != nil {
		s.t.Fatal(err)
	}
	return all
}

// same reports where two lists differ first; -1: nowhere.
func same(a, b []seen) int {
	for i := range max(len(a), len(b)) {
		if i >= len(a) || i >= len(b) || a[i].Type != b[i].Type || a[i].At != b[i].At || !bytes.Equal(compact(a[i].Content), compact(b[i].Content)) {
			return i
		}
	}
	return -1
}

func compact(raw json.RawMessage) []byte {
	var b bytes.Buffer
	if json.Compact(&b, raw) != nil {
		return raw
	}
	return b.Bytes()
}

// await waits until done says so.
func (s *scene) await(what string, done func() bool) {
	s.t.Helper()
	for deadline := time.Now().Add(time.Minute); !done(); { // a busy machine may take a while until the platform is quiet
		if time.Now().After(deadline) {
			s.t.Fatalf("waited too long: %s", what)
		}
		time.Sleep(10 * time.Millisecond)
	}
}
