package proxy_test

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"aiccbridge/internal/platformsim"
	"aiccbridge/internal/platformsim/gateway"
	"aiccbridge/internal/platformsim/world"
	"aiccbridge/poller/proxy"
	"aiccbridge/schemas"
)

// still is a platform on which nothing happens by itself.
func still(agents int) platformsim.Options {
	return platformsim.Options{Agents: agents, Pace: world.Pace{Idle: 100 * time.Hour, Signal: 10 * time.Millisecond}}
}

// do makes a call that is to be answered with a code.
func (p *phone) do(method, path, code string) answer {
	p.t.Helper()
	a, err := p.call(p.t.Context(), method, path, "")
	if err != nil || a.Code != code {
		p.t.Errorf("%s %s: %q, %v, want %q", method, path, a.Code, err, code)
	}
	return a
}

// types are those of events.
func types(all []seen) string {
	var names []string
	for _, e := range all {
		names = append(names, strings.TrimPrefix(e.Type, "Agent"))
	}
	return strings.Join(names, " ")
}

// until lets a client poll until it has seen an event of a type.
func (s *scene) until(p *phone, last string) string {
	s.t.Helper()
	ctx, stop := context.WithCancel(s.t.Context())
	var polling sync.WaitGroup
	polling.Go(func() { p.poll(ctx) })
	defer func() {
		if s.t.Failed() {
			s.t.Log("the client sees ", types(p.events()), p.codes)
		}
	}()
	s.await(last, func() bool {
		all := p.events()
		return len(all) > 0 && all[len(all)-1].Type == last
	})
	stop()
	polling.Wait()
	return types(p.events())
}

// TestProxyClients: clients of one agent see the same events, whether each signed in by itself or
// they share a GUID, and the agent is signed out with the last one.
func TestProxyClients(t *testing.T) {
	t.Parallel()
	s := newScene(t, still(1))
	s.learn()
	b := s.start("")
	first, second := s.phone("101", b.addr), s.phone("101", b.addr)
	first.signIn("", "")
	if got := s.until(first, "AgentState_Ready"); got != "Other_InService State_Ready" {
		t.Errorf("the first client sees %s", got)
	}
	if a := second.signIn("", ""); a.Code != "100-002" {
		t.Errorf("the second sign-in is answered %s", a.Code)
	}
	if a := second.signIn("/forcelogin", ""); a.Code != "0" || second.guid == first.guid {
		t.Errorf("the forced sign-in is answered %s", a.body)
	}
	third := s.phone("101", b.addr)
	third.guid, third.cookie = first.guid, "AICCBRIDGE=00112233445566778899aabbccddeeff"
	s.until(second, "AgentState_Ready")
	brief, end := context.WithTimeout(t.Context(), 300*time.Millisecond)
	third.poll(brief) // from now on it counts
	end()
	first.do(http.MethodPost, "onlineagent/101/saybusy", "0")
	for name, p := range map[string]*phone{"first": first, "second": second, "third": third} {
		want := "Other_InService State_Ready State_SetNotReady_Success"
		if p == first {
			want = "Other_InService State_Ready " + want
		}
		if got := s.until(p, "AgentState_SetNotReady_Success"); got != want && !(p == third && strings.HasSuffix(want, got)) {
			t.Errorf("the %s client sees %s", name, got)
		}
	}
	second.do(http.MethodDelete, "onlineagent/101/logout", "0")
	second.do(http.MethodGet, "agentevent/101", "100-006")
	first.do(http.MethodGet, "onlineagent/101/agentstatus", "0")
	first.do(http.MethodDelete, "onlineagent/101/logout", "0")
	first.do(http.MethodGet, "agentevent/101", "100-006")
	third.do(http.MethodGet, "agentevent/101", "100-006")
	var changes []string
	for _, c := range s.sim.Truth().Sessions {
		changes = append(changes, c.Change)
	}
	if got := strings.Join(changes, " "); got != "signed_in displaced signed_in signed_out" {
		t.Errorf("the platform saw %s", got)
	}
	if p := s.sim.Truth().Polling["101"]; p.Overlaps > 0 {
		t.Errorf("%d polls at a time", p.Overlaps)
	}
}

// raw makes a call and returns the head of the answer as it is on the wire.
func raw(t *testing.T, address, request string) (head []string) {
	t.Helper()
	c, err := net.Dial("tcp", address)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	if _, err := io.WriteString(c, request); err != nil {
		t.Fatal(err)
	}
	for in := bufio.NewReaderSize(c, 16); ; { // what it does not read breaks the connection off
		line, err := in.ReadString('\n')
		if line = strings.TrimSpace(line); err != nil || line == "" {
			return head
		}
		head = append(head, line)
	}
}

