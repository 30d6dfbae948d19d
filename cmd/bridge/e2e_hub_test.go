package main

import (
	"net"
	"path/filepath"
	"strconv"
	"sync"
	"testing"

	"github.com/nats-io/nats-server/v2/server"

	"aiccbridge/internal/faultproxy"
)

// hub is an external NATS server of a scene. Bridges reach it through a proxy,
// consumers directly. It ends with the test.
type hub struct {
	t       *testing.T
	address string
	dir     string
	proxy   *faultproxy.Proxy

	mu     sync.Mutex
	server *server.Server // nil: stopped
}

func newHub(t *testing.T, dir string) *hub {
	t.Helper()
	h := &hub{t: t, address: freePort(t), dir: filepath.Join(dir, "hub")}
	var err error
	if h.proxy, err = faultproxy.Listen(h.address); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		h.proxy.Close()
		h.stop()
	})
	h.start()
	return h
}

// start starts the server over what the last one left.
func (h *hub) start() {
	h.t.Helper()
	host, text, _ := net.SplitHostPort(h.address)
	port, _ := strconv.Atoi(text)
	s, err := server.NewServer(&server.Options{
		Host: host, Port: port, JetStream: true, StoreDir: h.dir, SyncAlways: true, NoSigs: true, NoLog: true,
	})
	if err != nil {
		h.t.Fatal(err)
	}
	s.Start()
	if !s.ReadyForConnections(patience) {
		h.t.Fatal("the hub is not ready")
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	h.server = s
}

// stop ends the server; it does nothing when there is none.
func (h *hub) stop() {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.server != nil {
		h.server.Shutdown()
		h.server.WaitForShutdown()
	}
	h.server = nil
}
