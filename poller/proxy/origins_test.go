package proxy_test

import (
	"crypto/tls"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"slices"
	"sync/atomic"
	"testing"
)

// A front lets pages of one origin use the gateway behind it, as a server before it would.
type front struct {
	desk  string       // the origin
	asked atomic.Int64 // what pages may do
	httputil.ReverseProxy
}

func (f *front) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	h := w.Header()
	h.Set("Vary", "Origin")
	if r.Header.Get("Origin") == f.desk {
		h.Set("Access-Control-Allow-Origin", f.desk)
		h.Set("Access-Control-Allow-Credentials", "true")
		h.Set("Access-Control-Expose-Headers", "Set-GUID")
	}
	if r.Method != http.MethodOptions {
		f.ReverseProxy.ServeHTTP(w, r)
		return
	}
	f.asked.Add(1)
	h.Set("Access-Control-Allow-Methods", "GET, POST, PUT, DELETE")
	h.Set("Access-Control-Allow-Headers", "guid, content-type")
	w.WriteHeader(http.StatusNoContent)
}

// before puts a front before a scene's gateway.
func (s *scene) before(desk string) *front {
	to, err := url.Parse(s.sim.Settings().GatewayURL)
	if err != nil {
		s.t.Fatal(err)
	}
	transport := &http.Transport{TLSClientConfig: &tls.Config{InsecureSkipVerify: true}}
	f := &front{desk: desk, ReverseProxy: httputil.ReverseProxy{
		Transport: transport, Rewrite: func(r *httputil.ProxyRequest) { r.Out.URL.Scheme, r.Out.URL.Host = to.Scheme, to.Host },
	}}
	server := httptest.NewServer(f)
	s.t.Cleanup(transport.CloseIdleConnections)
	s.t.Cleanup(server.Close)
	s.through(server.URL + to.Path)
	return f
}

// TestProxyOrigins: a softphone in a browser, whose page is of another origin, may read what it
// could read of the gateway: the bridge's own answers as those that it passes on, each said once,
// also after a restart; one that may not, may not here.
func TestProxyOrigins(t *testing.T) {
	t.Parallel()
	const desk, other = "https://desk.example.com", "https://elsewhere.example.com"
	s := newScene(t, still(1))
	s.learn()
	f := s.before(desk)
	b := s.start("")
	p := s.phone("101", b.addr)
	allowed := func(method, path, origin, code string, want ...string) {
		t.Helper()
		a, err := p.call(t.Context(), method, path, "", "Origin", origin)
		if err != nil || a.Code != code {
			t.Errorf("%s %s: %q, %v, want %q", method, path, a.Code, err, code)
		}
		for _, name := range []string{"Access-Control-Allow-Origin", "Access-Control-Allow-Credentials"} {
			if got := a.header.Values(name); !slices.Equal(got, want[:min(1, len(want))]) {
				t.Errorf("%s %s: %s is %q, want %q", method, path, name, got, want)
			}
			if len(want) > 0 {
				want = want[1:]
			}
		}
		if got := a.header.Values("Vary"); !slices.Equal(got, []string{"Origin"}) {
			t.Errorf("%s %s: Vary is %q", method, path, got)
		}
	}
	if r, err := http.NewRequestWithContext(t.Context(), http.MethodOptions, p.base+"agentevent/101", nil); err != nil {
		t.Fatal(err)
	} else {
		r.Header.Set("Origin", desk)
		a, err := p.http.Do(r)
		if err != nil {
			t.Fatal(err)
		}
		defer a.Body.Close()
		if got := a.Header.Get("Access-Control-Allow-Headers"); a.StatusCode != http.StatusNoContent || got != "guid, content-type" {
			t.Errorf("a page that asks is answered %d, %q", a.StatusCode, got)
		}
	}
	p.signIn("", "")
	for range 2 {
		before := f.asked.Load()
		allowed(http.MethodGet, "agentevent/101", desk, "0", desk, "true")
		allowed(http.MethodPost, "onlineagent/101/handshake", desk, "0", desk, "true")
		allowed(http.MethodGet, "onlineagent/101/agentstatus", desk, "0", desk, "true")
		allowed(http.MethodGet, "agentevent/101", other, "0")
		if n := f.asked.Load() - before; n != 2 {
			t.Errorf("the gateway was asked %d times for two origins", n)
		}
		b.stop()
		b = s.start(b.addr)
	}
	p.guid = ""
	allowed(http.MethodGet, "agentevent/101", desk, "100-006", desk, "true")
}
