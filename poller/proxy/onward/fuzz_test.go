package onward

import (
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"

	"github.com/rs/zerolog"

	"aiccbridge/internal/ccgateway"
)

// FuzzCall passes any call on: it goes below the gateway's base, as it came, in the session's GUID and
// cookies, without the bridge's own cookie.
func FuzzCall(f *testing.F) {
	f.Add("onlineagent/101/agentstatus", "a=b&c", "client", "own=x; lb=7; JSESSIONID=abc", "")
	f.Add("config/%2e", "%", "null", ";;=; own", "lb=1; lb=2")
	gateway, err := ccgateway.New(ccgateway.Options{URL: "http://127.0.0.1:7/agentgateway/resource"})
	if err != nil {
		f.Fatal(err)
	}
	f.Cleanup(gateway.Close)
	way := New(gateway, "own", func(string) {}, zerolog.Nop())
	f.Fuzz(func(t *testing.T, path, query, guid, cookies, more string) {
		if u, err := url.ParseRequestURI("/" + path); err != nil || u.EscapedPath() != "/"+path || u.RawQuery != "" {
			return // no server gives it on so
		}
		s := gateway.Agent("101")
		s.Resume("session\nlb=node")
		in := httptest.NewRequest(http.MethodGet, "/", nil)
		in.Header["Guid"], in.Header["Cookie"] = []string{guid, "another"}, []string{cookies, more}
		out := in.Clone(t.Context())
		way.address(out, path, query)
		way.sign(s, in, out)
		if got, want := out.URL.EscapedPath(), "/agentgateway/resource/"+path; got != want || out.URL.Host != "127.0.0.1:7" || out.Host != "127.0.0.1:7" {
			t.Errorf("%q goes to %s %q", path, out.URL.Host, got)
		}
		if all := out.Header.Values("Guid"); len(all) != 1 || all[0] != "session" {
			t.Errorf("guids %q", all)
		}
		nodes := 0
		for _, piece := range Cookies(out) {
			name, value, _ := strings.Cut(piece, "=")
			if name == "lb" {
				nodes++
			}
			if name == "own" || name == "lb" && value != "node" {
				t.Errorf("cookies %q", piece)
			}
		}
		if nodes != 1 || len(out.Header["Cookie"]) != 1 {
			t.Errorf("cookies %q", out.Header["Cookie"])
		}
	})
}

// FuzzReply reads any answer of a gateway: its GUID goes to nobody.
func FuzzReply(f *testing.F) {
	f.Add(200, []byte(`{"message":"success","retcode":"0","result":{"workno":"101"}}`), "application/json", "JSESSIONID=x.AgentGateway0")
	f.Add(502, []byte(`<html>`), "text/html;charset=GBK", "null")
	f.Fuzz(func(t *testing.T, status int, body []byte, contentType, guid string) {
		a := Reply{Status: status, Body: body, Header: http.Header{
			"Content-Type": {contentType}, "Set-Guid": {guid}, "Guid": {guid}, "Connection": {"x"}, "Content-Length": {"7"},
		}}
		if a.Code() != "" && status != http.StatusOK {
			t.Errorf("a code of %d", status)
		}
		_, _ = a.Object().One("result")
		w := httptest.NewRecorder()
		a.CopyTo(w)
		if len(w.Header()) != 1 {
			t.Errorf("answered is %v", w.Header())
		}
	})
}
