package gateway

import (
	"cmp"
	"encoding/json"
	"errors"
	"net/http"
	"regexp"
	"strconv"

	"aiccbridge/internal/platformsim/gateway/request"
	"aiccbridge/internal/platformsim/gateway/softphone"
	"aiccbridge/internal/platformsim/gateway/wire"
	"aiccbridge/internal/platformsim/world"
)

var agentID = regexp.MustCompile(`^\d{1,6}$`)

// agentEvent is the interface that polls for the events of one agent.
const agentEvent = "agentevent"

// route is one interface. Its name is what faults can be restricted by, faults
// the operation their names begin with.
type route struct {
	pattern, name, faults string
	handler               http.HandlerFunc
}

// table lists every interface.
func (g *Gateway) table() []route {
	online := base + "/onlineagent/{agent}"
	return append(g.softphone(), []route{
		{"PUT " + online, "onlineagent", onSignIn, g.signIn(false)},
		{"PUT " + base + "/onlineagent/loginbyaccount", "loginbyaccount", onSignIn, g.signIn(false)},
		{"PUT " + online + "/forcelogin", "forcelogin", onSignIn, g.signIn(true)},
		{"PUT " + online + "/loginex", "loginex", onSignIn, g.signIn(false)},
		{"PUT " + online + "/forceloginex", "forceloginex", onSignIn, g.signIn(true)},
		{"GET " + base + "/agentevent/{agent}", agentEvent, onPoll, g.poll},
		{"GET " + base + "/agentevent/allagentevent", "allagentevent", onPoll, g.pollAll},
		{"DELETE " + online + "/logout", "logout", onSession, g.signOut(true)},
		{"DELETE " + online + "/forcelogout", "forcelogout", onSession, g.signOut(false)},
		{"DELETE " + online + "/forcelogoutwithreason/{reason}", "forcelogoutwithreason", onSession, g.signOut(false)},
		{"POST " + online + "/resetskill/{auto}", "resetskill", onSession, g.session(g.resetSkills)},
		{"GET " + online + "/agentskills", "agentskills", onSession, g.session(g.skills)},
		{"GET " + online + "/agentskillsbyworkno/{other}", "agentskillsbyworkno", onSession, g.session(g.skills)},
		{"POST " + online + "/autoanswer/{flag}", "autoanswer", onSession, g.session(g.flag(Floor.AutoAnswer))},
		{"POST " + online + "/autoenteridle/{flag}", "autoenteridle", onSession, g.session(g.flag(Floor.AutoEnterIdle))},
		{"GET " + online + "/agentstatus", "agentstatus", onSession, g.session(g.agentStatus)},
		{"PUT " + online + "/updateGuid", "updateGuid", onSession, g.session(g.updateGUID)},
		{"POST " + online + "/handshake", "handshake", onSession, g.session(g.handshake)},
		{"PUT " + online + "/heartbeat", "heartbeat", onSession, g.session(g.heartbeat)},
		{"POST " + online + "/syncagentinfo", "syncagentinfo", onSession, g.session(g.syncInfo)},
		{"POST " + online + "/saybusy", "saybusy", onSession, g.session(g.sayBusy)},
		{"POST " + online + "/cancelbusy", "cancelbusy", onSession, g.session(g.ask(world.Wish{State: world.Idle, Of: world.Busy}))},
		{"POST " + online + "/sayfree", "sayfree", onSession, g.session(g.ask(world.Wish{State: world.Idle}))},
		{"POST " + online + "/work", "work", onSession, g.session(g.ask(world.Wish{State: world.WrapUp}))},
		{"POST " + online + "/cancelwork", "cancelwork", onSession, g.session(g.ask(world.Wish{State: world.Idle, Of: world.WrapUp}))},
		{"POST " + online + "/rest/{seconds}/{cause}", "rest", onSession, g.session(g.rest)},
		{"POST " + online + "/cancelrest", "cancelrest", onSession, g.session(g.ask(world.Wish{State: world.Idle, Of: world.Resting}))},
	}...)
}

// softphone are the interfaces of calls and chats.
func (g *Gateway) softphone() (all []route) {
	for _, c := range softphone.Calls(&g.files) {
		all = append(all, route{c.Method + " " + base + c.Path, c.Name, onSession, g.session(func(_ http.ResponseWriter, r *http.Request, s *session) reply {
			return reply(c.Do(g.o.Floor, s.agent, r))
		})})
	}
	return all
}

// interfaces are the names of the routes whose faults begin with an operation.
func interfaces(operation string) (names []string) {
	for _, r := range new(Gateway).table() {
		if r.faults == operation {
			names = append(names, r.name)
		}
	}
	return names
}

