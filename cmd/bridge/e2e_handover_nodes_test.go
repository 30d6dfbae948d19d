package main

import (
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"

	"aiccbridge/poller/handover"
	"aiccbridge/schemas"
)

// nodeURL is the gateway by an address of its own, as one of its nodes has it.
type nodeURL struct {
	base        string
	certificate []byte // PEM
	polls       atomic.Int64
}

// node starts one. It ends with the test.
func (s *scene) node() *nodeURL {
	s.t.Helper()
	set, n := s.sim.Settings(), &nodeURL{}
	to, err := url.Parse(set.GatewayURL)
	if err != nil {
		s.t.Fatal(err)
	}
	roots := x509.NewCertPool()
	roots.AppendCertsFromPEM([]byte(s.read(set.CAFile)))
	transport := &http.Transport{TLSClientConfig: &tls.Config{RootCAs: roots}}
	on := &httputil.ReverseProxy{Transport: transport, Rewrite: func(r *httputil.ProxyRequest) {
		r.SetURL(&url.URL{Scheme: to.Scheme, Host: to.Host})
	}}
	front := httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if strings.Contains(r.URL.Path, "/agentevent/") {
			n.polls.Add(1)
		}
		on.ServeHTTP(w, r)
	}))
	s.t.Cleanup(func() {
		front.Close()
		transport.CloseIdleConnections()
	})
	n.base = front.URL + to.Path
	n.certificate = pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: front.Certificate().Raw})
	return n
}

// TestHandoverNodes: a session is polled at the node that its entry names, and nowhere else; at
// another one when it is handed over with that, by a new session while the old one is polled as
// well; and there again after a restart. What names no node of ours is not polled.
func TestHandoverNodes(t *testing.T) {
	t.Parallel()
	s := newScene(t, setup{agents: 2, handover: true, embedded: true, silent: 2 * patience})
	one, two := s.node(), s.node()
	trusted := filepath.Join(s.dir, "nodes.pem")
	all := append([]byte(s.read(s.sim.Settings().CAFile)), one.certificate...) // the same for both
	if err := os.WriteFile(trusted, all, 0o600); err != nil {
		t.Fatal(err)
	}
	s.alter(fmt.Sprintf("ca_file: %q", s.sim.Settings().CAFile), fmt.Sprintf("ca_file: %q", trusted))
	s.alter("handover: {sealed: false}", fmt.Sprintf("handover: {sealed: false, nodes: [%q, %q]}", one.base, two.base))
	r := s.run()
	agent := s.sim.Settings().Agents[0].ID
	put := func(g handover.Gift, node string) {
		t.Helper()
		g.URL = node
		entry, err := json.Marshal(g)
		if err == nil {
			_, err = r.Bucket(schemas.BucketSessions).Put(t.Context(), schemas.AgentKey(tenantName, agent), entry)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	polls := func() int64 { return int64(s.sim.Truth().Polling[agent].Polls) }
	onlyAt := func(n, other *nodeURL) {
		t.Helper()
		s.until("it is polled at its node", func() bool { return r.phases()[schemas.SessionPolling] == 1 && n.polls.Load() > 2 })
		elsewhere := other.polls.Load()
		before := n.polls.Load()
		s.until("it is polled on there", func() bool { return n.polls.Load() > before+3 })
		if other.polls.Load() != elsewhere {
			t.Errorf("polled at the other node, too: %d times", other.polls.Load()-elsewhere)
		}
		if sum := n.polls.Load() + other.polls.Load(); polls() > sum {
			t.Errorf("%d polls, %d of them at the nodes", polls(), sum)
		}
	}
	put(s.signIn(agent), one.base)
	onlyAt(one, two)
	put(s.signIn(agent, "/forcelogin"), two.base+"/")
	s.until("the new session is polled", func() bool { return two.polls.Load() > 0 })
	onlyAt(two, one)
	r.end()
	two.polls.Store(0)
	stopped, atOne := polls(), one.polls.Load()
	r = s.run()
	s.until("it is polled again", func() bool { return two.polls.Load() > 2 })
	if n := polls() - stopped; n > two.polls.Load() || one.polls.Load() != atOne {
		t.Errorf("after a restart %d polls, %d at its node", n, two.polls.Load())
	}
	put(s.signIn(agent, "/forcelogin"), "")
	asked := two.polls.Load()
	s.until("it is polled at the gateway's own address", func() bool { return polls() > stopped+asked+5 })
	s.stranger = true
	other := s.sim.Settings().Agents[1].ID
	agent = other
	put(s.signIn(other), "https://127.0.0.1:1/agentgateway/resource")
	s.until("a node that is not ours is refused", func() bool { return r.phases()[schemas.SessionRefused] == 1 })
	if polls() != 0 {
		t.Errorf("%d polls of a session at a node that is not ours", polls())
	}
	r.end()
}
