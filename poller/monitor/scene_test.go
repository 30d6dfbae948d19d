package monitor_test

import (
	"context"
	"encoding/json"
	"errors"
	"maps"
	"net"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"aiccbridge/internal/c2sign"
	"aiccbridge/internal/cccms"
	"aiccbridge/internal/ccfs"
	"aiccbridge/internal/platformsim/fault"
	sim "aiccbridge/internal/platformsim/monitor"
	"aiccbridge/internal/platformsim/truth"
	"aiccbridge/internal/platformsim/world"
	"aiccbridge/poller/monitor"
	"aiccbridge/poller/record"
	"aiccbridge/schemas"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const interval = 5 * time.Second

// pipes is a listener whose connections are in memory, so that time in them is virtual.
type pipes struct {
	conns chan net.Conn
	done  chan struct{}
}

func (p *pipes) Accept() (net.Conn, error) {
	select {
	case c := <-p.conns:
		return c, nil
	case <-p.done:
		return nil, net.ErrClosed
	}
}
func (p *pipes) Close() error   { close(p.done); return nil }
func (p *pipes) Addr() net.Addr { return &net.TCPAddr{} }
func (p *pipes) dial(ctx context.Context, _, _ string) (net.Conn, error) {
	here, there := net.Pipe()
	select {
	case p.conns <- there:
		return here, nil
	case <-p.done:
		return nil, errors.New("connection refused")
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

// shelf is a store of messages and a bucket of states.
type shelf struct {
	mu     sync.Mutex
	events []schemas.Event
	beats  map[string]int
	hangs  time.Duration // each message for so long
	states map[string][]byte
}

func (s *shelf) Publish(_ context.Context, m schemas.Message) error {
	s.mu.Lock()
	hangs := s.hangs
	s.mu.Unlock()
	time.Sleep(hangs)
	s.mu.Lock()
	defer s.mu.Unlock()
	var e schemas.Event
	if err := json.Unmarshal(m.Body, &e); err != nil {
		return err
	}
	if m.Type == schemas.TypeHeartbeat {
		s.beats[e.Agent]++
		return nil
	}
	s.events = append(s.events, e)
	return nil
}

func (s *shelf) Get(_ context.Context, key string) ([]byte, uint64, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.states[key], 1, nil
}

func (s *shelf) Put(_ context.Context, key string, value []byte) (uint64, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.states[key] = value
	return 1, nil
}

func (s *shelf) known(context.Context) (all []schemas.AgentState, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, value := range s.states {
		var k schemas.AgentState
		if err := json.Unmarshal(value, &k); err != nil {
			return nil, err
		}
		all = append(all, k)
	}
	return all, nil
}

// of are the events of an agent.
func (s *shelf) of(agent string) (all []schemas.Event) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, e := range s.events {
		if e.Agent == agent {
			all = append(all, e)
		}
	}
	return all
}

// story is an agent's states as they were published.
func (s *shelf) story(agent string) string {
	var all []string
	for _, e := range s.of(agent) {
		all = append(all, string(e.State))
	}
	return strings.Join(all, " ")
}

// scene is a contact centre whose agents sign in elsewhere, and a monitor of it.
type scene struct {
	t        *testing.T
	floor    *world.World
	truth    *truth.Log
	faults   *fault.Book
	shelf    *shelf
	client   *cccms.Client
	platform monitor.Platform // what is looked at; default client
	sight    *monitor.Sight
	epoch    uint64
}

// newScene is for a bubble of virtual time.
func newScene(t *testing.T, o world.Options, lacks ...string) *scene {
	t.Helper()
	s := &scene{t: t, truth: truth.New(), shelf: &shelf{states: map[string][]byte{}, beats: map[string]int{}}, sight: &monitor.Sight{}, faults: fault.NewBook(sim.FaultKinds(), 1, time.Now)}
	o.Moved = s.truth.Moved
	var err error
	if s.floor, err = world.New(o); err != nil {
		t.Fatal(err)
	}
	service, err := sim.New(sim.Options{Floor: s.floor, Truth: s.truth, Faults: s.faults, Lacks: lacks})
	if err != nil {
		t.Fatal(err)
	}
	line := &pipes{conns: make(chan net.Conn), done: make(chan struct{})}
	server := &http.Server{Handler: service}
	served := make(chan error, 1)
	go func() { served <- server.Serve(line) }()
	s.client, err = cccms.New(cccms.Options{VDN: 39, Service: ccfs.Options{
		URL: "http://cms.example.com" + strings.TrimSuffix(sim.Base, "/"), AllowHTTP: true,
		Key: c2sign.NewKey("testak01", "testsk-0123456789abcdef"), DialContext: line.dial,
	}})
	if err != nil {
		t.Fatal(err)
	}
	s.platform = s.client
	t.Cleanup(func() {
		s.client.Close()
		_ = server.Close()
		<-served
	})
	return s
}

// watch lets a bridge look, until stop is called.
func (s *scene) watch() (stop func()) {
	s.epoch++
	names, err := schemas.NewNames("aicc")
	if err != nil {
		s.t.Fatal(err)
	}
	m := monitor.New(monitor.Options{
		Platform: s.platform, Interval: interval, Known: s.shelf.known, Sight: s.sight,
		Record: record.Options{Tenant: "acme", Names: names, Epoch: s.epoch, Store: s.shelf, States: s.shelf, Metrics: record.NewMetrics(nil)},
	})
	ctx, cancel := context.WithCancel(s.t.Context())
	done := make(chan error, 1)
	go func() { done <- m.Run(ctx, s.t.Context()) }()
	return func() {
		cancel()
		if err := <-done; err != nil {
			s.t.Error(err)
		}
	}
}

// work lets the agents work.
func (s *scene) work() (stop func()) {
	ctx, cancel := context.WithCancel(s.t.Context())
	done := make(chan error, 1)
	go func() { done <- s.floor.Run(ctx) }()
	return func() {
		cancel()
		<-done
	}
}

func (s *scene) signIn(agent string, status int) {
	s.t.Helper()
	if _, err := s.floor.SignIn(agent, world.SignIn{Status: status, RestCause: 3, Deliver: func(world.Event) {}}); err != nil {
		s.t.Fatal(err)
	}
}

func (s *scene) signOut(agent string) {
	s.t.Helper()
	if err := s.floor.SignOut(agent, 258); err != nil {
		s.t.Fatal(err)
	}
}

// spell is a state that an agent was in, as the truth has it.
type spell struct {
	state      schemas.State
	begin, end time.Time
}

var liveStates = map[int]schemas.State{
	world.SignedOut: schemas.StateSignedOut, world.Busy: schemas.StateNotReady, world.Idle: schemas.StateReady,
	world.WrapUp: schemas.StateWrapup, world.InCall: schemas.StateOnCall, world.Resting: schemas.StateRest,
}

// spells are an agent's, in order, until now; what follows on itself is one.
func (s *scene) spells(agent string, from time.Time) []spell {
	all := []spell{{state: schemas.StateSignedOut, begin: from}}
	for _, m := range s.truth.Snapshot().Moves {
		if last := &all[len(all)-1]; m.Agent == agent && liveStates[m.State] != last.state {
			last.end = m.At
			all = append(all, spell{state: liveStates[m.State], begin: m.At})
		}
	}
	all[len(all)-1].end = time.Now()
	return all
}

// judge holds what was published of an agent against the truth: each state that lasted two
// intervals once, each event true, within its interval.
func (s *scene) judge(agent string, from time.Time) (lasting int) {
	s.t.Helper()
	spells, seen := s.spells(agent, from), s.shelf.of(agent)
	used := make([]bool, len(spells))
	for i, e := range seen {
		if i > 0 && e.State == seen[i-1].State || e.Via != schemas.WayMonitor || e.Type != schemas.EventSeen(e.State) || e.Reconstructed != nil {
			s.t.Errorf("agent %s: %+v", agent, e)
		}
		at := slices.IndexFunc(spells, func(p spell) bool {
			return !p.end.Before(e.OccurredBefore) && p.state == e.State && !p.begin.After(e.OccurredBefore)
		})
		switch {
		case at < 0:
			s.t.Errorf("agent %s was never %s at %v", agent, e.State, e.OccurredBefore)
		case used[at]:
			s.t.Errorf("agent %s: %s at %v twice", agent, e.State, spells[at].begin)
		case at > 0 && (e.OccurredAfter.After(spells[at].begin) || e.OccurredBefore.Before(spells[at].begin)):
			s.t.Errorf("agent %s: %s began at %v, and not between %v and %v", agent, e.State, spells[at].begin, e.OccurredAfter, e.OccurredBefore)
		default:
			used[at] = true
		}
	}
	for i, p := range spells {
		if p.end.Sub(p.begin) >= 2*interval {
			if lasting++; !used[i] && !goesOn(spells, used, i) {
				s.t.Errorf("agent %s: %s from %v to %v was not seen", agent, p.state, p.begin, p.end)
			}
		}
	}
	return lasting
}

// goesOn reports that the state is the one seen last: what came between was too short.
func goesOn(spells []spell, used []bool, i int) bool {
	for j := i - 1; j >= 0; j-- {
		if used[j] {
			return spells[j].state == spells[i].state
		}
	}
	return false
}

// pulses are how many heartbeats were stored of each agent.
func (s *shelf) pulses() map[string]int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return maps.Clone(s.beats)
}

// hang makes the store take so long for a message.
func (s *shelf) hang(d time.Duration) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.hangs = d
}

func ids(n int) (all []string) {
	for i := range n {
		all = append(all, strconv.Itoa(101+i))
	}
	return all
}
