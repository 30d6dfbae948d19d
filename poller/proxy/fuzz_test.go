package proxy

import (
	"bytes"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"net/url"
	"path"
	"slices"
	"strings"
	"testing"
	"time"

	"aiccbridge/poller/proxy/kept"
	"aiccbridge/poller/proxy/post"
	"aiccbridge/poller/proxy/queue"
	"aiccbridge/poller/session"
	"aiccbridge/schemas"
)

// bare is a proxy that is not run.
func bare() *Proxy {
	o := Options{Poster: post.New(post.Options{Hosts: []string{"127.0.0.1"}})}
	o.Session, o.Record.Tenant = session.Options{Seal: clear{}}, "acme"
	return &Proxy{o: o, counts: NewMetrics(nil)}
}

// clear seals nothing: what is sealed is the bridge's own, and here it is anybody's.
type clear struct{}

func (clear) Seal(plain []byte, _ string) (string, error)   { return string(plain), nil }
func (clear) Open(sealed, _ string) (plain []byte, _ error) { return []byte(sealed), nil }

// FuzzSignIn reads any body of a sign-in: what is passed on asks the gateway for no pushes, and is
// what the client sent if that asks for none.
func FuzzSignIn(f *testing.F) {
	for _, seed := range []string{
		`{"password":"x","phonenum":"70092","status":"4"}`, `{"callBackUri":"http://127.0.0.1/","serviceToken":"t"}`,
		`{"pushUrl":"http://127.0.0.1/","PUSHURL":"http://127.0.0.1/x"}`, `{"pushUrl":"http://127.0.0.1/","a":"<&>"}`, `{'pushUrl':'http://127.0.0.1/'}`,
		`{"pu\u0073hUrl":7}`, "\xef\xbb\xbf{\"pushUrl\":\"http://127.0.0.1/\"}", `[]`, `null`, ``, `{"callBackUri":null}`, "{\"\u017ferviceToken\":\"\"}",
	} {
		f.Add([]byte(seed), "application/json")
		f.Add([]byte(seed), "application/json;charset=GBK")
	}
	p := bare()
	f.Fuzz(func(t *testing.T, body []byte, contentType string) {
		r := httptest.NewRequest(http.MethodPut, "/", bytes.NewReader(body))
		r.Header.Set("Content-Type", contentType)
		w, err := p.read(r)
		if err != nil {
			return
		}
		if w.way != nil && p.o.Poster.Check(*w.way) != nil {
			t.Errorf("pushes to %s", w.way.URI)
		}
		var before, after map[string]any
		isJSON := json.Unmarshal(body, &before) == nil
		if err := json.Unmarshal(w.body, &after); isJSON != (err == nil) {
			t.Fatalf("%q is passed on as %q: %v", body, w.body, err)
		}
		asks := false
		for name := range before {
			asks = asks || slices.ContainsFunc(pushFields, func(f string) bool { return strings.EqualFold(f, name) })
		}
		if !asks && !bytes.Equal(body, w.body) {
			t.Errorf("%q is passed on as %q", body, w.body)
		}
		if text := strings.ToLower(string(w.body)); !isJSON && (strings.Contains(text, "pushurl") || strings.Contains(text, "callbackuri")) {
			t.Errorf("%q is passed on", w.body)
		}
		for name := range after {
			if slices.ContainsFunc(pushFields, func(f string) bool { return strings.EqualFold(f, name) }) {
				t.Errorf("the gateway is asked for %s", name)
			}
		}
	})
}

