package proxy

import (
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"

	"github.com/google/uuid"

	"aiccbridge/internal/ccgateway"
	"aiccbridge/internal/foreign"
	"aiccbridge/poller/proxy/onward"
	"aiccbridge/poller/proxy/post"
)

// defaultNode ends a GUID when the gateway's own does not say on which node it is.
const defaultNode = "AgentGateway0"

// byAccount stands in the place of the agent where the gateway finds out who it is.
const byAccount = "loginbyaccount"

// maxBody is the limit of a sign-in.
const maxBody = 64 << 10

// pushFields of a sign-in say that the events are to be pushed. The gateway is not told: it is
// polled.
var pushFields = []string{"callBackUri", "serviceToken", "pushUrl"}

// hints are what one of them may be written with where the gateway reads more than JSON.
var hints = []string{"callbackuri", "servicetoken", "pushurl", `\u`}

// wish is what a client wants when it signs in.
type wish struct {
	body []byte    // without what is not the gateway's business
	way  *post.Way // nil: it polls
}

// read reads the body of a sign-in. What is no JSON the gateway is to refuse, unless it may read a
// wish for pushes there: they would lead round the stream.
func (p *Proxy) read(r *http.Request) (wish, error) {
	body, err := io.ReadAll(io.LimitReader(r.Body, maxBody+1))
	if err != nil || len(body) > maxBody {
		return wish{}, cmp.Or(err, errors.New("it is too long"))
	}
	var fields map[string]json.RawMessage
	if json.Unmarshal(body, &fields) != nil {
		if text := strings.ToLower(string(foreign.Clean(body, r.Header.Get("Content-Type")))); slices.ContainsFunc(hints, func(h string) bool { return strings.Contains(text, h) }) {
			return wish{}, errors.New("it is no JSON object, and may ask for pushes")
		}
		return wish{body: body}, nil
	}
	asked, err := takePushFields(fields)
	if err != nil || len(asked) == 0 {
		return wish{body: body}, err
	}
	if body, err = json.Marshal(fields); err != nil {
		return wish{}, err
	}
	w := wish{body: body}
	both := asked["callBackUri"] != "" && asked["serviceToken"] != ""
	switch {
	case both && asked["pushUrl"] != "":
		return w, errors.New("it asks for pushes in both dialects")
	case both:
		w.way = &post.Way{URI: asked["callBackUri"], Token: asked["serviceToken"]}
	case asked["pushUrl"] != "":
		w.way = &post.Way{Old: true, URI: asked["pushUrl"]}
	default:
		return w, nil // one of two is none (cec_07_1202)
	}
	return w, p.o.Poster.Check(*w.way)
}

// takePushFields takes the fields that say how events are to be pushed out of a sign-in.
func takePushFields(fields map[string]json.RawMessage) (asked map[string]string, err error) {
	asked = map[string]string{}
	for name, value := range fields {
		for _, f := range pushFields {
			if !strings.EqualFold(name, f) {
				continue
			}
			if _, twice := asked[f]; twice { // the gateway may take the other one
				err = errors.New("it has " + f + " twice")
			}
			asked[f] = foreign.Of(value).Literal()
			delete(fields, name)
		}
	}
	return asked, err
}

// checkAgent reports why nobody can sign in at this path.
func (c call) checkAgent() error {
	if c.parts[1] != byAccount && !agentForm.MatchString(c.parts[1]) {
		return errors.New("the agent's id is not one to ten digits")
	}
	return nil
}

