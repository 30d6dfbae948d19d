package main

import (
	"io"
	"os"
	"os/exec"
	"syscall"

	"testing"
)

// child is a bridge as a process of its own.
type child struct {
	t    *testing.T
	cmd  *exec.Cmd
	done chan struct{}
}

// start runs `bridge run` as a child. It ends with the test at the latest.
func (s *scene) start() *child {
	s.t.Helper()
	return s.startWith("run", "-c", s.path())
}

func (s *scene) startWith(args ...string) *child {
	s.t.Helper()
	return s.startIn(nil, args...)
}

// startIn runs a command line with further environment variables.
func (s *scene) startIn(env []string, args ...string) *child {
	s.t.Helper()
	cmd := exec.Command(program(s.t), args...)
	cmd.Env = env
	return s.startCommand(cmd, s.journal)
}

// program is the one that BRIDGE_BINARY names, else the test binary.
func program(t *testing.T) string {
	t.Helper()
	if exe := os.Getenv("BRIDGE_BINARY"); exe != "" {
		return exe
	}
	exe, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	return exe
}

// startCommand starts a command that runs the program, which writes its log to log. Its
// environment is that of the test, and what the command has.
func (s *scene) startCommand(cmd *exec.Cmd, log io.Writer) *child {
	s.t.Helper()
	cmd.Env = append([]string{asBridge + "=1"}, cmd.Env...)
	return launch(s.t, cmd, log)
}

// launch starts a command, which ends with the test at the latest.
func launch(t *testing.T, cmd *exec.Cmd, log io.Writer) *child {
	t.Helper()
	c := &child{t: t, cmd: cmd, done: make(chan struct{})}
	c.cmd.Env = append(os.Environ(), cmd.Env...)
	c.cmd.Stdout, c.cmd.Stderr = log, log
	if err := c.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	go func() {
		defer close(c.done)
		_ = c.cmd.Wait() // the state tells
	}()
	t.Cleanup(func() {
		select {
		case <-c.done:
		default:
			_ = c.cmd.Process.Kill()
			<-c.done
		}
	})
	return c
}

func (c *child) signal(sig syscall.Signal) {
	c.t.Helper()
	if err := c.cmd.Process.Signal(sig); err != nil {
		c.t.Fatalf("send %s: %v", sig, err)
	}
}

// kill ends the child as kill -9 does, and waits for it.
func (c *child) kill() {
	c.t.Helper()
	c.signal(syscall.SIGKILL)
	<-c.done
	if state := c.state(); !state.Signaled() || state.Signal() != syscall.SIGKILL {
		c.t.Fatalf("the child ended before it was killed: %v", c.cmd.ProcessState)
	}
}

func (c *child) state() syscall.WaitStatus {
	c.t.Helper()
	<-c.done
	state, ok := c.cmd.ProcessState.Sys().(syscall.WaitStatus)
	if !ok {
		c.t.Fatal("no wait status on this system")
	}
	return state
}
