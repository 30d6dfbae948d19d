package gateway

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"sync"
	"time"

	"github.com/google/uuid"

	"aiccbridge/internal/platformsim/fault"
	"aiccbridge/internal/platformsim/gateway/wire"
	"aiccbridge/internal/platformsim/pause"
	"aiccbridge/internal/platformsim/truth"
	"aiccbridge/internal/platformsim/world"
)

// guid is one of the keys of a session. In dynamic mode several are valid at
// a time.
type guid struct {
	value  string
	issued time.Time
}

// session is one sign-in of one agent.
type session struct {
	o         *Options
	agent     string
	name      string // in truth: "<agent>-<n>"
	node      node
	posting   *posting        // nil: its events are polled
	mode      json.RawMessage // signInMode
	loginTime time.Time

	mu       sync.Mutex
	guids    []guid // oldest first
	queue    []world.Event
	arrived  chan struct{} // closed when something arrives or the session ends
	ended    string        // retcode for those who still ask; "": not ended
	over     time.Time     // when it ended
	lastSeen time.Time
	polling  int  // polls being held
	told     bool // knows by event that it was displaced; guarded by slot.mu
}

func newSession(o *Options, at node, agent string, n int) *session {
	now := o.Now()
	s := &session{
		o: o, agent: agent, name: fmt.Sprintf("%s-%d", agent, n), node: at,
		arrived: make(chan struct{}), lastSeen: now, loginTime: now,
	}
	s.issue(now)
	return s
}

// issue makes a new GUID. The caller holds mu, or is alone.
func (s *session) issue(now time.Time) string {
	g := guid{value: uuid.NewString() + "." + s.node.name, issued: now}
	s.guids = append(s.guids, g)
	return g.value
}

// newest returns the GUID issued last.
func (s *session) newest() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.guids[len(s.guids)-1].value
}

// knows reports whether value is a GUID of this session that still lives.
func (s *session) knows(value string, now time.Time) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, g := range s.guids {
		if g.value == value && (s.o.StaticGUID || now.Before(g.issued.Add(s.o.GUIDTimeout))) {
			return true
		}
	}
	return false
}

// rotate issues a new GUID if the newest has come of age, and puts it into
// the answer. It is sent once: who misses it is left with the old one.
func (s *session) rotate(h http.Header) {
	if s.o.StaticGUID {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	now := s.o.Now()
	if now.Sub(s.guids[len(s.guids)-1].issued) < s.o.GUIDInterval {
		return
	}
	sendGUID(h, s.issue(now))
	if len(s.guids) > 4 {
		s.guids = s.guids[1:] // older ones are long dead
	}
}

// sendGUID puts a GUID into an answer. The header's name is written as the platform
// writes it, not as net/http would: clients of the vendor compare it as it is spelt,
// and take all that follows JSESSIONID= for the GUID.
func sendGUID(h http.Header, key string) {
	h["Set-GUID"] = []string{"JSESSIONID=" + key}
}

// renew replaces all GUIDs by a new one (updateGuid).
func (s *session) renew() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.guids = nil
	return s.issue(s.o.Now())
}

// seen breaks the silence.
func (s *session) seen() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.lastSeen = s.o.Now()
}

// silent reports whether the agent has not polled for MAXTIME, or sent no heartbeat.
func (s *session) silent(now time.Time) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	limit := s.o.MaxTime
	if s.posting != nil {
		limit = s.o.Push.MaxSilence
	}
	return s.polling == 0 && now.Sub(s.lastSeen) >= limit
}

// deliver queues an event; a full queue gives up its oldest.
func (s *session) deliver(e world.Event) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.ended != "" {
		return
	}
	if len(s.queue) >= s.o.MaxQueue {
		oldest := 0
		if s.posting != nil {
			oldest = min(s.posting.flight, len(s.queue)-1) // those before are on their way
		}
		s.drop(s.queue[oldest], "overflow")
		s.queue = slices.Delete(s.queue, oldest, oldest+1)
	}
	s.queue = append(s.queue, e)
	s.ring()
}

// first puts an event in front of all others.
func (s *session) first(e world.Event) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.queue = append([]world.Event{e}, s.queue...)
	s.ring()
}

// ring wakes the held polls. The caller holds mu.
func (s *session) ring() {
	close(s.arrived)
	s.arrived = make(chan struct{})
}