// signIn passes a sign-in on. If it succeeds, the session is learnt and polled from then on, and
// the client gets a GUID of its own.
func (t *term) signIn(w http.ResponseWriter, r *http.Request, c call, b *badge) {
	if !t.stays() {
		t.p.refuse(w, http.StatusServiceUnavailable, codeFailed)
		return
	}
	defer t.running.Done()
	asked, err := t.p.read(r)
	if err = cmp.Or(err, c.checkAgent()); err != nil {
		t.p.log.Warn().Err(err).Str("agent", fmt.Sprintf("%.20s", c.parts[1])).Msg("sign-in of a client is refused")
		t.p.say(w, codeParameter)
		return
	}
	var d *desk
	if c.parts[1] != byAccount {
		d = t.desk(c.parts[1])
		d.arrives()
	}
	a, err := t.p.pass.Exchange(r, c.path, asked.body, b.session())
	ticket := ""
	if err == nil && a.Code() == "0" {
		if ticket = ccgateway.TicketOf(a.Header); ticket == "" {
			t.p.log.Warn().Str("agent", c.parts[1]).Msg("gateway takes a sign-in and tells no guid; the agent is not polled")
		}
	}
	if d == nil && ticket != "" {
		result, _ := a.Object().One("result")
		if agent := onward.Text(result, "workno"); agentForm.MatchString(agent) {
			d = t.desk(agent)
			d.arrives()
		} else {
			err = errors.New("the gateway does not say which agent has signed in (workno)")
		}
	}
	switch {
	case err != nil:
		t.p.log.Warn().Err(err).Str("agent", c.parts[1]).Msg("sign-in of a client fails")
		t.p.refuse(w, http.StatusBadGateway, codeFailed)
	case ticket == "":
		a.CopyTo(w)
		a.Write(w)
	default:
		t.welcome(w, r, d, asked, a, ticket)
		return
	}
	if d != nil {
		d.refused()
	}
}

// welcome takes the session over and answers the client.
func (t *term) welcome(w http.ResponseWriter, r *http.Request, d *desk, asked wish, a onward.Reply, ticket string) {
	session := t.p.o.Gateway.Agent(d.agent)
	session.Resume(ticket)
	node := defaultNode
	if _, at, ok := strings.Cut(session.GUID(), "."); ok && at != "" {
		node = at
	}
	result, _ := a.Object().One("result")
	mine := &badge{desk: d, guid: uuid.NewString() + "." + node, way: asked.way, place: who(r), cookie: ownCookie(r) != ""}
	d.admit(session, ticket, onward.Text(result, "loginTime"), mine)
	t.keepDesk(r.Context(), d)
	if t.deposed() != nil { // the next owner finds the session, and is to make the client's GUID
		t.p.refuse(w, http.StatusServiceUnavailable, codeFailed)
		return
	}
	t.p.counts.answers.WithLabelValues(t.p.o.Record.Tenant, "signed_in").Inc()
	t.p.log.Info().Str("agent", d.agent).Bool("pushes", asked.way != nil).Msg("agent signed in through the bridge")
	a.CopyTo(w)
	w.Header()["Set-GUID"] = []string{"JSESSIONID=" + mine.guid} // as it is spelt: net/http would write Set-Guid
	if a.Header.Get("Guid") != "" {
		w.Header().Set("Guid", mine.guid)
	}
	if ownCookie(r) == "" {
		http.SetCookie(w, &http.Cookie{Name: cookieName, Value: newCookie(), Path: "/", HttpOnly: true, Secure: r.TLS != nil})
	}
	a.Write(w)
}

// signOut takes a client away. The agent is signed out with the last of them.
func (t *term) signOut(w http.ResponseWriter, r *http.Request, c call, b *badge) {
	if t.leaveOthers(b) {
		t.p.log.Info().Str("agent", b.desk.agent).Msg("client signs out; others of the agent go on")
		t.p.answer(w, "own", idle)
		return
	}
	s := b.session()
	a, err := t.p.pass.Exchange(r, c.path, nil, s)
	if err != nil {
		t.p.refuse(w, http.StatusBadGateway, codeFailed)
		return
	}
	s.Learn(a.Header)
	if code := a.Code(); code == "0" || code == codeNotSignedIn {
		t.mu.Lock()
		t.drop(b)
		t.mu.Unlock()
		t.p.log.Info().Str("agent", b.desk.agent).Msg("agent signed out through the bridge")
	}
	a.CopyTo(w)
	a.Write(w)
}

// leaveOthers takes a badge away if there are others of the agent.
func (t *term) leaveOthers(b *badge) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.supersede(b)
	if len(b.desk.badges) < 2 || b.desk.over {
		return false
	}
	t.drop(b)
	return true
}
