package proxy

import (
	"context"
	"io"
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"aiccbridge/internal/ccgateway"
	"aiccbridge/poller/proxy/onward"
)

// What the gateway says, in its own codes (cec_07_1430).
const (
	codeWrongWay    = "000-001"
	codeBadURL      = "000-002"
	codeParameter   = "100-001"
	codeNotSignedIn = "100-006"
	codeFailed      = "100-007"
)

var texts = map[string]string{
	codeWrongWay:    "The method of obtaining events is wrong.",
	codeBadURL:      "The URL or a parameter is wrong.",
	codeParameter:   "A sign-in parameter is empty or invalid.",
	codeNotSignedIn: "The agent has not signed in.",
	codeFailed:      "The gateway cannot be reached.",
}

// idle is the answer to a poll when there is no event. Some clients compare the whole text.
const idle = `{"message":"","retcode":"0"}`

// Base is what the path of every call begins with, behind the tenant's name.
const Base = "/agentgateway/resource/"

// maxCallBytes limits what a client sends with a call: files for chats are the largest.
const maxCallBytes = 64 << 20

// readWithin is how long the body of a call may take to come, callWithin the whole call.
const (
	readWithin = time.Minute
	callWithin = 3 * time.Minute
)

// Handler serves the clients of several tenants: each at /<tenant>/agentgateway/resource/…, and
// the only one of its kind at /agentgateway/resource/… as well.
type Handler struct{ Tenants map[string]*Proxy }

// slashes are several where one is meant: the vendor's own client puts "/agentevent" behind an address
// that ends with "/", and the gateway takes them for one.
var slashes = regexp.MustCompile(`//+`)

// ServeHTTP answers one call.
func (h Handler) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	path := slashes.ReplaceAllString(r.URL.EscapedPath(), "/")
	for name, p := range h.Tenants {
		rest, ok := strings.CutPrefix(path, "/"+name+Base)
		if !ok && len(h.Tenants) == 1 {
			rest, ok = strings.CutPrefix(path, Base)
		}
		if ok {
			p.ServeCall(w, r, rest)
			return
		}
	}
	http.NotFound(w, r)
}

// call is a call of a client.
type call struct {
	path  string   // below the base, escaped as it came
	parts []string // of it, decoded and in small letters: the gateway does not look at the case
}

// parse reads the path of a call. One that another server could read in another way is none: it
// might lead round what is decided here.
func parse(path string) (c call, ok bool) {
	c.path = path
	for part := range strings.SplitSeq(strings.TrimSuffix(path, "/"), "/") {
		plain, err := url.PathUnescape(part)
		if err != nil || strings.Trim(plain, ".") == "" || strings.ContainsAny(plain, `;/\%`) || strings.ContainsFunc(plain, unprintable) {
			return c, false
		}
		c.parts = append(c.parts, strings.ToLower(plain))
	}
	return c, interfaceForm.MatchString(c.parts[0])
}

// unprintable reports what is no sign of ASCII, or a blank: some servers cut it off, or take it for
// a letter that looks alike.
func unprintable(r rune) bool { return r <= ' ' || r > '~' }

// signInForm is an interface of sign-in behind the agent, as clients of all years know them;
// interfaceForm is what each call begins with, agentForm the id of an agent as it may sign in: with
// zeros before it one agent would have several.
var (
	signInForm    = regexp.MustCompile(`^(force)?login(ex)?(withoutphone)?$`)
	interfaceForm = regexp.MustCompile(`^[a-z]+$`)
	agentForm     = regexp.MustCompile(`^[1-9][0-9]{0,9}$`)
)

// is reports a call of onlineagent/{id}/<one of the names>.
func (c call) is(names ...string) bool {
	return len(c.parts) > 2 && c.parts[0] == "onlineagent" && slices.Contains(names, c.parts[2])
}

// signsIn reports a path at which an agent signs in, if it is a PUT.
func (c call) signsIn() bool {
	return c.parts[0] == "onlineagent" && (len(c.parts) == 2 || len(c.parts) == 3 && signInForm.MatchString(c.parts[2]))
}

// agent is the one whose call it is; "": it is none of an agent's, as those of config are not.
func (c call) agent() string {
	if len(c.parts) < 2 || c.parts[0] == "config" {
		return ""
	}
	return c.parts[1]
}

// ServeCall answers a call; path is what is behind the base.
func (p *Proxy) ServeCall(w http.ResponseWriter, r *http.Request, path string) {
	t := p.now.Load()
	if t == nil {
		p.elsewhere(w)
		return
	}
	c, ok := parse(path)
	if !ok {
		p.say(w, codeBadURL)
		return
	}
	p.pass.Admit(w, r, path)
	control := http.NewResponseController(w)
	_ = control.SetReadDeadline(time.Now().Add(readWithin)) // without it the call is only less bounded
	_ = control.SetWriteDeadline(time.Now().Add(max(callWithin, p.o.Hold+writeWithin)))
	r.Body = http.MaxBytesReader(w, r.Body, maxCallBytes)
	if r.ContentLength == 0 {
		_ = control.SetReadDeadline(time.Time{}) // a poll is held for longer than a body may take
	}
	t.serve(w, r, c)
}

