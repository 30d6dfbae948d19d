package gateway

import (
	"context"
	"errors"
	"net"
	"net/http"
	"sync"
	"sync/atomic"
	"time"

	"aiccbridge/internal/platformsim/gateway/request"
	"aiccbridge/internal/platformsim/gateway/softphone"
	"aiccbridge/internal/platformsim/truth"
	"aiccbridge/internal/platformsim/world"
)

// base is the path in front of every interface.
const base = "/agentgateway/resource"

// maxBodyBytes bounds a request body; the largest documented field has 16 KiB.
const maxBodyBytes = 64 << 10

// Gateway is the simulated CC-Gateway, an http.Handler.
type Gateway struct {
	o     Options
	mux   *http.ServeMux
	words request.Words // of the paths
	nodes []node
	turn  atomic.Uint64 // sign-ins that the balancer has shared out
	posts postRoom
	files softphone.Files

	mu    sync.Mutex
	slots map[string]*slot
}

// slot is an agent as the gateway knows him.
type slot struct {
	id string

	mu          sync.Mutex
	session     *session // nil: signed out
	ghost       *session // ended by somebody else; may still be asked for
	signingIn   bool
	sessions    int
	wrong       int // wrong passwords in a row
	lockedUntil time.Time
}

// New builds a gateway in which nobody is signed in.
func New(o Options) (*Gateway, error) {
	o, err := o.withDefaults()
	if err != nil {
		return nil, err
	}
	g := &Gateway{o: o, mux: http.NewServeMux(), words: request.NewWords(), nodes: o.nodes(), slots: make(map[string]*slot), posts: postRoom{wake: make(chan struct{}, 1)}}
	g.routes()
	return g, nil
}

// ServeHTTP answers one request.
func (g *Gateway) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if use := connOf(r.Context()); use != nil {
		use.requests.Add(1)
	}
	if r.Body != nil {
		r.Body = http.MaxBytesReader(w, r.Body, softphone.MaxBody(r, maxBodyBytes))
	}
	spelt, url := *r, *r.URL
	url.Path, url.RawPath = g.words.Spell(url.Path), ""
	spelt.URL = &url
	if r.Method == http.MethodHead { // net/http would take it for a GET, which pops an event
		g.nowhere(w, &spelt)
		return
	}
	g.mux.ServeHTTP(w, &spelt)
}

// Run ends the sessions of agents who have fallen silent, and posts the events of those
// who do not poll, until ctx ends.
func (g *Gateway) Run(ctx context.Context) error {
	var posting sync.WaitGroup
	defer posting.Wait()
	poster := g.poster()
	tick := time.NewTicker(min(time.Second, g.o.MaxTime/4))
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-g.posts.wake:
			g.postFresh(ctx, poster, &posting)
		case <-tick.C:
			g.expire()
		}
	}
}

// expire signs silent agents out.
func (g *Gateway) expire() {
	g.mu.Lock()
	slots := make([]*slot, 0, len(g.slots))
	for _, s := range g.slots {
		slots = append(slots, s)
	}
	g.mu.Unlock()
	for _, s := range slots {
		s.mu.Lock()
		g.expireSlot(s)
		s.mu.Unlock()
	}
}

// expireSlot looks at one slot. The caller holds its mu.
func (g *Gateway) expireSlot(s *slot) {
	if s.session != nil && s.session.silent(g.o.Now()) {
		g.leave(s, departure{change: "silent", cause: 263, code: "100-006", told: true})
	}
}

// departure is how a session ends.
type departure struct {
	change string // in truth
	cause  int    // of the sign-out row
	code   string // retcode for polls of the old session
	told   bool   // the session may hear of it by an event
}

// leave ends the slot's session. The caller holds s.mu.
func (g *Gateway) leave(s *slot, d departure) {
	old := s.session
	s.session = nil
	told := d.told && g.o.ShutdownEvent
	old.end(d.code, told)
	old.told = told && old.posting != nil // its heartbeats need not say it, too
	if err := g.o.Floor.SignOut(s.id, d.cause); err != nil && !errors.Is(err, world.ErrSignedOut) {
		g.o.Logger.Warn().Err(err).Str("agent", s.id).Msg("sign-out refused by the contact centre")
	}
	g.o.Truth.Session(truth.Session{At: g.o.Now(), Agent: s.id, Session: old.name, Change: d.change})
	g.o.Logger.Debug().Str("agent", s.id).Str("change", d.change).Msg("agent left")
}

// Expel signs an agent out as an inspector does. His session learns it by the
// event AgentOther_ShutdownService (Options.ShutdownEvent), then by 100-006.
// It reports whether the agent was signed in.
func (g *Gateway) Expel(agent string) bool {
	s := g.slot(agent)
	if s == nil {
		return false
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.session == nil {
		return false
	}
	s.ghost = s.session
	g.leave(s, departure{change: "forced_out", cause: 257, code: "100-006", told: true})
	return true
}

// slot finds a configured agent; nil if there is none.
func (g *Gateway) slot(agent string) *slot {
	if _, ok := g.o.Floor.Agent(agent); !ok {
		return nil
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	s := g.slots[agent]
	if s == nil {
		s = &slot{id: agent}
		g.slots[agent] = s
	}
	return s
}

// Pending is the number of events waiting in all queues.
func (g *Gateway) Pending() int {
	n := 0
	for _, s := range g.sessions() {
		n += s.waiting()
	}
	return n
}

// sessions lists the running sessions.
func (g *Gateway) sessions() []*session {
	g.mu.Lock()
	defer g.mu.Unlock()
	var out []*session
	for _, s := range g.slots {
		s.mu.Lock()
		if s.session != nil {
			out = append(out, s.session)
		}
		s.mu.Unlock()
	}
	return out
}

// connUse counts the requests of one connection.
type connUse struct{ requests atomic.Int64 }

type connKey struct{}

// ConnContext is for http.Server.ConnContext: with it the gateway can tell a
// reused connection from a fresh one (faults cut_reused).
func ConnContext(ctx context.Context, _ net.Conn) context.Context {
	return context.WithValue(ctx, connKey{}, new(connUse))
}

func connOf(ctx context.Context) *connUse {
	use, _ := ctx.Value(connKey{}).(*connUse)
	return use
}

// reused reports whether the request's connection has served another before.
func reused(r *http.Request) bool {
	use := connOf(r.Context())
	return use != nil && use.requests.Load() > 1
}