// FuzzPath reads any path of a call: one that counts is read in no other way by a server that decodes
// it once more, cuts parameters off, or resolves dots.
func FuzzPath(f *testing.F) {
	for _, seed := range []string{
		"agentevent/101", "AgentEvent/101/", "agentevent%2f101", "onlineagent/../agentevent/101", "x;y/agentevent/101", "%61gentevent/101",
		"%2561gentevent/101", "onlineagent/101/forcelogout", "/agentevent/101", "config/./x", "config/%2e%2e/agentevent/101", "",
	} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, escaped string) {
		c, ok := parse(escaped)
		if !ok {
			return
		}
		again, err := url.PathUnescape(strings.Join(c.parts, "/"))
		if err != nil || again != strings.Join(c.parts, "/") {
			t.Errorf("%q is read as %q and decodes to %q: %v", escaped, c.parts, again, err)
		}
		plain, err := url.PathUnescape(escaped)
		if cleaned := strings.TrimPrefix(path.Clean("/"+plain), "/"); err != nil || !strings.EqualFold(cleaned, again) {
			t.Errorf("%q is read as %q, and as %q by others", escaped, again, cleaned)
		}
		if u := (&url.URL{Path: "/" + plain, RawPath: "/" + escaped}); u.EscapedPath() != "/"+escaped && !strings.ContainsAny(escaped, "\"<>[]^`{|}") {
			t.Errorf("%q is passed on as %q", escaped, u.EscapedPath())
		}
		_, _, _ = c.agent(), c.signsIn(), c.is("logout") // they look at parts that may not be there
		_ = c.parts[0]
	})
}

// FuzzWho tells clients apart by any header: who has the bridge's cookie is the same wherever he is.
func FuzzWho(f *testing.F) {
	f.Add("AICCBRIDGE=00112233445566778899aabbccddeeff", "127.0.0.1:1", "x")
	f.Add("a; AICCBRIDGE=short;;=; AICCBRIDGE", "[::1]:7", "")
	f.Fuzz(func(t *testing.T, cookie, from, agent string) {
		r := httptest.NewRequest(http.MethodGet, "/", nil)
		r.Header["Cookie"], r.Header["User-Agent"], r.RemoteAddr = []string{cookie}, []string{agent}, from
		name := ownCookie(r)
		if name != "" && (len(name) != cookieSize || !strings.Contains(cookie, cookieName+"="+name)) {
			t.Errorf("%q has the cookie %q", cookie, name)
		}
		here := who(r)
		r.RemoteAddr = "192.0.2.1:7"
		if there := who(r); len(here) != 24 || name != "" && there != here {
			t.Errorf("%q is %s here and %s there", cookie, here, there)
		}
	})
}

// FuzzKept goes on with any entry of CLIENTS: no client has an address for pushes that is not allowed,
// and what is kept of them again is read as it was.
func FuzzKept(f *testing.F) {
	for _, seed := range []string{
		`{"tenant":"acme","agent":"101","badges":[{"sealed":"{\"guid\":\"g\"}","clients":[{"who":"w","epoch":1,"seq":2,"came":"2026-11-30T10:00:00Z"}]}],"ticket":"x","epoch":3}`,
		`{"agent":"101","badges":[{"sealed":"{\"guid\":\"g\",\"way\":{\"uri\":\"http://169.254.169.254/\",\"token\":\"t\"}}","clients":null},{}]}`,
		`{"agent":"../x","badges":[null]}`, `[]`,
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, value []byte) {
		e, ok := kept.Read(value)
		if !ok {
			return
		}
		p := bare()
		tm := &term{p: p, badges: map[string]*badge{}}
		d := &desk{term: tm, agent: e.Agent}
		for _, k := range e.Badges {
			if tm.restoreBadge(d, k) != nil {
				continue
			}
			b := d.badges[len(d.badges)-1]
			if b.guid == "" || b.way != nil && p.o.Poster.Check(*b.way) != nil {
				t.Errorf("restored is %+v", b)
			}
		}
		if len(tm.badges) != len(d.badges) {
			t.Errorf("%d GUIDs, %d badges", len(tm.badges), len(d.badges))
		}
		_ = tm.ticketOf(e)
		d.queue.Add(queue.Item{At: schemas.Position{Epoch: 1, Seq: 1}, Came: time.Unix(0, 0)})
		for _, b := range d.badges {
			for _, c := range b.clients {
				c.reader.Skip(c.has)
			}
		}
		now, err := d.describe()
		if err != nil {
			t.Fatal(err)
		}
		text, err := json.Marshal(now)
		if err != nil {
			t.Fatalf("it can't be written again: %v", err)
		}
		if read, ok := kept.Read(text); len(d.badges) > 0 && (!ok || len(read.Badges) != len(d.badges)) {
			t.Errorf("%s is read as %+v", text, read)
		}
	})
}
