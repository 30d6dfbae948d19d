package proxy_test

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"aiccbridge/bus/kv"
	"aiccbridge/internal/ccgateway"
	"aiccbridge/poller/proxy"
	"aiccbridge/schemas"
)

// stranger is a gateway that does what the platform's does not: it switches protocols, and tells
// GUIDs wherever it can.
type stranger struct {
	mu   sync.Mutex
	seen []string // what it was asked
}

func (g *stranger) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	g.mu.Lock()
	g.seen = append(g.seen, fmt.Sprintln(r.Method, r.URL.EscapedPath(), r.Header["Guid"], r.Header["Upgrade"]))
	g.mu.Unlock()
	w.Header()["Guid"], w.Header()["Set-GUID"] = []string{"null", "5ec4e7"}, []string{"JSESSIONID=5ec4e7"}
	switch {
	case strings.HasSuffix(r.URL.Path, "/pipe"):
		c, _, err := w.(http.Hijacker).Hijack()
		if err != nil {
			return
		}
		defer c.Close()
		answer := "HTTP/1.1 101 Switching Protocols\r\n"
		if way := r.Header.Get("Upgrade"); way != "" {
			answer += "Connection: Upgrade\r\nUpgrade: " + way + "\r\n"
		}
		_, _ = io.WriteString(c, answer+"\r\n")
	case r.Method == http.MethodPut && strings.HasSuffix(r.URL.Path, "/loginbyaccount"):
		_, _ = io.WriteString(w, `{"message":"success","retcode":"0","result":{"WorkNo":"../101"}}`)
	default:
		_, _ = io.WriteString(w, `{"message":"success","retcode":"0"}`)
	}
}

// through has a scene's bridges go to a gateway of the test's.
func (s *scene) through(address string) {
	gateway, err := ccgateway.New(ccgateway.Options{URL: address})
	if err != nil {
		s.t.Fatal(err)
	}
	s.t.Cleanup(gateway.Close)
	s.change = func(o *proxy.Options) { o.Gateway, o.Hold = gateway, 100*time.Millisecond }
}

func (g *stranger) asked() string {
	g.mu.Lock()
	defer g.mu.Unlock()
	all := strings.Join(g.seen, "")
	g.seen = nil
	return all
}

// TestProxyRules: no call becomes a raw pipe, none is read otherwise by the gateway than here, none
// carries a GUID that is not the session's, and no answer tells one.
func TestProxyRules(t *testing.T) {
	t.Parallel()
	g := &stranger{}
	server := httptest.NewServer(g)
	defer server.Close()
	s := newScene(t, still(1))
	s.through(server.URL)
	b := s.start("")
	for _, upgrade := range []string{"Connection: Upgrade\r\nUpgrade: websocket\r\n", ""} {
		head := raw(t, b.addr, "GET "+proxy.Base+"config/pipe HTTP/1.1\r\nHost: x\r\n"+upgrade+"\r\n")
		if len(head) == 0 || !strings.HasPrefix(head[0], "HTTP/1.1 502") {
			t.Errorf("a call that becomes a pipe is answered with %q", head)
		}
		if asked := g.asked(); strings.Contains(asked, "websocket") {
			t.Errorf("the gateway was asked %s", asked)
		}
	}
	head := raw(t, b.addr, "GET "+proxy.Base+"config/x HTTP/1.1\r\nHost: x\r\nGuid: null\r\nGuid: 5ec4e7\r\n\r\n")
	if text := strings.ToLower(strings.Join(head, "\n")); !strings.Contains(text, "200 ok") || strings.Contains(text, "guid") {
		t.Errorf("a call is answered with %q", head)
	}
	if asked := g.asked(); !strings.Contains(asked, "[]") {
		t.Errorf("the gateway was asked %s", asked)
	}
	p := s.phone("101", b.addr)
	for _, path := range []string{
		"agentevent%20/101", "agentevent%00/101", "agentevent%09/101", "onl%C4%B1neagent/101", "onlineagent/101/forcelog%C4%B1n",
		"agent-event/101", "onlineagent/101%20/agentstatus",
	} {
		p.do(http.MethodGet, path, "000-002")
	}
	for _, id := range []string{"0101", "0", "12345678901", "x101", strings.Repeat("1", 9000)} {
		p.do(http.MethodPut, "onlineagent/"+id, "100-001")
	}
	if asked := g.asked(); asked != "" {
		t.Errorf("the gateway was asked %s", asked)
	}
	p.do(http.MethodPut, "onlineagent/loginbyaccount", "100-007")
}

// TestProxySignIns: at whatever path an agent signs in, the bridge learns the session, and the client
// gets a GUID of its own.
func TestProxySignIns(t *testing.T) {
	t.Parallel()
	server := httptest.NewServer(&stranger{})
	defer server.Close()
	s := newScene(t, still(1))
	s.through(server.URL)
	b := s.start("")
	for i, path := range []string{"", "/forcelogin", "/loginex", "/forceloginexwithoutphone", "/ForceLoginEx/"} {
		p := s.phone(fmt.Sprint(101+i), b.addr)
		a := p.do(http.MethodPut, "onlineagent/"+p.agent+path, "0")
		if guid := a.header.Get("Set-Guid"); !strings.HasPrefix(guid, "JSESSIONID=") || strings.Contains(guid, "5ec4e7") {
			t.Errorf("%s: the client is told %q", path, guid)
		}
		p.guid = strings.TrimPrefix(a.header.Get("Set-Guid"), "JSESSIONID=")
		p.do(http.MethodPost, "onlineagent/"+p.agent+"/handshake", "0")
	}
}

// TestProxyTakesOver: the agent of a session that was handed over, and is wanted back, signs in
// through the bridge and is polled.
func TestProxyTakesOver(t *testing.T) {
	t.Parallel()
	s := newScene(t, still(1))
	s.learn()
	entry := schemas.Session{Tenant: "acme", Agent: "101", UpdatedAt: time.Now(), Handover: schemas.Handover{
		URL: "https://another.example.com/", Stop: true, HandedOverAt: time.Now(), Phase: schemas.SessionReturned,
	}}
	value, err := json.Marshal(entry)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := kv.Open(s.hub.Conn(), schemas.BucketSessions).Put(t.Context(), schemas.AgentKey("acme", "101"), value); err != nil {
		t.Fatal(err)
	}
	b := s.start("")
	p := s.phone("101", b.addr)
	p.signIn("", "")
	s.until(p, "AgentState_Ready")
}
