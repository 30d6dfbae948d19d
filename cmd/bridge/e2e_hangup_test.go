package main

import (
	"bytes"
	"os"
	"os/exec"
	"os/signal"
	"sync"
	"syscall"
	"testing"

	"aiccbridge/schemas"
)

// hearsHangUps makes sure that the children of this test do, whatever runs the tests.
func hearsHangUps(t *testing.T) {
	c := make(chan os.Signal, 1)
	signal.Notify(c, syscall.SIGHUP)
	t.Cleanup(func() { signal.Stop(c) })
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
	signals := []syscall.Signal{syscall.SIGTERM, syscall.SIGINT}
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