// routes fills the mux. Unknown paths answer 000-002.
func (g *Gateway) routes() {
	for _, r := range g.table() {
		g.words.Add(r.pattern)
		if r.name == map[string]string{"heartbeat": "handshake", "handshake": "heartbeat"}[g.o.Heartbeat] {
			continue // the edition has the other one
		}
		g.mux.HandleFunc(r.pattern, g.faulty(r))
	}
	g.mux.HandleFunc("/", g.nowhere)
}

// faulty lets a fault take the place of the answer.
func (g *Gateway) faulty(route route) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		if f := g.instead(r, route); f != nil {
			g.damage(w, r, f, nil)
			return
		}
		route.handler(w, r)
	}
}

// enter finds the running session a request belongs to, or the retcode of the
// refusal. The GUID alone says which one it is: a cookie only names the node.
func (g *Gateway) enter(r *http.Request) (*session, string) {
	agent := r.PathValue("agent")
	if !agentID.MatchString(agent) {
		return nil, "000-002"
	}
	st := g.slot(agent)
	if st == nil {
		return nil, "100-006"
	}
	st.mu.Lock()
	defer st.mu.Unlock()
	g.expireSlot(st)
	value, now := r.Header.Get("Guid"), g.o.Now()
	if s := st.session; s != nil && s.knows(value, now) && g.reaches(r, s) {
		if g.o.AnyRequestCounts {
			s.seen()
		}
		return s, ""
	}
	if ghost := st.ghost; ghost != nil && ghost.knows(value, now) {
		if g.o.ShutdownEvent && !ghost.told {
			return ghost, "" // it has ended, so its poll gets the farewell
		}
		return nil, ghost.endCode()
	}
	if st.session == nil || (st.session.knows(value, now) && !g.reaches(r, st.session)) {
		return nil, "100-006" // another node knows nothing of it
	}
	return nil, "000-003"
}

// entered is enter for an interface: it answers the refusal, with an inner member
// or the zero wire.Pair, and returns nil then.
func (g *Gateway) entered(w http.ResponseWriter, r *http.Request, inner wire.Pair) *session {
	s, code := g.enter(r)
	if s == nil {
		g.answer(w, code, inner)
	}
	return s
}

// reply is what a session interface answers.
type reply softphone.Reply

// session wraps an interface that needs a running session.
func (g *Gateway) session(call func(http.ResponseWriter, *http.Request, *session) reply) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		s := g.entered(w, r, wire.Member("result", wire.Text("")))
		if s == nil {
			return
		}
		a := call(w, r, s)
		inner := wire.Pair{}
		switch {
		case a.File != nil:
			_ = send(w, "application/octet-stream", a.File) // a client that has gone is told nothing
			return
		case a.Result != nil:
			inner = wire.Member("result", a.Result)
		}
		g.answer(w, a.Code, inner)
	}
}

// signOut is DELETE logout, forcelogout and forcelogoutwithreason (pages
// cec_07_1219…1221). An agent's own sign-out sends no event.
func (g *Gateway) signOut(polite bool) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		cause := 258
		if text := r.PathValue("reason"); text != "" {
			n, err := strconv.Atoi(text)
			if err != nil || n < 1 || n > 255 {
				g.answer(w, "100-005", wire.Pair{})
				return
			}
			cause = n
		}
		s := g.entered(w, r, wire.Pair{})
		if s == nil {
			return
		}
		if polite && g.o.Floor.Status(s.agent).InCall {
			g.answer(w, "100-010", wire.Pair{})
			return
		}
		st := g.slot(s.agent)
		st.mu.Lock()
		defer st.mu.Unlock()
		if st.session != s {
			g.answer(w, "100-006", wire.Pair{})
			return
		}
		g.leave(st, departure{change: "signed_out", cause: cause, code: "100-006"})
		g.answer(w, "0", wire.Pair{})
	}
}

func (g *Gateway) resetSkills(_ http.ResponseWriter, r *http.Request, s *session) reply {
	if auto := r.PathValue("auto"); (auto != "true" && auto != "false") || len(r.FormValue("skillid")) > 4000 {
		return reply{Code: "000-002"}
	}
	if g.o.Floor.ResetSkills(s.agent) != nil {
		return reply{Code: "100-006"}
	}
	return reply{Code: "0"}
}

// skills are those of the agent, or of the other one asked for.
func (g *Gateway) skills(_ http.ResponseWriter, r *http.Request, s *session) reply {
	skills := g.o.Floor.Skills(cmp.Or(r.PathValue("other"), s.agent))
	if skills == nil {
		return reply{Code: "000-002"}
	}
	list := make([][]byte, len(skills))
	for i, k := range skills {
		id, media := strconv.Itoa(k.ID), strconv.Itoa(k.Media)
		members := []wire.Pair{wire.Member("name", wire.Text(k.Name)), wire.Member("id", wire.Text(id)), wire.Member("mediatype", wire.Text(media))}
		if g.o.Shape.Variants {
			members[1].Value, members[2].Value = json.RawMessage(id), json.RawMessage(media)
		}
		list[i] = wire.Object(members...)
	}
	return reply{Code: "0", Result: wire.Array(list)}
}

