package main

import (
	"net"
	"path/filepath"
	"strconv"
	"sync"
	"testing"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"aiccbridge/bus/assets"
	"aiccbridge/internal/faultproxy"
	"aiccbridge/schemas"
)

// externalHub is an external NATS server of a scene. Bridges reach it through a proxy,
// consumers directly. It ends with the test.
type externalHub struct {
	t          *testing.T
	address    string
	dir        string
	restricted bool // it runs from docs/nats, and everybody signs in
	proxy      *faultproxy.Proxy
	refused    refusals

	mu     sync.Mutex
	server *server.Server // nil: stopped
}

func newHub(t *testing.T, dir string, restricted bool) *externalHub {
	t.Helper()
	h := &externalHub{t: t, address: freePort(t), dir: filepath.Join(dir, "hub"), restricted: restricted}
	var err error
	if h.proxy, err = faultproxy.Listen(h.address); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		h.proxy.Close()
		h.stop()
		for _, line := range h.refused.take() {
			t.Errorf("the hub refused something: %s", line)
		}
	})
	if restricted {
		h.writePasswords()
	}
	h.start()
	return h
}

// start starts the server over what the last one left.
func (h *externalHub) start() {
	h.t.Helper()
	o := &server.Options{JetStream: true, SyncAlways: true}
	if h.restricted {
		o = h.shipped()
	}
	host, port, _ := net.SplitHostPort(h.address)
	o.Host, o.StoreDir, o.NoSigs, o.NoLog = host, h.dir, true, true
	o.Port, _ = strconv.Atoi(port)
	s, err := server.NewServer(o)
	if err != nil {
		h.t.Fatal(err)
	}
	s.SetLogger(&h.refused, false, false)
	s.Start()
	if !s.ReadyForConnections(patience) {
		h.t.Fatal("the hub is not ready")
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	h.server = s
}

// stop ends the server; it does nothing when there is none.
func (h *externalHub) stop() {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.server != nil {
		h.server.Shutdown()
		h.server.WaitForShutdown()
	}
	h.server = nil
}

// jetStream is an administrator's connection to the hub. It ends with the test.
func (s *scene) jetStream() jetstream.JetStream {
	s.t.Helper()
	var who []nats.Option
	if s.hub.restricted {
		who = append(who, nats.UserInfo(string(assets.RoleAdmin), password(assets.RoleAdmin)))
	}
	conn, err := nats.Connect("nats://"+s.nats, who...)
	if err != nil {
		s.t.Fatal(err)
	}
	s.t.Cleanup(conn.Close)
	js, err := jetstream.New(conn)
	if err != nil {
		s.t.Fatal(err)
	}
	return js
}

// changeStream changes settings of a stream of the hub as an administrator does.
func (s *scene) changeStream(stream schemas.Stream, edit func(c *jetstream.StreamConfig)) {
	s.t.Helper()
	js := s.jetStream()
	names, _ := schemas.NewNames("aicc")
	have, err := js.Stream(s.t.Context(), names.Stream(stream))
	if err != nil {
		s.t.Fatal(err)
	}
	c := have.CachedInfo().Config
	edit(&c)
	if _, err := js.UpdateStream(s.t.Context(), c); err != nil {
		s.t.Fatal(err)
	}
}
