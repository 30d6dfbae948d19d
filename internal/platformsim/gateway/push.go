package gateway

import (
	"context"
	"encoding/json"
	"net/http"
	"sync"

	"aiccbridge/internal/platformsim/gateway/push"
	"aiccbridge/internal/platformsim/gateway/request"
	"aiccbridge/internal/platformsim/gateway/wire"
	"aiccbridge/internal/platformsim/truth"
	"aiccbridge/internal/platformsim/world"
)

// posting is what a session has whose events are posted.
type posting struct {
	to push.Target
	// Guarded by the session's mu:
	token  string
	stop   context.CancelFunc // set while somebody posts
	flight int                // events, oldest first, that a POST has
	parts  bool               // has ended, and its receiver is to hear of that
}

// postRoom is where sessions wait for Run to post their events.
type postRoom struct {
	wake chan struct{}

	mu    sync.Mutex
	fresh []*session
}

func (g *Gateway) poster() *push.Poster {
	o := g.o.Push
	o.Truth, o.Faults, o.Now, o.Logger = g.o.Truth, g.o.Faults, g.o.Now, g.o.Logger
	return push.New(o)
}

// post has the session's events posted from now on, if it wants that.
func (g *Gateway) post(s *session) {
	if s.posting == nil {
		return
	}
	g.posts.mu.Lock()
	g.posts.fresh = append(g.posts.fresh, s)
	g.posts.mu.Unlock()
	select {
	case g.posts.wake <- struct{}{}:
	default: // Run has been told already
	}
}

// postFresh begins to post for the sessions that wait for it, until ctx ends.
func (g *Gateway) postFresh(ctx context.Context, poster *push.Poster, all *sync.WaitGroup) {
	g.posts.mu.Lock()
	fresh := g.posts.fresh
	g.posts.fresh = nil
	g.posts.mu.Unlock()
	for _, s := range fresh {
		all.Go(func() { g.postAll(ctx, poster, s) })
	}
}

// postAll posts what comes for a session until it has ended; then that, where it was
// others who ended it.
func (g *Gateway) postAll(ctx context.Context, poster *push.Poster, s *session) {
	life, stop := context.WithCancel(ctx)
	defer stop()
	if s.claim(stop) {
		reached := poster.Run(ctx, life, s.posting.to, s)
		s.unclaim()
		if !reached {
			g.unreachable(s)
		}
	}
	if s.parting() {
		poster.Run(ctx, ctx, s.posting.to, &parting{session: s})
	}
}

// unreachable signs out an agent whose events nobody takes.
func (g *Gateway) unreachable(s *session) {
	st := g.slot(s.agent)
	st.mu.Lock()
	defer st.mu.Unlock()
	if st.session == s {
		g.leave(st, departure{change: "unreachable", cause: 262, code: "100-006"})
	}
}

// target is where a sign-in wants its events posted; nil: nowhere, they are polled.
func (g *Gateway) target(body request.SignIn) (to *posting, code string) {
	var ok bool
	switch {
	case body.PushURL != "" && g.o.Push.Ways != "list":
		to = &posting{}
		to.to, ok = g.o.Push.Single(string(body.PushURL))
	case body.CallBackURI != "" && body.ServiceToken != "" && g.o.Push.Ways != "single":
		to = &posting{token: string(body.ServiceToken)}
		to.to, ok = g.o.Push.List(string(body.CallBackURI))
	default:
		return nil, ""
	}
	if !ok {
		return nil, "100-001"
	}
	return to, ""
}

// claim notes that somebody posts; false if the session has ended.
func (s *session) claim(stop context.CancelFunc) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.ended != "" {
		return false
	}
	s.posting.stop = stop
	return true
}

// unclaim ends that. What an ended session still has is gone.
func (s *session) unclaim() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.posting.stop, s.posting.flight = nil, 0
	if s.ended != "" {
		s.empty("session")
	}
}

// parting reports whether the receiver is to hear that the session has ended.
func (s *session) parting() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.posting.parts
}

// parting is the last event of a session, as a push.Source: that it was ended.
type parting struct {
	*session
	gone bool
}

func (p *parting) Waiting(context.Context, int) []json.RawMessage {
	if p.gone {
		return nil
	}
	return []json.RawMessage{p.o.Shape.Event(p.agent, p.shutdown())}
}

func (p *parting) Posted(_ int, taken bool) {
	p.gone = true
	p.o.Truth.Popped(p.popped(p.shutdown(), truth.Event{Cut: !taken, Way: "push"}))
}

// renewToken takes the token that a handshake brings; false: it is none.
func (s *session) renewToken(r *http.Request) bool {
	values := r.Header.Values("service_token")
	if s.posting == nil || len(values) == 0 || values[0] == "" {
		return true
	}
	if !request.ServiceToken(values[0]) {
		return false
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.posting.token = values[0]
	return true
}

// The methods of push.Source.

// Names are the agent's id, and the session's in truth.
func (s *session) Names() (agent, session string) { return s.agent, s.name }

// Keys are the newest GUID and the service token.
func (s *session) Keys() (guid, token string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.guids[len(s.guids)-1].value, s.posting.token
}

// Envelope is the answer of a poll that brings an event.
func (s *session) Envelope(event json.RawMessage) json.RawMessage {
	return s.o.Shape.Envelope("0", wire.Member("event", event))
}

// Waiting blocks until events wait, and returns them without taking them.
func (s *session) Waiting(ctx context.Context, most int) []json.RawMessage {
	for {
		s.mu.Lock()
		if s.ended != "" {
			s.mu.Unlock()
			return nil
		}
		events, arrived := s.peek(most), s.arrived
		s.mu.Unlock()
		if len(events) > 0 {
			return events
		}
		select {
		case <-ctx.Done():
			return nil
		case <-arrived:
		}
	}
}

// peek prints the oldest events. The caller holds mu.
func (s *session) peek(most int) []json.RawMessage {
	queue := s.queue
	if most > 0 {
		queue = queue[:min(most, len(queue))]
	}
	out := make([]json.RawMessage, len(queue))
	for i, e := range queue {
		out[i] = s.o.Shape.Event(s.agent, e)
	}
	s.posting.flight = len(out)
	return out
}

// Posted takes the first n events out of the queue.
func (s *session) Posted(n int, taken bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, e := range s.queue[:n] {
		s.o.Truth.Popped(s.popped(e, truth.Event{Cut: !taken, Way: "push"}))
	}
	s.queue = s.queue[n:]
	s.posting.flight = 0
}

// popped completes the entry of truth about an event that leaves the queue.
func (s *session) popped(e world.Event, t truth.Event) truth.Event {
	t.At, t.Agent, t.Session, t.Type, t.Content, t.GeneratedAt = s.o.Now(), s.agent, s.name, e.Type, e.Content, e.At
	if len(e.Content) == 0 {
		t.Content = json.RawMessage("null")
	}
	return t
}
