package gateway

import (
	"bufio"
	"io"
	"net"
	"net/http/httptest"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"aiccbridge/internal/platformsim/gateway/wire"
)

// exchange sends a request as it is spelt and returns the answer as it is spelt: the
// header lines, and the body.
func exchange(t *testing.T, server *httptest.Server, request string) (lines []string, body string) {
	t.Helper()
	conn, err := net.Dial("tcp", server.Listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	if _, err := io.WriteString(conn, request); err != nil {
		t.Fatal(err)
	}
	_ = conn.SetReadDeadline(time.Now().Add(10 * time.Second))
	raw, err := io.ReadAll(bufio.NewReader(conn))
	if err != nil {
		t.Fatal(err)
	}
	head, body, _ := strings.Cut(string(raw), "\r\n\r\n")
	return strings.Split(head, "\r\n"), body
}

// spelt are the names of header lines, as they are spelt.
func spelt(lines []string) (names []string) {
	for _, line := range lines[1:] {
		name, _, _ := strings.Cut(line, ":")
		names = append(names, name)
	}
	slices.Sort(names)
	return names
}

// value is the value of the header line whose name is spelt so; "" for none.
func value(lines []string, name string) string {
	for _, line := range lines {
		if v, ok := strings.CutPrefix(line, name+": "); ok {
			return v
		}
	}
	return ""
}

func served(t *testing.T, o Options) *httptest.Server {
	t.Helper()
	r := inBubble(t, o)
	server := httptest.NewServer(r.g)
	t.Cleanup(server.Close)
	return server
}

// message is a request with the headers given, each ended by CRLF.
func message(method, path, headers, body string) string {
	return method + " " + path + " HTTP/1.1\r\nHost: gateway\r\nConnection: close\r\n" + headers +
		"Content-Length: " + strconv.Itoa(len(body)) + "\r\n\r\n" + body
}

// TestHeadersAreSpeltAsThePlatformSpellsThem: clients of the vendor compare the names
// of headers byte by byte.
func TestHeadersAreSpeltAsThePlatformSpellsThem(t *testing.T) {
	server := served(t, Options{NoHold: true, GUIDInterval: time.Nanosecond, GUIDTimeout: time.Minute})
	always := []string{"Connection", "Content-Length", "Content-Type", "Date"}
	lines, body := exchange(t, server, message("PUT", base+"/onlineagent/101", "", goodBody))
	want := append([]string{"Guid", "Set-Cookie", "Set-GUID"}, always...)
	slices.Sort(want)
	if got := spelt(lines); !slices.Equal(got, want) {
		t.Fatalf("sign-in: %q, want %q; %s", got, want, body)
	}
	guid, ok := strings.CutPrefix(value(lines, "Set-GUID"), "JSESSIONID=")
	if !ok || !strings.HasSuffix(guid, ".AgentGateway0") || strings.ContainsAny(guid, "; ,") {
		t.Errorf("Set-GUID: %q", value(lines, "Set-GUID"))
	}
	if got := value(lines, "Content-Type"); got != "application/json;charset=UTF-8" {
		t.Errorf("Content-Type: %q", got)
	}
	for name, tt := range map[string]struct {
		request string
		with    []string
	}{
		"poll":        {message("GET", base+"/agentevent/101", "guid: "+guid+"\r\n", ""), []string{"Set-GUID"}},
		"handshake":   {message("POST", base+"/onlineagent/101/handshake", "GUID: "+guid+"\r\n", ""), []string{"Set-GUID"}},
		"heartbeat":   {message("PUT", base+"/onlineagent/101/heartbeat", "Guid: "+guid+"\r\n", ""), nil},
		"agentstatus": {message("GET", base+"/onlineagent/101/agentstatus", "gUID:"+guid+"\r\n", ""), nil},
		"refusal":     {message("GET", base+"/agentevent/101", "", ""), nil},
		"method":      {message("POST", base+"/agentevent/101", "", ""), []string{"Allow"}},
	} {
		lines, body := exchange(t, server, tt.request)
		want := append(slices.Clone(tt.with), always...)
		slices.Sort(want)
		if got := spelt(lines); !slices.Equal(got, want) {
			t.Errorf("%s: %q, want %q", name, got, want)
		}
		if name != "refusal" && name != "method" && !strings.Contains(body, `"retcode":"0"`) {
			t.Errorf("%s: %s", name, body)
		}
	}
}

func TestHeartbeatsAnswer(t *testing.T) {
	for _, o := range []Options{{}, {StaticGUID: true}, {GUIDInterval: time.Nanosecond}, {Shape: wire.Shape{Variants: true}}} {
		o.NoHold = true
		r := overHTTP(t, o)
		c := r.signIn("101")
		guid := c.guid
		a := c.call("PUT", "/onlineagent/101/heartbeat", "")
		if a.code() != "0" || !strings.HasPrefix(string(a.Result), `{"loginTime":"1`) || c.guid != guid {
			t.Errorf("heartbeat: %s, new GUID: %v", a.Body, c.guid != guid)
		}
		if a := c.call("POST", "/onlineagent/101/handshake", ""); a.code() != "0" || a.Result != nil {
			t.Errorf("handshake: %s", a.Body)
		}
	}
}

// TestOneJarForAll: the cookie names a node, so that any session's does for all of them.
func TestOneJarForAll(t *testing.T) {
	for name, o := range map[string]Options{
		"one node": {}, "cookie needed": {NeedCookie: true}, "no cookie": {NoCookie: true},
		"no cookie, needed": {NoCookie: true, NeedCookie: true}, "one of several": {Nodes: 3, Node: "Gate7"},
	} {
		o.NoHold = true
		r := overHTTP(t, o)
		jar := r.client("101").jar
		var all []*slotClient
		for _, agent := range []string{"101", "102", "103"} {
			c := r.client(agent)
			c.jar = jar
			if a := c.call("PUT", "/onlineagent/"+agent+"/forcelogin", goodBody); a.code() != "0" || (len(a.Cookies) == 0) != o.NoCookie {
				t.Fatalf("%s: %s, cookies %v", name, a.Body, a.Cookies)
			}
			all = append(all, c)
		}
		for range 2 {
			for _, c := range all {
				if a := c.poll(); a.code() != "0" {
					t.Errorf("%s: agent %s: %s", name, c.agent, a.Body)
				}
			}
		}
	}
}

// TestCookiesOfNodes: who gets where with which cookie.
func TestCookiesOfNodes(t *testing.T) {
	for name, tt := range map[string]struct {
		o      Options
		cookie func(own, other string) string // header Cookie
		want   string
	}{
		"own":               {Options{Nodes: 2}, func(own, _ string) string { return own }, "0"},
		"another node's":    {Options{Nodes: 2}, func(_, other string) string { return other }, "100-006"},
		"none, by the GUID": {Options{Nodes: 2}, func(_, _ string) string { return "" }, "0"},
		"none, but needed":  {Options{Nodes: 2, NeedCookie: true}, func(_, _ string) string { return "" }, "100-006"},
		"none, one node":    {Options{}, func(_, _ string) string { return "" }, "0"},
		"of no node":        {Options{Nodes: 2}, func(_, _ string) string { return "route=xyz" }, "0"},
		"malformed":         {Options{}, func(_, _ string) string { return "JSESSIONIDabc; Path/" }, "0"},
		"malformed and own": {Options{Nodes: 2, NeedCookie: true}, func(own, _ string) string { return "JSESSIONIDabc; Path/; ; =; " + own }, "0"},
		"twice":             {Options{Nodes: 2, NeedCookie: true}, func(own, _ string) string { return "route=old; " + own }, "0"},
	} {
		tt.o.NoHold = true
		r := overHTTP(t, tt.o)
		var cookies []string
		var first *slotClient
		for _, agent := range []string{"101", "102"} {
			c := r.client(agent)
			a := c.call("PUT", "/onlineagent/"+agent, goodBody)
			cookies = append(cookies, a.Cookies[0].Name+"="+a.Cookies[0].Value)
			if first == nil {
				first = c
			}
		}
		if same := cookies[0] == cookies[1]; same != (tt.o.Nodes < 2) {
			t.Errorf("%s: cookies %q", name, cookies)
		}
		first.jar = r.client("101").jar // empty
		req := first.request("GET", "/agentevent/101", "")
		if h := tt.cookie(cookies[0], cookies[1]); h != "" {
			req.Header.Set("Cookie", h)
		}
		if a := first.perform(req); a.code() != tt.want || a.Status != 200 {
			t.Errorf("%s: %d %s, want %s", name, a.Status, a.Body, tt.want)
		}
	}
}

// TestPathsAreFound however they are written; a wrong method is HTTP 405.
func TestPathsAreFound(t *testing.T) {
	r := overHTTP(t, Options{NoHold: true})
	c := r.signIn("101")
	for _, tt := range []struct{ method, path, want string }{
		{"GET", "/onlineagent/101/agentstatus", "0"},
		{"GET", "/onlineagent/101/agentstatus/", "0"},
		{"GET", "/OnlineAgent/101/AgentStatus", "0"},
		{"GET", "//onlineagent//101/agentStatus/?x=1", "0"},
		{"GET", "/agentEvent/101/", "0"},
		{"POST", "/onlineagent/101/resetskill/TRUE?skillid=1;2&phonelinkage=0", "0"},
		{"POST", "/onlineagent/101/resetskill/Maybe", "000-002"},
		{"GET", "/onlineagent/101/nothing", "000-002"},
		{"GET", "/onlineagent/101", "405 PUT"},
		{"HEAD", "/agentevent/101", "405 GET"},
		{"GET", "/onlineagent/101/logout", "405 DELETE"},
		{"DELETE", "/agentevent/101", "405 GET"},
		{"POST", "/onlineagent/101/heartbeat/", "405 PUT"},
		{"PUT", "/onlineagent/101/HandShake", "405 POST"},
		{"PUT", "/onlineagent/101/updateguid", "0"}, // the last one: it ends this GUID
	} {
		a := c.call(tt.method, tt.path, "")
		if allowed, wrong := strings.CutPrefix(tt.want, "405 "); wrong {
			if a.Status != 405 || a.Header.Get("Allow") != allowed {
				t.Errorf("%s %s: %d %s %q", tt.method, tt.path, a.Status, a.Body, a.Header.Get("Allow"))
			}
		} else if a.Status != 200 || a.code() != tt.want {
			t.Errorf("%s %s: %d %s, want %s", tt.method, tt.path, a.Status, a.Body, tt.want)
		}
	}
}

func TestSkillsAndHabits(t *testing.T) {
	for variants, want := range map[bool]string{
		false: `[{"name":"sales","id":"12","mediatype":"5"},{"name":"a \"b\"","id":"13","mediatype":"1"}]`,
		true:  `[{"name":"sales","id":12,"mediatype":5},{"name":"a \"b\"","id":13,"mediatype":1}]`,
	} {
		r := overHTTP(t, Options{NoHold: true, Shape: wire.Shape{Variants: variants}})
		c := r.signIn("101")
		for path, code := range map[string]string{
			"/agentskills": "0", "/agentskillsbyworkno/102": "0", "/agentSkillsByWorkNo/101/": "0", "/agentskillsbyworkno/999": "000-002",
		} {
			a := c.call("GET", "/onlineagent/101"+path, "")
			if a.code() != code || code == "0" && string(a.Result) != want {
				t.Errorf("%s: %s", path, a.Body)
			}
		}
		for _, tt := range []struct {
			path, code string
			is         bool
		}{
			{"autoanswer/false", "0", false}, {"autoanswer/true", "0", true}, {"autoanswer/maybe", "000-002", true},
			{"autoenteridle/FALSE", "0", false}, {"autoEnterIdle/true/", "0", true}, {"autoenteridle/0", "000-002", true},
		} {
			habit, _, _ := strings.Cut(strings.ToLower(tt.path), "/")
			if a := c.call("POST", "/onlineagent/101/"+tt.path, ""); a.code() != tt.code || r.desk.habits[habit] != tt.is {
				t.Errorf("%s: %s, is %v", tt.path, a.Body, r.desk.habits[habit])
			}
		}
	}
}