// flag sets one of the agent's habits.
func (g *Gateway) flag(set func(f Floor, agent string, on bool) error) func(http.ResponseWriter, *http.Request, *session) reply {
	return func(_ http.ResponseWriter, r *http.Request, s *session) reply {
		switch on := r.PathValue("flag"); {
		case on != "true" && on != "false":
			return reply{Code: "000-002"}
		case set(g.o.Floor, s.agent, on == "true") != nil:
			return reply{Code: "100-006"}
		}
		return reply{Code: "0"}
	}
}

func (g *Gateway) agentStatus(_ http.ResponseWriter, _ *http.Request, s *session) reply {
	st := g.o.Floor.Status(s.agent)
	state := st.State
	if st.Pending != 0 {
		state = 9 // busy or rest was asked for
	}
	return reply{Code: "0", Result: wire.Object(
		wire.Member("agentState", json.RawMessage(strconv.Itoa(state))),
		wire.Member("isWorking", json.RawMessage(strconv.FormatBool(st.InCall))),
	)}
}

// updateGUID hands out a new GUID; the old ones are void at once.
func (g *Gateway) updateGUID(_ http.ResponseWriter, _ *http.Request, s *session) reply {
	return reply{Code: "0", Result: wire.Object(wire.Member("guid", wire.Text(s.renew())))}
}

// handshake is the heartbeat of push mode, and may bring a new service token; it works
// for every session.
func (g *Gateway) handshake(w http.ResponseWriter, r *http.Request, s *session) reply {
	if !s.renewToken(r) {
		return reply{Code: "100-001"}
	}
	s.seen()
	s.rotate(w.Header())
	return reply{Code: "0"}
}

// heartbeat is the one of older clients. Without loginTime they ask again at once;
// they look for a new GUID in no answer to it.
func (g *Gateway) heartbeat(_ http.ResponseWriter, _ *http.Request, s *session) reply {
	s.seen()
	return reply{Code: "0", Result: wire.Object(wire.Member("loginTime", wire.Milliseconds(s.loginTime)))}
}

// syncInfo clears the queue, as for a browser that was reloaded.
func (g *Gateway) syncInfo(_ http.ResponseWriter, _ *http.Request, s *session) reply {
	s.clear("cleared")
	state := map[int]string{world.Idle: "1", world.WrapUp: "2", world.Resting: "3", world.Busy: "4", world.InCall: "9"}
	number, ok := state[g.o.Floor.Status(s.agent).State]
	if !ok {
		number = "255"
	}
	info := []wire.Pair{
		wire.Member("workNo", wire.Text(s.agent)),
		wire.Member("state", json.RawMessage(number)),
		wire.Member("currentTime", wire.Milliseconds(g.o.Now())),
	}
	if s.mode != nil {
		info = append(info, wire.Member("signInMode", s.mode))
	}
	return reply{Code: "0", Result: wire.Object(
		wire.Member("callinfo", json.RawMessage(`{"callFeature":0,"callData":""}`)),
		wire.Member("agentStateInfo", wire.Object(info...)),
	)}
}

// ask requests a state.
func (g *Gateway) ask(wish world.Wish) func(http.ResponseWriter, *http.Request, *session) reply {
	return func(_ http.ResponseWriter, _ *http.Request, s *session) reply {
		return g.wish(s, wish)
	}
}

func (g *Gateway) wish(s *session, wish world.Wish) reply {
	switch err := g.o.Floor.Ask(s.agent, wish); {
	case errors.Is(err, world.ErrWrongState):
		return reply{Code: "100-009"}
	case err != nil:
		return reply{Code: "100-006"}
	}
	return reply{Code: "0"}
}

func (g *Gateway) sayBusy(_ http.ResponseWriter, r *http.Request, s *session) reply {
	prolong, ok := request.Text(r.FormValue("prolong")).Is(false)
	cause, number := request.Text(r.FormValue("reason")).Number(1)
	if !ok || !number || r.FormValue("reason") != "" && (cause < 200 || cause > 250) {
		return reply{Code: "000-002"}
	}
	return g.wish(s, world.Wish{State: world.Busy, Cause: cause, Prolong: prolong})
}

func (g *Gateway) rest(_ http.ResponseWriter, r *http.Request, s *session) reply {
	length, cause, ok := request.Rest(r.PathValue("seconds"), r.PathValue("cause"))
	prolong, known := request.Text(r.FormValue("prolong")).Is(false)
	if !ok || !known || length == 0 {
		return reply{Code: "000-002"}
	}
	return g.wish(s, world.Wish{State: world.Resting, Cause: cause, For: length, Prolong: prolong})
}
