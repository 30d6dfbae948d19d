package gateway

import (
	"encoding/json"
	"errors"
	"io"
	"net"
	"net/http"
	"regexp"
	"strconv"
	"strings"
	"unicode"

	"aiccbridge/internal/platformsim/pause"
	"aiccbridge/internal/platformsim/truth"
	"aiccbridge/internal/platformsim/world"
)

// signInBody is what an agent sends, numbers and booleans also as strings.
type signInBody struct {
	Password      flexible `json:"password"`
	Phone         flexible `json:"phonenum"`
	AutoAnswer    flexible `json:"autoanswer"`
	AutoEnterIdle flexible `json:"autoenteridle"`
	ReleasePhone  flexible `json:"releasephone"`
	AgentType     flexible `json:"agenttype"`
	Status        flexible `json:"status"`
	IP            flexible `json:"ip"`
	CheckInWebM   flexible `json:"checkInWebm"`
	CheckInMailM  flexible `json:"checkInMailm"`
	CallBackURI   flexible `json:"callBackUri"`
	ServiceToken  flexible `json:"serviceToken"`
}

// flexible is a JSON string, number, boolean or null as text; objects and
// lists are refused.
type flexible string

func (f *flexible) UnmarshalJSON(b []byte) error {
	switch {
	case string(b) == "null":
		*f = ""
	case b[0] == '"':
		var s string
		if err := json.Unmarshal(b, &s); err != nil {
			return err
		}
		*f = flexible(s)
	case b[0] == '{' || b[0] == '[':
		return errors.New("value is not a string, number or boolean")
	default:
		*f = flexible(b)
	}
	return nil
}

// is reports whether f is true or false; without a value it is otherwise.
func (f flexible) is(otherwise bool) (value, ok bool) {
	switch strings.ToLower(string(f)) {
	case "":
		return otherwise, true
	case "true":
		return true, true
	case "false":
		return false, true
	}
	return false, false
}

// number reads f; without a value it is otherwise.
func (f flexible) number(otherwise int) (int, bool) {
	if f == "" {
		return otherwise, true
	}
	n, err := strconv.Atoi(string(f))
	return n, err == nil
}

var serviceToken = regexp.MustCompile(`^[0-9A-Za-z_-]{0,50}$`)

// check returns what the world needs, or the retcode of the first mistake.
func (b signInBody) check() (world.SignIn, string) {
	in := world.SignIn{Address: string(b.IP)}
	if code := b.checkWho(); code != "" {
		return in, code
	}
	if len(b.CallBackURI) > 200 || !serviceToken.MatchString(string(b.ServiceToken)) {
		return in, "100-001"
	}
	var ok bool
	if in.Status, ok = b.Status.number(world.Idle); !ok || in.Status < world.Busy || in.Status > world.WrapUp {
		return in, "100-011"
	}
	toIdle, ok1 := b.AutoEnterIdle.is(true)
	automatic, ok2 := b.AutoAnswer.is(true)
	release, ok3 := b.ReleasePhone.is(true)
	if !ok1 || !ok2 || !ok3 {
		return in, "100-011"
	}
	in.WrapUpAfterCall, in.OffHook = !toIdle, !release
	if b.AutoAnswer != "" {
		in.AutoAnswer = &automatic
	}
	return in, ""
}

// checkWho looks at password, phone, type and address; "" finds no mistake.
func (b signInBody) checkWho() string {
	if b.Password == "" || len(b.Password) > 32 || b.Phone == "" || len(b.Phone) > 24 {
		return "100-001"
	}
	if strings.ContainsFunc(string(b.Phone), func(r rune) bool { return !unicode.IsDigit(r) }) {
		return "100-013"
	}
	if n, ok := b.AgentType.number(4); !ok || (n != 4 && n != 11) {
		return "100-012"
	}
	if b.IP != "" && net.ParseIP(string(b.IP)) == nil {
		return "100-016"
	}
	return ""
}

func (b signInBody) media() string {
	out := []byte("TTF")
	if web, ok := b.CheckInWebM.is(true); ok && !web {
		out[1] = 'F'
	}
	if mail, ok := b.CheckInMailM.is(false); ok && mail {
		out[2] = 'T'
	}
	return string(out)
}

// signIn is PUT onlineagent/{agentid} and, with force, …/forcelogin (pages
// cec_07_1202, cec_07_1203).
func (g *Gateway) signIn(force bool) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		agent := r.PathValue("agent")
		body, code := readSignIn(r)
		in := world.SignIn{}
		if code == "" {
			in, code = body.check()
		}
		if code == "" && !agentID.MatchString(agent) {
			code = "000-002"
		}
		st := g.slot(agent)
		if code == "" && st == nil {
			code = "100-004"
		}
		if code == "" {
			code = g.admit(r, st, string(body.Password), force)
		}
		if code != "" {
			g.answer(w, code, pair{})
			return
		}
		s, code := g.open(st, g.welcoming(r), body, in)
		if s == nil {
			g.answer(w, code, pair{})
			return
		}
		g.welcome(w, s, body.media())
	}
}

func readSignIn(r *http.Request) (signInBody, string) {
	var body signInBody
	raw, err := io.ReadAll(r.Body)
	if err != nil || json.Unmarshal(raw, &body) != nil {
		return body, "000-006"
	}
	return body, ""
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
		g.leave(st, departure{change: "displaced", cause: 264, code: g.o.DisplacedCode})
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
func (g *Gateway) open(st *slot, at node, body signInBody, in world.SignIn) (*session, string) {
	st.mu.Lock()
	defer st.mu.Unlock()
	st.signingIn = false
	st.sessions++
	s := newSession(&g.o, at, st.id, st.sessions)
	s.push = body.CallBackURI != "" && body.ServiceToken != ""
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
	g.answer(w, "0", pair{"result", object(
		pair{"vdnid", json.RawMessage(strconv.Itoa(g.o.VDN))},
		pair{"workno", text(s.agent)},
		pair{"mediatype", text(media)},
		pair{"loginTime", milliseconds(s.loginTime)},
		pair{"isForceChange", text("false")},
		pair{"serverName", text("AgentGateway")},
		pair{"timeRemaining", text("9")},
	)})
}
