package push

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"aiccbridge/internal/ccgateway"
	"aiccbridge/poller"
	"aiccbridge/schemas"

	"github.com/rs/zerolog"
	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// shelf keeps messages, states and sessions in memory.
type shelf struct {
	mu     sync.Mutex
	kept   []schemas.Message
	ids    map[string]bool
	values map[string][]byte
	hold   chan struct{} // not nil: messages wait until it is closed
	fail   error         // of looking for the last message
}

func newShelf() *shelf { return &shelf{values: map[string][]byte{}, ids: map[string]bool{}} }

func (s *shelf) Publish(ctx context.Context, m schemas.Message) error {
	s.mu.Lock()
	hold := s.hold
	s.mu.Unlock()
	if hold != nil {
		select {
		case <-hold:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if m.Dedupe && s.ids[m.MsgID()] {
		return nil // as a stream would take it
	}
	s.ids[m.MsgID()] = true
	s.kept = append(s.kept, m)
	return nil
}

func (s *shelf) holdBack() (release func()) {
	s.mu.Lock()
	defer s.mu.Unlock()
	hold := make(chan struct{})
	s.hold = hold
	return func() {
		s.mu.Lock()
		defer s.mu.Unlock()
		close(hold)
		s.hold = nil
	}
}

func (s *shelf) last(_ context.Context, filter string) (schemas.Stored, bool, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.fail != nil {
		return schemas.Stored{}, false, s.fail
	}
	prefix := strings.TrimSuffix(filter, ">")
	for i := len(s.kept) - 1; i >= 0; i-- {
		if m := s.kept[i]; strings.HasPrefix(m.Subject, prefix) {
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

func (s *shelf) Swap(_ context.Context, key string, value []byte, revision uint64) (uint64, bool, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if uint64(len(s.values[key])) != revision {
		return 0, false, nil
	}
	s.values[key] = value
	return uint64(len(value)), true, nil
}

// states are those of agents, beside the sessions.
type states struct{ *shelf }

func (s states) Get(ctx context.Context, key string) ([]byte, uint64, error) {
	return s.shelf.Get(ctx, "state/"+key)
}

func (s states) Put(_ context.Context, key string, value []byte) (uint64, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.values["state/"+key] = value
	return 1, nil
}

// state is where an agent stands, as the bucket has it.
func (s *shelf) state(t testing.TB, agent string) schemas.State {
	t.Helper()
	value, _, _ := states{s}.Get(t.Context(), schemas.AgentKey("acme", agent))
	var known schemas.AgentState
	if err := json.Unmarshal(value, &known); err != nil {
		t.Fatalf("state of %s: %s: %v", agent, value, err)
	}
	return known.State
}

// plain seals nothing.
type plain struct{}

func (plain) Seal(p []byte, context string) (string, error) { return context + "|" + string(p), nil }
func (plain) Open(s, context string) ([]byte, error) {
	return []byte(strings.TrimPrefix(s, context+"|")), nil
}

// types are those of the events kept of an agent that the platform sent, in order; gaps are
// named by their cause.
func (s *shelf) types(t testing.TB, agent string) (out []string) {
	t.Helper()
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, m := range s.kept {
		var e struct{ Agent, Type, Cause string }
		if err := json.Unmarshal(m.Body, &e); err != nil {
			t.Fatal(err)
		}
		switch {
		case e.Agent != agent:
		case m.Type == schemas.TypeGap:
			out = append(out, "gap "+e.Cause)
		case m.Type == schemas.TypeEvent:
			out = append(out, e.Type)
		}
	}
	return out
}

const secret = "tenant-wide-secret-0123456789"

// scene is an inlet over a shelf.
type scene struct {
	t     testing.TB
	shelf *shelf
	inlet *Inlet
	epoch uint64
	beats time.Duration // of the heartbeats of the next ownership
	stop  func()        // ends the desk, as an orderly stop does
	logs  *strings.Builder
	log   zerolog.Logger // to logs
	// cutOff breaks the connections of a platform that pushes, before the inlet.
	cutOff atomic.Bool
}

func newScene(t testing.TB, change ...func(*Options)) *scene {
	t.Helper()
	names, err := schemas.NewNames("aicc")
	if err != nil {
		t.Fatal(err)
	}
	s := &scene{t: t, shelf: newShelf(), logs: &strings.Builder{}}
	s.log = zerolog.New(zerolog.SyncWriter(s.logs))
	o := Options{
		Tenant: "acme", Names: names, Key: []byte("0123456789abcdef0123456789abcdef"), Letters: s.shelf,
		Secrets: func() []string { return []string{secret} }, Logger: s.log,
	}
	for _, c := range change {
		c(&o)
	}
	if s.inlet, err = New(o); err != nil {
		t.Fatal(err)
	}
	return s
}

// options are those of the next ownership.
func (s *scene) options() poller.Options {
	s.epoch++
	return poller.Options{
		Tenant: "acme", Names: s.inlet.o.Names, Store: s.shelf, Sessions: s.shelf, States: states{s.shelf}, Seal: plain{},
		Epoch: s.epoch, Heartbeat: s.beats, LastStored: s.shelf.last, Metrics: poller.NewMetrics(nil), Logger: s.log,
	}
}

// own has the agents from now on, under the next epoch; kill ends it as a crash does.
func (s *scene) own() (d *Desk, kill func()) {
	s.t.Helper()
	d = s.inlet.Desk(s.options())
	intake, stop := context.WithCancel(context.Background())
	work, cut := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() {
		defer close(done)
		if err := d.Run(intake, work); err != nil {
			s.t.Error(err)
		}
	}()
	for s.inlet.desk.Load() != d {
		time.Sleep(time.Millisecond) // nothing tells when it has begun
	}
	var once sync.Once
	s.stop = func() { once.Do(func() { stop(); <-done; cut() }) }
	s.t.Cleanup(s.stop)
	return d, func() { once.Do(func() { cut(); stop(); <-done }) }
}

// push posts a body with a token and returns status and body of the answer.
func (s *scene) push(token, body string) (int, string) {
	r := httptest.NewRequest(http.MethodPost, "/events/acme", strings.NewReader(body))
	r.Header.Set("Content-Type", "application/json; charset=UTF-8")
	r.Header["Service_token"] = []string{token}
	w := httptest.NewRecorder()
	s.inlet.ServeHTTP(w, r)
	return w.Code, w.Body.String()
}

const success = `{"message":"success","retcode":"0"}`

// takes pushes a list of events of agent 291 that must be taken.
func (s *scene) takes(events ...string) {
	s.t.Helper()
	if code, body := s.push(secret, list("291", events...)); code != http.StatusOK || body != success {
		s.t.Fatalf("push of %q: %d %s", events, code, body)
	}
}

// list is the body of a push of events: types, or types with the platform's time "A@5".
func list(agent string, events ...string) string {
	var items []string
	for _, e := range events {
		kind, at, timed := strings.Cut(e, "@")
		if timed {
			at = `,"eventGenTime":178452972259` + at
		}
		items = append(items, fmt.Sprintf(`{"eventType":%q,"workNo":%q,"content":null%s}`, kind, agent, at))
	}
	return fmt.Sprintf(`{"workNo":%q,"eventList":[%s]}`, agent, strings.Join(items, ","))
}

var _ Gateway = (*ccgateway.Agent)(nil)

// forget takes the events of a type away, as if they had not been stored.
func (s *shelf) forget(eventType string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.kept = slices.DeleteFunc(s.kept, func(m schemas.Message) bool { return strings.Contains(string(m.Body), eventType) })
}
