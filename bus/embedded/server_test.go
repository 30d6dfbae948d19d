package embedded

import (
	"context"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func start(t *testing.T, o Options) *Server {
	t.Helper()
	if o.Dir == "" {
		o.Dir = t.TempDir()
	}
	s, err := Start(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.Shutdown)
	return s
}

func connect(t *testing.T, s *Server) (*nats.Conn, jetstream.JetStream) {
	t.Helper()
	nc, err := s.Conn(nats.MaxReconnects(-1), nats.ReconnectWait(10*time.Millisecond),
		nats.ErrorHandler(func(*nats.Conn, *nats.Subscription, error) {})) // else it prints
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(nc.Close)
	js, err := jetstream.New(nc)
	if err != nil {
		t.Fatal(err)
	}
	return nc, js
}

func TestAcknowledgedMessagesSurviveRestarts(t *testing.T) {
	dir := t.TempDir()
	s := start(t, Options{Dir: dir})
	nc, js := connect(t, s)
	if _, err := js.CreateStream(t.Context(), jetstream.StreamConfig{Name: "S", Subjects: []string{"s.>"}}); err != nil {
		t.Fatal(err)
	}
	for i := range 50 {
		if _, err := js.Publish(t.Context(), fmt.Sprintf("s.%d", i), []byte("x")); err != nil {
			t.Fatal(err)
		}
	}
	reconnected := nc.StatusChanged(nats.CONNECTED)
	if err := s.Restart(); err != nil {
		t.Fatal(err)
	}
	<-reconnected
	if got := messages(t, js); got != 50 {
		t.Fatalf("after a restart: %d messages, want 50", got)
	}
	nc.Close()
	s.Shutdown()
	s.Shutdown() // does nothing

	_, js = connect(t, start(t, Options{Dir: dir}))
	if got := messages(t, js); got != 50 {
		t.Fatalf("after a new start: %d messages, want 50", got)
	}
}

func messages(t *testing.T, js jetstream.JetStream) uint64 {
	t.Helper()
	st, err := js.Stream(t.Context(), "S")
	if err != nil {
		t.Fatal(err)
	}
	return st.CachedInfo().State.Msgs
}

func TestServerSettings(t *testing.T) {
	s := start(t, Options{MaxStoreBytes: 1 << 20})
	cfg := s.server.JetStreamConfig()
	if !cfg.SyncAlways || !s.opts.SyncAlways {
		t.Error("SyncAlways is not in force")
	}
	if s.MaxStoreBytes() != 1<<20 {
		t.Errorf("max store %d, want the configured 1 MiB", s.MaxStoreBytes())
	}
	v, err := s.server.Varz(nil)
	if err != nil {
		t.Fatal(err)
	}
	if v.MaxPayload != DefaultMaxPayloadBytes {
		t.Errorf("max payload %d", v.MaxPayload)
	}
	if v.HTTPPort != 0 || v.HTTPSPort != 0 || v.Cluster.Port != 0 || v.Gateway.Port != 0 ||
		v.LeafNode.Port != 0 || v.MQTT.Port != 0 || v.Websocket.Port != 0 {
		t.Errorf("a listener beside the client one is on: %+v", v)
	}
	if s.ClientURL() != "" || s.server.Addr() != nil {
		t.Error("listening without being asked to")
	}
	if err := s.Healthy(); err != nil {
		t.Error(err)
	}
}

func TestListener(t *testing.T) {
	s := start(t, Options{Listen: "127.0.0.1:0"})
	before := s.ClientURL()
	nc, err := nats.Connect(before)
	if err != nil {
		t.Fatal(err)
	}
	defer nc.Close()
	if err := s.Restart(); err != nil {
		t.Fatal(err)
	}
	if s.ClientURL() != before {
		t.Errorf("restart moved the listener from %s to %s", before, s.ClientURL())
	}
}

func TestStartErrors(t *testing.T) {
	busy, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer busy.Close()
	used := t.TempDir()
	start(t, Options{Dir: used})
	file := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	for name, tc := range map[string]struct {
		o    Options
		want string
	}{
		"second process":  {Options{Dir: used}, "another bridge is using this data directory"},
		"no directory":    {Options{}, "no directory given"},
		"a file":          {Options{Dir: file}, "not a directory"},
		"no port":         {Options{Dir: t.TempDir(), Listen: "127.0.0.1"}, "want host:port"},
		"no port number":  {Options{Dir: t.TempDir(), Listen: "127.0.0.1:http"}, "want a port number"},
		"address is used": {Options{Dir: t.TempDir(), Listen: busy.Addr().String()}, "address already in use"},
	} {
		t.Run(name, func(t *testing.T) {
			s, err := Start(t.Context(), tc.o)
			if err == nil {
				s.Shutdown()
				t.Fatal("started")
			}
			if !strings.Contains(err.Error(), tc.want) {
				t.Errorf("error %q, want %q in it", err, tc.want)
			}
		})
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := Start(ctx, Options{Dir: t.TempDir()}); err == nil {
		t.Error("started with an ended context")
	}
}

func TestFailedStartFreesTheDirectory(t *testing.T) {
	dir := t.TempDir()
	if _, err := Start(t.Context(), Options{Dir: dir, Listen: "127.0.0.1"}); err == nil {
		t.Fatal("started")
	}
	start(t, Options{Dir: dir})
}