// TestProxyHabits: what the platform's own clients take for granted.
func TestProxyHabits(t *testing.T) {
	t.Parallel()
	o := still(2)
	o.Gateway = gateway.Options{GUIDInterval: 300 * time.Millisecond, GUIDTimeout: 10 * time.Second, WaitTimes: 2, NeedCookie: true}
	s := newScene(t, o)
	s.learn()
	s.change = func(o *proxy.Options) { o.Hold = 300 * time.Millisecond }
	b := s.start("")
	p, other := s.phone("101", b.addr), s.phone("102", b.addr)
	body := fmt.Sprintf(`{"password":%q,"phonenum":"70092"}`, p.password())
	head := raw(t, b.addr, fmt.Sprintf("PUT %sonlineagent/101 HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n%s", proxy.Base, len(body), body))
	for _, line := range head {
		if guid, ok := strings.CutPrefix(line, "Set-GUID: JSESSIONID="); ok {
			p.guid = guid
		}
	}
	if !strings.HasSuffix(p.guid, ".AgentGateway0") || strings.Contains(p.guid, ";") || !strings.HasPrefix(head[0], "HTTP/1.1 200") {
		t.Fatalf("the sign-in is answered with %q", head)
	}
	other.signIn("", "")
	p.cookie = "JSESSIONIDabc; Path/; " + "lb=node7" // of no use, and none at all
	for begun := time.Now(); time.Since(begun) < 3*time.Second; {
		a := p.do(http.MethodGet, "AgentEvent/101/", "0") // neither case nor a slash count
		if a.header.Get("Set-Guid") != "" {
			t.Fatal("a rotated GUID reaches the client")
		}
	}
	p.do(http.MethodGet, "onlineagent/101/agentstatus", "0")
	a := p.do(http.MethodPut, "onlineagent/101/heartbeat", "0")
	var login struct{ LoginTime string }
	if _ = json.Unmarshal(a.Result, &login); len(login.LoginTime) != 13 {
		t.Errorf("the heartbeat is answered %s", a.body)
	}
	if a := p.do(http.MethodPost, "onlineagent/101/handshake", "0"); string(a.body) != `{"message":"success","retcode":"0"}` || a.header.Get("Set-Guid") != "" {
		t.Errorf("the handshake is answered %s", a.body)
	}
	if a := p.do(http.MethodPut, "onlineagent/101/updateGuid", "0"); !strings.Contains(string(a.Result), `"`+p.guid+`"`) {
		t.Errorf("updateGuid is answered %s", a.body)
	}
	for path, code := range map[string]string{
		"agentevent/allagentevent": "000-001", "agentevent/101/x": "000-002", "agentevent/%2e%2e/agentevent/101": "000-002",
		"agentevent/101;a=b": "000-002", "onlineagent/101%2fx": "000-002", "onlineagent//agentevent/101": "000-002", "": "000-002",
	} {
		p.do(http.MethodGet, path, code)
	}
	p.do(http.MethodPost, "onlineagent/101/syncagentinfo", "0")
	s.await("gap", func() bool {
		_, found, err := s.hub.Last(t.Context(), s.names.Event("acme", "101", schemas.GroupGap, string(schemas.GapSession)))
		return err == nil && found
	})
	for _, guid := range []string{"null", "4f3c1d9e.AgentGateway0"} {
		stranger := s.phone("101", b.addr)
		stranger.guid = guid
		stranger.do(http.MethodGet, "agentevent/101", "100-006")
	}
	if drops := s.sim.Truth().Drops; len(drops) > 0 {
		t.Errorf("events were dropped: %v", drops)
	}
}

// TestProxyResend: a poll that comes again on another connection, while the first is held, gets
// the next event, and the first none.
func TestProxyResend(t *testing.T) {
	t.Parallel()
	s := newScene(t, still(1))
	s.learn()
	b := s.start("")
	p := s.phone("101", b.addr)
	p.signIn("", "")
	s.until(p, "AgentState_Ready")
	p.do(http.MethodGet, "onlineagent/101/agentstatus", "0")
	request := fmt.Sprintf("GET %sagentevent/101 HTTP/1.1\r\nHost: x\r\nUser-Agent: Go-http-client/1.1\r\nguid: %s\r\n\r\n", proxy.Base, p.guid)
	first := make(chan []string, 1)
	go func() { first <- raw(t, b.addr, request) }()
	s.await("it is held", func() bool { return b.Standing().Held == 1 })
	second := make(chan []string, 1)
	go func() { second <- raw(t, b.addr, request) }()
	if head := <-first; !strings.Contains(strings.Join(head, "\n"), "Content-Length: 28") {
		t.Errorf("the first is answered %q", head)
	}
	p.do(http.MethodPost, "onlineagent/101/saybusy", "0")
	if head := <-second; strings.Contains(strings.Join(head, "\n"), "Content-Length: 28") || len(head) == 0 {
		t.Errorf("the second is answered %q", head)
	}
	// It broke off when it had only the head.
	if got := s.until(p, "AgentState_SetNotReady_Success"); got != "Other_InService State_Ready State_SetNotReady_Success" {
		t.Errorf("the client sees %s", got)
	}
}

