package main

import (
	"net"
	"net/http"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"aiccbridge/schemas"
)

// manager is a service manager: the socket that it hears on.
type manager struct {
	s    *scene
	conn *net.UnixConn
	path string
}

func newManager(s *scene) *manager {
	s.t.Helper()
	m := &manager{s: s, path: filepath.Join(s.dir, "notify")}
	c, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: m.path, Net: "unixgram"})
	if err != nil {
		s.t.Fatal(err)
	}
	s.t.Cleanup(func() { _ = c.Close() })
	m.conn = c
	return m
}

// next is the next message that is neither a status nor a watchdog's.
func (m *manager) next() string {
	m.s.t.Helper()
	return m.first(func(text string) bool { return !strings.HasPrefix(text, "STATUS=") && text != "WATCHDOG=1" })
}

// want reads on until a message comes.
func (m *manager) want(text string) {
	m.s.t.Helper()
	m.first(func(said string) bool { return said == text })
}

// first is the first message that is wanted. It fails the test when none comes in time.
func (m *manager) first(wanted func(text string) bool) string {
	m.s.t.Helper()
	if err := m.conn.SetReadDeadline(time.Now().Add(patience)); err != nil {
		m.s.t.Fatal(err)
	}
	buf := make([]byte, 4096)
	for {
		n, err := m.conn.Read(buf)
		if err != nil {
			m.s.t.Fatalf("nothing is told: %v\n%s", err, m.s.journal.tail())
		}
		if text := string(buf[:n]); wanted(text) {
			return text
		}
	}
}

// TestServiceManager: it is told READY when the bridge serves, WATCHDOG while it goes on,
// RELOADING and READY at SIGHUP, and STOPPING before the end.
func TestServiceManager(t *testing.T) {
	t.Parallel()
	hearsHangUps(t)
	s := newScene(t, setup{agents: 2, kinds: schemas.Kinds()[:1], long: true})
	m := newManager(s)
	cmd := exec.Command(program(t), "run", "-c", s.path())
	cmd.Env = []string{"NOTIFY_SOCKET=" + m.path, "WATCHDOG_USEC=400000"}
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true} // as a service: without a terminal
	c := s.startCommand(cmd, s.journal)
	if got := m.next(); got != "READY=1" {
		t.Fatalf("first it says %q", got)
	}
	answer, err := http.Get("http://" + s.admin + "/readyz")
	if err != nil {
		t.Fatalf("it says that it is ready, and does not serve: %v", err)
	}
	_ = answer.Body.Close()
	if answer.StatusCode != http.StatusOK {
		t.Errorf("it says that it is ready, and /readyz says %s", answer.Status)
	}
	m.want("WATCHDOG=1")
	m.want("WATCHDOG=1")
	c.signal(syscall.SIGHUP)
	if got := m.next(); !strings.HasPrefix(got, "RELOADING=1\nMONOTONIC_USEC=") {
		t.Errorf("at SIGHUP it says %q", got)
	}
	if got := m.next(); got != "READY=1" {
		t.Errorf("after the reload it says %q", got)
	}
	s.until("the agents are polled", func() bool { return len(s.sim.Truth().Polling) == 2 })
	m.want("WATCHDOG=1")
	c.signal(syscall.SIGTERM)
	if got := m.next(); !strings.HasPrefix(got, "STOPPING=1\nSTATUS=") {
		t.Errorf("at SIGTERM it says %q", got)
	}
	if state := c.state(); state.ExitStatus() != exitOK {
		t.Errorf("it ended with %v", c.cmd.ProcessState)
	}
}