// serve says whose call it is, and what becomes of it.
func (t *term) serve(w http.ResponseWriter, r *http.Request, c call) {
	guid := ccgateway.ParseGUID(r.Header.Get("Guid"))
	b := t.badge(guid)
	switch {
	case r.Method == http.MethodOptions: // a browser asks what a page of another origin may do
		t.passOn(w, r, c, nil)
	case r.Method == http.MethodPut && c.signsIn():
		t.signIn(w, r, c, b)
	case c.parts[0] == "agentevent" && (len(c.parts) != 2 || r.Method != http.MethodGet):
		t.p.say(w, codeBadURL)
	case c.parts[0] == "agentevent" && c.parts[1] == "allagentevent":
		t.p.say(w, codeWrongWay)
	case b == nil && (c.parts[0] == "agentevent" || guid != "" && c.agent() != ""):
		t.p.say(w, codeNotSignedIn)
	case b == nil: // not an agent's call, or one that some clients make without a GUID
		t.passOn(w, r, c, nil)
	default:
		t.serveBadge(w, r, c, b)
	}
}

// serveBadge answers the call of a client that has signed in.
func (t *term) serveBadge(w http.ResponseWriter, r *http.Request, c call, b *badge) {
	t.hear(b, who(r))
	switch {
	case t.isFenced(b):
		t.p.elsewhere(w)
	case c.parts[0] == "agentevent":
		t.poll(w, r, b)
	case c.is("updateguid"): // whatever the method: its answer has a GUID in it
		t.p.answer(w, "own", `{"message":"success","retcode":"0","result":{"guid":`+strconv.Quote(b.guid)+`}}`)
	case r.Method == http.MethodPost && c.is("handshake"):
		t.renewToken(b, r.Header.Get("service_token"))
		t.beat(w, r, b, `{"message":"success","retcode":"0"}`)
	case r.Method == http.MethodPut && c.is("heartbeat"):
		t.beat(w, r, b, `{"message":"","retcode":"0","result":{"loginTime":`+strconv.Quote(t.loginTime(b))+`}}`)
	case r.Method == http.MethodDelete && c.is("logout", "forcelogout", "forcelogoutwithreason") && c.agent() == b.desk.agent:
		t.signOut(w, r, c, b)
	case r.Method == http.MethodPost && c.is("syncagentinfo") && c.agent() == b.desk.agent:
		t.empty(w, r, c, b)
	default:
		t.passOn(w, r, c, b)
	}
}

// empty passes on a call that empties the queue at the gateway, and notes what that loses: also if
// nobody knows whether it was done.
func (t *term) empty(w http.ResponseWriter, r *http.Request, c call, b *badge) {
	var a onward.Reply
	body, err := io.ReadAll(io.LimitReader(r.Body, maxBody))
	s := b.session()
	if err == nil {
		a, err = t.p.pass.Exchange(r, c.path, body, s)
	}
	if err == nil {
		s.Learn(a.Header)
	}
	if err != nil || a.Code() == "0" {
		t.p.losses.add(t.p.o.Record.Names.Agent(t.p.o.Record.Tenant, b.desk.agent), time.Now())
	}
	if err != nil {
		t.p.refuse(w, http.StatusBadGateway, codeFailed)
		return
	}
	a.CopyTo(w)
	a.Write(w)
}

// passOn passes a call on.
func (t *term) passOn(w http.ResponseWriter, r *http.Request, c call, b *badge) {
	s := b.session()
	if s != nil && s.GUID() == "" { // just restored
		t.p.refuse(w, http.StatusServiceUnavailable, codeFailed)
		return
	}
	begun := time.Now()
	ctx, cancel := context.WithTimeout(r.Context(), callWithin)
	defer cancel()
	t.p.pass.Stream(w, r.WithContext(ctx), c.path, s)
	t.p.counts.calls.WithLabelValues(t.p.o.Record.Tenant).Observe(time.Since(begun).Seconds())
}

// beat answers a heartbeat: the gateway's own is the poll of the agent's loop.
func (t *term) beat(w http.ResponseWriter, r *http.Request, b *badge, text string) {
	if t.isOver(b, who(r)) {
		t.p.say(w, codeNotSignedIn)
		return
	}
	t.p.answer(w, "own", text)
}

// say answers with one of the gateway's codes, as the gateway does: with status 200.
func (p *Proxy) say(w http.ResponseWriter, code string) { p.refuse(w, http.StatusOK, code) }

// elsewhere answers that another bridge serves the client, or will in a moment.
func (p *Proxy) elsewhere(w http.ResponseWriter) {
	w.Header().Set("Retry-After", "1")
	p.refuse(w, http.StatusServiceUnavailable, codeFailed)
}

func (p *Proxy) refuse(w http.ResponseWriter, status int, code string) {
	w.Header().Set("Content-Type", jsonType)
	p.counts.refused.WithLabelValues(p.o.Record.Tenant, code).Inc()
	body := `{"message":` + strconv.Quote(texts[code]) + `,"retcode":"` + code + `","result":""}`
	w.Header().Set("Content-Length", strconv.Itoa(len(body)))
	w.WriteHeader(status)
	_, _ = io.WriteString(w, body) // a client that has gone asks again
}

// jsonType is the content type of the gateway's answers.
const jsonType = "application/json;charset=UTF-8"

// answer writes what the bridge itself answers. nil: it is on its way.
func (p *Proxy) answer(w http.ResponseWriter, what, body string) error {
	p.counts.answers.WithLabelValues(p.o.Record.Tenant, what).Inc()
	w.Header().Set("Content-Type", jsonType)
	w.Header().Set("Content-Length", strconv.Itoa(len(body)))
	if _, err := io.WriteString(w, body); err != nil {
		return err
	}
	return http.NewResponseController(w).Flush()
}
