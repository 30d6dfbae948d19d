package main

import (
	"net"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"aiccbridge/bus/embedded"
	"aiccbridge/schemas"
)

// TestSecondBridge: a data folder belongs to one bridge.
func TestSecondBridge(t *testing.T) {
	t.Parallel()
	s := newScene(t, setup{kinds: []schemas.Kind{schemas.KindCDR}})
	r := s.run()
	second := filepath.Join(s.dir, "second.yaml")
	text := s.configText(filepath.Join(s.dir, "data"), freePort(t), freePort(t))
	if err := os.WriteFile(second, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	message := s.failing("run", "-c", second)
	if !strings.Contains(message, filepath.Join(s.dir, "data")) || !strings.Contains(message, "another") {
		t.Errorf("a second bridge says %q", message)
	}
	r.finish()
}

// TestCallbackPortInUse: the message names the key to change.
func TestCallbackPortInUse(t *testing.T) {
	t.Parallel()
	s := newScene(t, setup{kinds: []schemas.Kind{schemas.KindCDR}})
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer taken.Close()
	text := s.configText(filepath.Join(s.dir, "data"), s.nats, taken.Addr().String())
	if err := os.WriteFile(s.path(), []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	message := s.failing("run", "-c", s.path())
	if !strings.Contains(message, "listen.callbacks") || !strings.Contains(message, taken.Addr().String()) {
		t.Errorf("the bridge says %q", message)
	}
}

// TestFailedStartLeavesNothing: what was opened before a start failed is closed, and the
// data folder is free.
func TestFailedStartLeavesNothing(t *testing.T) {
	t.Parallel()
	s := newScene(t, setup{agents: 1, kinds: []schemas.Kind{schemas.KindCDR}})
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer taken.Close()
	s.admin = taken.Addr().String() // the last listener
	data, callbacks := filepath.Join(s.dir, "data"), freePort(t)
	if err := os.WriteFile(s.path(), []byte(s.configText(data, s.nats, callbacks)), 0o600); err != nil {
		t.Fatal(err)
	}
	cfg, err := load(s.path(), s.journal)
	if err != nil {
		t.Fatal(err)
	}
	err = runBridge(t.Context(), cfg, newLogger(cfg.Log, s.journal), nil, hooks{ready: func(*bridge) { t.Error("it runs") }})
	if err == nil || !strings.Contains(err.Error(), "listen.admin") {
		t.Errorf("the start fails with %v", err)
	}
	free := []string{callbacks}
	if s.hub == nil {
		free = append(free, s.nats)
	}
	for _, address := range free {
		l, err := net.Listen("tcp", address)
		if err != nil {
			t.Errorf("still open: %v", err)
			continue
		}
		_ = l.Close()
	}
	lock, err := embedded.Lock(data)
	if err != nil {
		t.Fatal(err)
	}
	_ = lock.Close()
}

// failing runs a command line that must fail, and returns the sentence that it
// ends with.
func (s *scene) failing(args ...string) string {
	s.t.Helper()
	c := s.startWith(args...)
	if state := c.state(); !state.Exited() || state.ExitStatus() != exitFailed {
		s.t.Fatalf("it ended with %v, want exit status %d\n%s", c.cmd.ProcessState, exitFailed, s.journal.tail())
	}
	last := ""
	for line := range strings.Lines(s.journal.String()) {
		if said, ok := strings.CutPrefix(line, "bridge: "); ok {
			last = strings.TrimSpace(said)
		}
	}
	return last
}

// TestWeakerStream: a stream that keeps less than promised is refused by name,
// and taken when that name is accepted.
func TestWeakerStream(t *testing.T) {
	t.Parallel()
	s := newScene(t, setup{kinds: []schemas.Kind{schemas.KindCDR}})
	s.makeWeakEvents()
	message := s.failing("run", "-c", s.path())
	if !strings.Contains(message, "weaker") || !strings.Contains(s.journal.String(), "AICC_EVENTS.max_age: is 1h") {
		t.Fatalf("the bridge says %q", message)
	}
	c := s.startWith("run", "-c", s.path(), "--accept-weaker", "AICC_EVENTS.max_age")
	s.waitFor(schemas.StreamRows, 1)
	c.signal(syscall.SIGTERM)
	if state := c.state(); state.ExitStatus() != exitOK {
		t.Errorf("it ended with %v", c.cmd.ProcessState)
	}
}

// makeWeakEvents makes the stream of events one that keeps them for an hour,
// before a bridge runs: in its data folder, or at the hub.
func (s *scene) makeWeakEvents() {
	s.t.Helper()
	if s.hub != nil {
		s.changeStream(schemas.StreamEvents, func(c *jetstream.StreamConfig) { c.MaxAge = time.Hour })
		return
	}
	hub, err := embedded.Start(s.t.Context(), embedded.Options{Dir: filepath.Join(s.dir, "data", "nats")})
	if err != nil {
		s.t.Fatal(err)
	}
	defer hub.Shutdown()
	conn, err := hub.Conn()
	if err != nil {
		s.t.Fatal(err)
	}
	defer conn.Close()
	names, _ := schemas.NewNames("aicc")
	js, err := jetstream.New(conn)
	if err == nil {
		_, err = js.CreateStream(s.t.Context(), jetstream.StreamConfig{
			Name: names.Stream(schemas.StreamEvents), Subjects: names.StreamSubjects(schemas.StreamEvents), MaxAge: time.Hour,
		})
	}
	if err != nil {
		s.t.Fatal(err)
	}
}
