package poller

import (
	"context"
	"encoding/json"
	"errors"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"aiccbridge/internal/ccgateway"
	"aiccbridge/poller/session"
	"aiccbridge/schemas"

	"github.com/rs/zerolog"
)

// stage is everything around a pool.
type stage struct {
	j        *journal
	store    *fakeStore
	sessions *fakeBucket
	states   *fakeBucket
	logs     *strings.Builder
	options  Options
	mu       sync.Mutex
	agents   map[string]*fakeSession
}

func newStage() *stage {
	j := &journal{}
	bucket := func(name string) *fakeBucket {
		return &fakeBucket{j: j, name: name, values: map[string][]byte{}, revs: map[string]uint64{}}
	}
	s := &stage{
		j: j, store: &fakeStore{j: j}, sessions: bucket("session entry"), states: bucket("state"),
		logs: &strings.Builder{}, agents: map[string]*fakeSession{},
	}
	names, _ := schemas.NewNames("aicc")
	s.options = Options{
		Tenant: "acme", Names: names, Epoch: 7, StartSpread: -1,
		Agent: func(id string) session.Gateway { return s.agent(id) },
		Store: s.store, Sessions: s.sessions, States: s.states, Seal: &fakeSealer{},
		Logger: zerolog.New(zerolog.SyncWriter(s.logs)).Level(zerolog.DebugLevel),
	}
	return s
}

func (s *stage) agent(id string) *fakeSession {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.agents[id] == nil {
		s.agents[id] = &fakeSession{j: s.j, id: id, status: ccgateway.Status{State: 4}}
	}
	return s.agents[id]
}

// play is one run of a pool.
type play struct {
	wanted     chan []session.Agent
	stopIntake context.CancelFunc
	stopWork   context.CancelFunc
	done       chan error
}

func (s *stage) start(agents ...session.Agent) *play {
	pool, err := New(s.options)
	if err != nil {
		panic(err)
	}
	p := &play{wanted: make(chan []session.Agent), done: make(chan error, 1)}
	var intake, work context.Context
	work, p.stopWork = context.WithCancel(context.Background())
	intake, p.stopIntake = context.WithCancel(context.Background())
	go func() { p.done <- pool.Run(intake, work, p.wanted) }()
	p.wanted <- agents
	return p
}

// end stops a play as the program does and waits for it.
func (p *play) end() {
	p.stopIntake()
	<-p.done
	p.stopWork()
}

// crash ends a play without goodbye.
func (p *play) crash() {
	p.stopWork()
	<-p.done
	p.stopIntake()
}

// bubble runs a test of the loop in virtual time.
func bubble(t *testing.T, f func(t *testing.T, s *stage)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) { f(t, newStage()) })
}

func pass(d time.Duration) {
	time.Sleep(d) // virtual
	synctest.Wait()
}

var agent291 = session.Agent{ID: "291", Phone: "70092", Password: "correct-horse"}

func gotEvent(eventType string, content string) answer {
	e := ccgateway.Event{Type: eventType, WorkNo: "291", Raw: json.RawMessage(`{"eventType":"` + eventType + `"}`)}
	if content != "" {
		e.Content = json.RawMessage(content)
	}
	return answer{poll: ccgateway.Poll{Outcome: ccgateway.OutcomeEvent, Code: "0", Events: []ccgateway.Event{e}}}
}

func gotCode(code string) answer {
	p := ccgateway.Poll{Outcome: ccgateway.OutcomeRefused, Code: code, Class: ccgateway.Classify(code)}
	if code == "000-001" || code == "000-003" || p.Class == ccgateway.ClassGone {
		p.Outcome = ccgateway.OutcomeSessionEnded
	}
	p.Err = refusal(code)
	return answer{poll: p}
}

func gotStatus(status int) answer {
	class := ccgateway.ClassAgain
	if status == 401 || status == 403 {
		class = ccgateway.ClassAuth
	}
	return answer{poll: ccgateway.Poll{
		Outcome: ccgateway.OutcomeHTTPError, Class: class, Status: status, MayHaveLost: status >= 500,
		Err: &ccgateway.StatusError{Operation: "poll", Agent: "291", Status: status, Class: class},
	}}
}

func gotNothing(o ccgateway.Outcome) answer {
	return answer{poll: ccgateway.Poll{
		Outcome: o, Class: ccgateway.ClassAgain, MayHaveLost: o == ccgateway.OutcomeUnknown,
		Err: errors.New("connection reset by peer"),
	}}
}

func gotEmpty() answer {
	return answer{poll: ccgateway.Poll{Outcome: ccgateway.OutcomeEmpty, Code: "0"}}
}

func refusal(code string) error {
	return &ccgateway.CodeError{Operation: "sign in", Agent: "291", Code: code, Class: ccgateway.Classify(code)}
}

// names of the messages stored about an agent, in order: the last two tokens of
// their subjects.
func (s *stage) stored() []string {
	var out []string
	for _, m := range s.store.messages() {
		tokens := strings.Split(m.Subject, ".")
		out = append(out, strings.Join(tokens[len(tokens)-2:], "."))
	}
	return out
}

func (s *stage) entry(id string) (e schemas.Session) {
	value, _, _ := s.sessions.Get(context.Background(), schemas.AgentKey("acme", id))
	_ = json.Unmarshal(value, &e)
	return e
}

func (s *stage) state(id string) (k schemas.AgentState) {
	value, _, _ := s.states.Get(context.Background(), schemas.AgentKey("acme", id))
	_ = json.Unmarshal(value, &k)
	return k
}

// bodies decodes the bodies of all messages of one type.
func bodies[T any](s *stage, messageType string) (out []T) {
	for _, m := range s.store.messages() {
		if m.Type == messageType {
			var v T
			if err := json.Unmarshal(m.Body, &v); err != nil {
				panic(err)
			}
			out = append(out, v)
		}
	}
	return out
}
