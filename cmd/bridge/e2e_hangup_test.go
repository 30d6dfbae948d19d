package main

import (
	"os"
	"os/exec"
	"os/signal"
	"strings"
	"syscall"
	"testing"
	"time"

	"aiccbridge/schemas"
)

// hearsHangUps makes sure that the children of this test do, whatever runs the tests.
func hearsHangUps(t *testing.T) {
	c := make(chan os.Signal, 1)
	signal.Notify(c, syscall.SIGHUP)
	t.Cleanup(func() { signal.Stop(c) })
}

// TestHangUp: a terminal that is closed ends the bridge as SIGTERM does, under load and
// without a loss, however often its end is told, and whoever read the log.
func TestHangUp(t *testing.T) {
	hearsHangUps(t)
	s := newScene(t, busy())
	seen := uint64(0)
	for round, signals := range [][]syscall.Signal{
		{syscall.SIGHUP}, {syscall.SIGHUP, syscall.SIGHUP}, {syscall.SIGTERM, syscall.SIGHUP, syscall.SIGHUP}, {syscall.SIGINT, syscall.SIGHUP},
	} {
		c := s.start()
		seen = s.waitFor(schemas.StreamEvents, seen+30)
		begun := time.Now()
		for i, sig := range signals {
			if i > 0 { // or they would be one
				s.until("the signal before is heard", func() bool { return strings.Count(s.journal.String(), "bridge stops:") > round })
			}
			if err := c.cmd.Process.Signal(sig); err != nil && i == 0 { // a later one may find it gone
				t.Fatal(err)
			}
		}
		if state := c.state(); !state.Exited() || state.ExitStatus() != exitOK || time.Since(begun) > s.setup.grace {
			t.Fatalf("%v ended the bridge with %v after %s\n%s", signals, c.cmd.ProcessState, time.Since(begun), s.journal.tail())
		}
	}
	if e := s.run().finish().Events; e.Gaps != 0 || len(e.Lost) != 0 || e.Stored != e.Popped {
		t.Errorf("the report is %+v", e)
	}
}

// TestHangUpWithTheLogsReader: the reader of the log goes with the terminal.
func TestHangUpWithTheLogsReader(t *testing.T) {
	hearsHangUps(t)
	s := newScene(t, setup{kinds: everyKind()[:1]})
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	c := s.startCommand(exec.Command(program(t), "run", "-c", s.path()), w)
	_ = w.Close()
	s.consumer().Close() // it runs
	_ = r.Close()
	c.signal(syscall.SIGHUP) // it says that it stops, in vain
	if state := c.state(); !state.Exited() || state.ExitStatus() != exitOK {
		t.Errorf("it ended with %v", c.cmd.ProcessState)
	}
}

// TestNoHangUp: nohup means it.
func TestNoHangUp(t *testing.T) {
	hearsHangUps(t)
	s := newScene(t, setup{kinds: everyKind()[:1]})
	c := s.startCommand(exec.Command("sh", "-c", `trap "" HUP; exec "$0" run -c "$1"`, program(t), s.path()), s.journal)
	s.consumer().Close() // it runs
	c.signal(syscall.SIGHUP)
	select {
	case <-c.done:
		t.Errorf("it ended with %v", c.cmd.ProcessState)
	case <-time.After(2 * time.Second):
	}
	c.signal(syscall.SIGTERM)
	if state := c.state(); !state.Exited() || state.ExitStatus() != exitOK {
		t.Errorf("SIGTERM ended it with %v", c.cmd.ProcessState)
	}
}
