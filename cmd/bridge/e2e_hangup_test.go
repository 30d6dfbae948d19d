package main

import (
	"bufio"
	"bytes"
	"os"
	"os/exec"
	"os/signal"
	"strings"
	"sync"
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
	s := newScene(t, setup{kinds: schemas.Kinds()[:1]})
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	c := s.startCommand(exec.Command(program(t), "run", "-c", s.path()), w)
	_ = w.Close()
	if _, err := bufio.NewReader(r).ReadString('\n'); err != nil { // it hears signals
		t.Fatal(err)
	}
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
	s := newScene(t, setup{kinds: schemas.Kinds()[:1]})
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

// atLine is a log that is told to a journal and calls once it has so many lines.
type atLine struct {
	*journal
	mu    sync.Mutex
	left  int
	reach func()
}

func (a *atLine) Write(b []byte) (int, error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	before := a.left
	if a.left -= bytes.Count(b, []byte("\n")); before > 0 && a.left <= 0 {
		a.reach()
	}
	return a.journal.Write(b)
}

// TestStopAtEachLineOfTheStart: whatever the start has come to, a signal ends it in good
// order, and the next start finds nothing in its way.
func TestStopAtEachLineOfTheStart(t *testing.T) {
	t.Parallel()
	hearsHangUps(t)
	s := newScene(t, setup{agents: 2, kinds: schemas.Kinds()[:1]})
	signals := []syscall.Signal{syscall.SIGTERM, syscall.SIGINT, syscall.SIGHUP}
	started := func() bool { return s.journal.contains("bridge runs") }
	for line := 1; !started() || line < 4; line++ {
		reached := make(chan struct{})
		log := &atLine{journal: s.journal, left: line, reach: func() { close(reached) }}
		c := s.startCommand(exec.Command(program(t), "run", "-c", s.path()), log)
		select {
		case <-reached:
			c.signal(signals[line%len(signals)])
		case <-c.done:
			t.Fatalf("it ended before line %d: %v\n%s", line, c.cmd.ProcessState, s.journal.tail())
		}
		if state := c.state(); !state.Exited() || state.ExitStatus() != exitOK {
			t.Errorf("at line %d it ended with %v\n%s", line, c.cmd.ProcessState, s.journal.tail())
		}
	}
	s.run().finish()
}
