package main

import (
	"bufio"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"
	"time"
	"unsafe"

	"aiccbridge/schemas"
)

// terminal is one from which a bridge is started; closing it hangs up.
type terminal struct{ master, slave *os.File }

func openTerminal(t *testing.T) *terminal {
	t.Helper()
	master, err := os.OpenFile("/dev/ptmx", os.O_RDWR|syscall.O_NOCTTY, 0)
	if err != nil {
		t.Fatal(err)
	}
	var number, locked uint32
	for request, value := range map[uintptr]*uint32{syscall.TIOCGPTN: &number, syscall.TIOCSPTLCK: &locked} {
		if _, _, errno := syscall.Syscall(syscall.SYS_IOCTL, master.Fd(), request, uintptr(unsafe.Pointer(value))); errno != 0 {
			t.Fatal(errno)
		}
	}
	slave, err := os.OpenFile(fmt.Sprint("/dev/pts/", number), os.O_RDWR|syscall.O_NOCTTY, 0)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = master.Close() }) // a second time, mostly
	return &terminal{master, slave}
}

// start starts a command that the terminal is that of.
func (l *terminal) start(s *scene, log io.Writer, name string, args ...string) *child {
	cmd := exec.Command(name, args...)
	cmd.Stdin, cmd.SysProcAttr = l.slave, &syscall.SysProcAttr{Setsid: true, Setctty: true}
	c := s.startCommand(cmd, log)
	_ = l.slave.Close() // the child has it
	return c
}

func (l *terminal) hangUp() { _ = l.master.Close() }

// TestHangUp: a terminal that is closed ends the bridge as SIGTERM does, under load and
// without a loss, however often its end is told. While it is there, SIGHUP reloads.
func TestHangUp(t *testing.T) {
	hearsHangUps(t)
	s := newScene(t, busy())
	seen, stops := uint64(0), 0
	for _, ends := range []struct {
		closes  bool             // the terminal is closed, first
		signals []syscall.Signal // then
	}{
		{true, nil}, {true, []syscall.Signal{syscall.SIGHUP, syscall.SIGHUP}},
		{false, []syscall.Signal{syscall.SIGTERM, syscall.SIGHUP, syscall.SIGHUP}}, {false, []syscall.Signal{syscall.SIGINT, syscall.SIGHUP}},
	} {
		at := openTerminal(t)
		c := at.start(s, s.journal, program(t), "run", "-c", s.path())
		seen = s.waitFor(schemas.StreamEvents, seen+30)
		before := strings.Count(s.journal.String(), "nothing has changed")
		c.signal(syscall.SIGHUP)
		s.says("nothing has changed", before+1)
		begun := time.Now()
		if ends.closes {
			at.hangUp()
		}
		for i, sig := range ends.signals {
			if ends.closes || i > 0 { // or they would be one
				s.says("bridge stops:", stops+1)
			}
			_ = c.cmd.Process.Signal(sig) // a later one may find it gone
		}
		if state := c.state(); !state.Exited() || state.ExitStatus() != exitOK || time.Since(begun) > s.setup.grace {
			t.Fatalf("%+v ended the bridge with %v after %s\n%s", ends, c.cmd.ProcessState, time.Since(begun), s.journal.tail())
		}
		stops++
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
	at := openTerminal(t)
	c := at.start(s, w, program(t), "run", "-c", s.path())
	_ = w.Close()
	if _, err := bufio.NewReader(r).ReadString('\n'); err != nil { // it hears signals
		t.Fatal(err)
	}
	s.consumer().Close() // it runs
	_ = r.Close()
	at.hangUp() // it says that it stops, in vain
	if state := c.state(); !state.Exited() || state.ExitStatus() != exitOK {
		t.Errorf("it ended with %v", c.cmd.ProcessState)
	}
}

// TestNoHangUp: nohup means it.
func TestNoHangUp(t *testing.T) {
	hearsHangUps(t)
	s := newScene(t, setup{kinds: schemas.Kinds()[:1]})
	at := openTerminal(t)
	c := at.start(s, s.journal, "sh", "-c", `trap "" HUP; exec "$0" run -c "$1"`, program(t), s.path())
	s.consumer().Close() // it runs
	at.hangUp()
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

// TestHangUpWithoutATerminal: a bridge that a service manager started has none, and reloads.
func TestHangUpWithoutATerminal(t *testing.T) {
	hearsHangUps(t)
	s := newScene(t, setup{kinds: schemas.Kinds()[:1]})
	cmd := exec.Command(program(t), "run", "-c", s.path())
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	c := s.startCommand(cmd, s.journal)
	s.consumer().Close() // it runs
	for n := range 3 {
		c.signal(syscall.SIGHUP)
		s.says("nothing has changed", n+1)
	}
	c.signal(syscall.SIGTERM)
	if state := c.state(); !state.Exited() || state.ExitStatus() != exitOK {
		t.Errorf("SIGTERM ended it with %v", c.cmd.ProcessState)
	}
}