// TestProxySilence: the agent of a client of which nothing is heard any more is signed out.
func TestProxySilence(t *testing.T) {
	t.Parallel()
	for keep, want := range map[bool]string{false: "signed_in signed_out", true: "signed_in"} {
		s := newScene(t, still(1))
		s.learn()
		s.change = func(o *proxy.Options) { o.Forget, o.KeepSilent = 500*time.Millisecond, keep }
		b := s.start("")
		p := s.phone("101", b.addr)
		p.signIn("", "")
		s.until(p, "AgentState_Ready")
		s.await("the client is forgotten", func() bool { return b.Standing().Clients == 0 })
		p.do(http.MethodPut, "onlineagent/101/nothing", "100-006")
		var changes []string
		s.await("what the platform sees", func() bool {
			changes = nil
			for _, c := range s.sim.Truth().Sessions {
				changes = append(changes, c.Change)
			}
			return strings.Join(changes, " ") == want
		})
	}
}

// receiver is a client's end of pushes.
type receiver struct {
	mu     sync.Mutex
	every  int // so many pushes are refused before one is taken
	calls  int
	seen   []seen
	answer string
	odd    []string
}

func (v *receiver) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	v.mu.Lock()
	defer v.mu.Unlock()
	var body struct {
		Retcode   string
		WorkNo    string
		Event     *seen
		EventList []seen
	}
	if err := json.NewDecoder(r.Body).Decode(&body); err != nil || r.ContentLength <= 0 || r.URL.RawQuery != "token=a%20b" {
		v.odd = append(v.odd, fmt.Sprint(err, r.ContentLength, r.URL.RawQuery))
	}
	if v.calls++; v.calls%2 == 1 && v.every > 0 {
		w.WriteHeader(http.StatusServiceUnavailable)
		return
	}
	if body.Event != nil {
		body.EventList = append(body.EventList, *body.Event)
	}
	if token := r.Header.Get("service_token"); (body.WorkNo == "") == (body.Retcode == "") || body.WorkNo != "" && token != "t0ken" {
		v.odd = append(v.odd, "token "+token)
	}
	v.seen = append(v.seen, body.EventList...)
	_, _ = io.WriteString(w, v.answer)
}

// TestProxyPushes: a client that wants pushes gets them, in both dialects, in order, each until it
// has taken it.
func TestProxyPushes(t *testing.T) {
	t.Parallel()
	s := newScene(t, still(2))
	s.learn()
	b := s.start("")
	for agent, test := range map[string]struct{ fields, answer string }{
		"101": {`,"callBackUri":"%s?token=a%%20b","serviceToken":"t0ken"`, `{"message":"success","retcode":"0"}`},
		"102": {`,"pushUrl":"%s?token=a%%20b"`, ""},
	} {
		v := &receiver{answer: test.answer}
		if agent == "102" {
			v.every = 2 // the other dialect waits for 10 s
		}
		server := httptest.NewServer(v)
		defer server.Close()
		p := s.phone(agent, b.addr)
		if a := p.signIn("", fmt.Sprintf(test.fields, "http://example.com/")); a.Code != "100-001" {
			t.Errorf("%s: an address that is not allowed is answered %s", agent, a.body)
		}
		if a := p.signIn("", fmt.Sprintf(test.fields, server.URL)); a.Code != "0" {
			t.Fatalf("%s: sign-in is answered %s", agent, a.body)
		}
		p.do(http.MethodPost, "onlineagent/"+agent+"/saybusy", "0")
		p.do(http.MethodGet, "agentevent/"+agent, "000-001")
		s.await("pushes", func() bool {
			v.mu.Lock()
			defer v.mu.Unlock()
			return len(v.seen) >= 3
		})
		v.mu.Lock()
		if i := same(s.given(agent), v.seen); i >= 0 || len(v.odd) > 0 {
			t.Errorf("%s: the client got %v, odd %v", agent, v.seen, v.odd)
		}
		v.mu.Unlock()
		p.do(http.MethodDelete, "onlineagent/"+agent+"/logout", "0")
	}
}

// TestProxyGeneratedClient: the client that the gateway's framework generates puts two slashes
// where one is meant, a number that nobody asked for behind each call, and conditions for what a
// browser has kept.
func TestProxyGeneratedClient(t *testing.T) {
	t.Parallel()
	s := newScene(t, still(1))
	s.learn()
	p := s.phone("101", s.start("").addr)
	p.base = strings.Replace(p.base, proxy.Base, "/"+proxy.Base+"/", 1)
	p.signIn("", "")
	for _, want := range []string{"AgentOther_InService", "AgentState_Ready"} {
		a, err := p.call(t.Context(), http.MethodGet, "agentevent//101?resteasy_jsapi_anti_cache=1796128235867", "",
			"Content-Type", "text/plain", "If-None-Match", `"0"`, "If-Modified-Since", "Tue, 01 Dec 2026 12:30:35 GMT")
		if err != nil || a.Code != "0" || a.Event == nil || a.Event.Type != want {
			t.Errorf("%s, %v, want %s", a.body, err, want)
		}
	}
	p.do(http.MethodGet, "/onlineagent/101//agentstatus?resteasy_jsapi_anti_cache=1796128235867", "0")
	p.do(http.MethodDelete, "/onlineagent/101/logout", "0")
}
