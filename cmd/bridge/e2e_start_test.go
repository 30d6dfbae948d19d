package main

import (
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"

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