func (s *session) drop(e world.Event, why string) {
	s.o.Truth.Dropped(truth.Drop{At: s.o.Now(), Agent: s.agent, Session: s.name, Type: e.Type, Content: e.Content, Reason: why})
}

// clear empties the queue, but for what is on its way.
func (s *session) clear(why string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	var under []world.Event
	if s.posting != nil {
		n := s.posting.flight
		under, s.queue = s.queue[:n:n], s.queue[n:]
	}
	s.empty(why)
	s.queue = under
}

func (s *session) empty(why string) {
	for _, e := range s.queue {
		s.drop(e, why)
	}
	s.queue = nil
}

// end closes the session: held polls and later ones answer code. Who posts its events posts
// that as well, if told.
func (s *session) end(code string, told bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.ended, s.over = code, s.o.Now()
	if s.posting != nil {
		s.posting.parts = told
	}
	if s.posting != nil && s.posting.stop != nil {
		s.posting.stop() // who posts empties the queue
	} else {
		s.empty("session")
	}
	s.ring()
}

// shutdown is the event that says to a session that it was ended.
func (s *session) shutdown() world.Event {
	content := wire.Object(wire.Member("loginTime", wire.Milliseconds(s.loginTime)))
	return world.Event{At: s.over, Type: "AgentOther_ShutdownService", Content: content}
}

func (s *session) waiting() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.queue)
}

// popped is an event taken out of a queue, and its number in truth.
type popped struct {
	world.Event
	session *session
	n       uint64
}

// outcome of waiting for an event.
type outcome int

const (
	gotEvent outcome = iota
	gotNothing
	sessionOver
	clientGone
)

// begin notes the begin of a poll.
func (s *session) begin() {
	s.mu.Lock()
	defer s.mu.Unlock()
	now, silence := s.o.Now(), time.Duration(0)
	if s.polling == 0 {
		silence = now.Sub(s.lastSeen)
	}
	s.o.Truth.Polled(s.agent, silence, s.polling)
	s.polling++
	s.lastSeen = now
}

// next waits for the next event, at most for the hold. It takes an event only
// for a client that is still there. fault is noted in truth.
func (s *session) next(ctx context.Context, fault func() *fault.Rule) (popped, *fault.Rule, outcome) {
	s.begin()
	defer func() {
		s.mu.Lock()
		defer s.mu.Unlock()
		s.polling--
		s.lastSeen = s.o.Now()
	}()
	begin := time.Now()
	hold := time.NewTimer(time.Duration(s.o.WaitTimes) * s.o.WaitInterval)
	defer hold.Stop()
	for {
		p, f, out, arrived := s.take(ctx, fault)
		if out != gotNothing || s.o.NoHold {
			return p, f, out
		}
		select {
		case <-ctx.Done():
			return popped{}, nil, clientGone
		case <-hold.C:
			return popped{}, nil, gotNothing
		case <-arrived:
			s.align(ctx, begin)
		}
	}
}

// take looks into the queue once.
func (s *session) take(ctx context.Context, fault func() *fault.Rule) (popped, *fault.Rule, outcome, <-chan struct{}) {
	s.mu.Lock()
	defer s.mu.Unlock()
	switch {
	case s.ended != "":
		return popped{}, nil, sessionOver, nil
	case ctx.Err() != nil:
		return popped{}, nil, clientGone, nil
	case len(s.queue) == 0:
		return popped{}, nil, gotNothing, s.arrived
	}
	f := fault()
	return s.pop(f), f, gotEvent, nil
}

// pop takes the oldest event and tells truth. The caller holds mu.
func (s *session) pop(f *fault.Rule) popped {
	e := s.queue[0]
	s.queue = s.queue[1:]
	t := truth.Event{}
	if f != nil {
		t.Fault = f.Fault
		t.Cut = loses(f)
	}
	return popped{Event: e, session: s, n: s.o.Truth.Popped(s.popped(e, t))}
}

// align waits for the end of the running step: the platform looks at its
// queue once per step.
func (s *session) align(ctx context.Context, begin time.Time) {
	step := s.o.WaitInterval
	if rest := step - time.Since(begin)%step; rest < step {
		pause.For(ctx, rest)
	}
}
