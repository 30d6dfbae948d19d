package allagents

import (
	"context"
	"encoding/json"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"aiccbridge/internal/ccgateway"
	"aiccbridge/poller"
	"aiccbridge/poller/record"
	"aiccbridge/poller/session"
	"aiccbridge/schemas"

	"github.com/rs/zerolog"
	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// shelf keeps messages and states in memory.
type shelf struct {
	mu     sync.Mutex
	kept   []schemas.Message
	values map[string][]byte
}

func (s *shelf) Publish(_ context.Context, m schemas.Message) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.kept = append(s.kept, m)
	return nil
}

func (s *shelf) last(_ context.Context, filter string) (schemas.Stored, bool, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, m := range slices.Backward(s.kept) {
		if strings.HasPrefix(m.Subject, strings.TrimSuffix(filter, ">")) {
			return schemas.Stored{Subject: m.Subject, StoredAt: time.Now(), Header: m.Headers(), Body: m.Body}, true, nil
		}
	}
	return schemas.Stored{}, false, nil
}

func (s *shelf) Get(_ context.Context, key string) ([]byte, uint64, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.values[key], uint64(len(s.values[key])), nil
}

func (s *shelf) Put(_ context.Context, key string, value []byte) (uint64, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.values[key] = value
	return 1, nil
}

// line is one message, as far as the tests look.
type line struct {
	Agent, Type string
	Cause       schemas.GapCause
	Via         schemas.Way
	Detail      string
	From, To    time.Time
}

// lines are the messages kept of an agent; "": those that are nobody's.
func (s *shelf) lines(t testing.TB, agent string) (out []line) {
	t.Helper()
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, m := range s.kept {
		var l line
		if err := json.Unmarshal(m.Body, &l); err != nil {
			t.Fatal(err)
		}
		if m.Type == schemas.TypeGap {
			l.Type = "gap"
		}
		if l.Agent == agent {
			out = append(out, l)
		}
	}
	return out
}

func (s *shelf) types(t testing.TB, agent string) (out []string) {
	t.Helper()
	for _, l := range s.lines(t, agent) {
		out = append(out, l.Type)
	}
	return out
}

// script is what the polls of a node bring, one after the other, and then nothing.
type script struct {
	mu    sync.Mutex
	polls []ccgateway.Poll
	at    []time.Time // of the polls
}

func (s *script) poll(context.Context, string) ccgateway.Poll {
	s.mu.Lock()
	defer s.mu.Unlock()
	now := time.Now()
	s.at = append(s.at, now)
	p := ccgateway.Poll{Outcome: ccgateway.OutcomeEmpty, Code: "0"}
	if len(s.polls) > 0 {
		p, s.polls = s.polls[0], s.polls[1:]
	}
	p.SentAt, p.ReceivedAt = now, now
	return p
}

func (s *script) times() []time.Time {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.at)
}

// brings is a poll that brings events: "<agent> <type>".
func brings(events ...string) ccgateway.Poll {
	p := ccgateway.Poll{Outcome: ccgateway.OutcomeEvent, Code: "0"}
	for _, e := range events {
		agent, kind, _ := strings.Cut(e, " ")
		raw := json.RawMessage(`{"eventType":"` + kind + `","workNo":"` + agent + `","content":null}`)
		p.Events = append(p.Events, ccgateway.Event{Type: kind, WorkNo: agent, Content: json.RawMessage("null"), Raw: raw})
	}
	return p
}

type scene struct {
	shelf *shelf
	epoch uint64
	logs  *strings.Builder
	log   zerolog.Logger
	seats *poller.Metrics
}

func newScene() *scene {
	s := &scene{shelf: &shelf{values: map[string][]byte{}}, logs: &strings.Builder{}, seats: poller.NewMetrics(nil)}
	s.log = zerolog.New(zerolog.SyncWriter(s.logs))
	return s
}

// own polls the nodes under the next epoch until stop is called, or kill, as a crash would.
func (s *scene) own(t testing.TB, nodes ...Node) (stop, kill func()) {
	t.Helper()
	names, err := schemas.NewNames("aicc")
	if err != nil {
		t.Fatal(err)
	}
	s.epoch++
	d := New(Options{Nodes: nodes, Seat: func(node string) *session.Seat { return s.seats.Seat("acme", node) }}, poller.Options{
		Tenant: "acme", Names: names, Via: schemas.WayAllAgents, Store: s.shelf, States: s.shelf,
		Epoch: s.epoch, LastStored: s.shelf.last, Metrics: s.seats, Logger: s.log,
	})
	intake, end := context.WithCancel(context.Background())
	work, cut := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- d.Run(intake, work) }()
	var once sync.Once
	over := func(first, second func()) {
		once.Do(func() {
			first()
			second()
			if err := <-done; err != nil {
				t.Error(err)
			}
			end()
			cut()
		})
	}
	stop, kill = func() { over(end, func() {}) }, func() { over(cut, end) }
	t.Cleanup(stop)
	return stop, kill
}

var _ record.Store = (*shelf)(nil)
