package gateway

import (
	"encoding/json"
	"net/http"
	"strconv"

	"aiccbridge/internal/platformsim/gateway/request"
	"aiccbridge/internal/platformsim/gateway/wire"
	"aiccbridge/internal/platformsim/pause"
	"aiccbridge/internal/platformsim/truth"
	"aiccbridge/internal/platformsim/world"
)

// signIn is PUT onlineagent/{agentid} and, with force, …/forcelogin (pages
// cec_07_1202, cec_07_1203), or onlineagent/loginbyaccount, which has no page.
func (g *Gateway) signIn(force bool) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		body, code := request.ReadSignIn(r.Body)
		agent := g.whose(r, &body)
		in := world.SignIn{}
		if code == "" {
			in, code = body.Check()
		}
		if code == "" && g.o.NoRestStatus && in.Status == world.Resting {
			code = "100-011"
		}
		if code == "" && !agentID.MatchString(agent) {
			code = "000-002"
		}
		st := g.slot(agent)
		if code == "" && st == nil {
			code = "100-004"
		}
		var to *posting
		if code == "" {
			to, code = g.target(body)
		}
		if code == "" {
			code = g.admit(r, st, string(body.Password), force)
		}
		if code != "" {
			g.answer(w, code, wire.Pair{})
			return
		}
		s, code := g.open(st, g.welcoming(r), to, body.SignInMode, in)
		if s == nil {
			g.answer(w, code, wire.Pair{})
			return
		}
		g.post(s)
		g.welcome(w, s, body.Media())
	}
}

// whose is the agent of a sign-in: the path says so or, with loginbyaccount, the account,
// whose telephone is the one that it has.
func (g *Gateway) whose(r *http.Request, body *request.SignIn) string {
	if agent := r.PathValue("agent"); agent != "" {
		return agent
	}
	if known, ok := g.o.Floor.Agent(string(body.Account)); ok && body.Phone == "" {
		body.Phone = request.Text(known.Phone)
	}
	return string(body.Account)
}

// admit checks the password and clears the slot; "" admits, and the slot is
// then marked as signing in.
func (g *Gateway) admit(r *http.Request, st *slot, password string, force bool) string {
	known, _ := g.o.Floor.Agent(st.id)
	st.mu.Lock()
	if code := g.checkPassword(st, known.Password == password); code != "" {
		st.mu.Unlock()
		return code
	}
	g.expireSlot(st)
	switch {
	case st.signingIn:
		st.mu.Unlock()
		return "100-021"
	case st.session != nil && !force:
		st.mu.Unlock()
		return "100-002"
	case st.session != nil:
		st.ghost = st.session
		g.leave(st, departure{change: "displaced", cause: 264, code: g.o.DisplacedCode, told: true})
	}
	st.signingIn = true
	st.mu.Unlock()
	pause.For(r.Context(), g.o.SignInTime) // the sign-in goes on without its client
	return ""
}

// checkPassword counts wrong ones. The caller holds st.mu.
func (g *Gateway) checkPassword(st *slot, right bool) string {
	now := g.o.Now()
	switch {
	case now.Before(st.lockedUntil):
		return "110-021"
	case right:
		st.wrong = 0
		return ""
	}
	if st.wrong++; st.wrong >= g.o.MaxWrongPasswords {
		st.wrong, st.lockedUntil = 0, now.Add(g.o.LockTime)
		return "110-021"
	}
	return "100-004"
}

// open begins the session; nil with a code when the contact centre refuses.
func (g *Gateway) open(st *slot, at node, to *posting, mode json.RawMessage, in world.SignIn) (*session, string) {
	st.mu.Lock()
	defer st.mu.Unlock()
	st.signingIn = false
	st.sessions++
	s := newSession(&g.o, at, st.id, st.sessions)
	s.posting, s.mode = to, mode
	in.Deliver = s.deliver
	begun, err := g.o.Floor.SignIn(st.id, in)
	if err != nil {
		g.o.Logger.Warn().Err(err).Str("agent", st.id).Msg("sign-in refused by the contact centre")
		return nil, "100-003"
	}
	s.loginTime = begun
	st.session = s
	g.o.Truth.Session(truth.Session{At: begun, Agent: st.id, Session: s.name, Change: "signed_in"})
	g.o.Logger.Debug().Str("agent", st.id).Msg("agent signed in")
	return s, ""
}

func (g *Gateway) welcome(w http.ResponseWriter, s *session, media string) {
	key := s.newest()
	sendGUID(w.Header(), key)
	w.Header().Set("Guid", key)
	if !g.o.NoCookie {
		http.SetCookie(w, &http.Cookie{Name: cookieName, Value: s.node.cookie, Path: "/", HttpOnly: true})
	}
	g.answer(w, "0", wire.Member("result", wire.Object(
		wire.Member("vdnid", json.RawMessage(strconv.Itoa(g.o.VDN))),
		wire.Member("workno", wire.Text(s.agent)),
		wire.Member("mediatype", wire.Text(media)),
		wire.Member("loginTime", wire.Milliseconds(s.loginTime)),
		wire.Member("isForceChange", wire.Text("false")),
		wire.Member("serverName", wire.Text("AgentGateway")),
		wire.Member("timeRemaining", wire.Text("9")),
	)))
}
