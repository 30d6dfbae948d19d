//go:build unix

package stopsignal

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"go.uber.org/goleak"
)

// asProgram makes the test binary a program that stops itself twice.
const asProgram = "STOPSIGNAL_TEST_AS_PROGRAM"

func TestMain(m *testing.M) {
	if os.Getenv(asProgram) != "" {
		program()
	}
	if signal.Ignored(syscall.SIGHUP) {
		os.Exit(heeding())
	}
	goleak.VerifyTestMain(m)
}

// heeding runs the tests again where they are under nohup, in a process that is not: a signal that
// is caught has its usual effect in a new program.
func heeding() int {
	signal.Notify(make(chan os.Signal, 1), syscall.SIGHUP)
	c := exec.Command(os.Args[0], os.Args[1:]...)
	c.Stdout, c.Stderr = os.Stdout, os.Stderr
	if err := c.Run(); err != nil {
		_, _ = fmt.Fprintln(os.Stderr, err)
		return 1
	}
	return 0
}

// program gets its first signal before it asks for a context, its second after that ended.
func program() {
	self := os.Getpid()
	_ = syscall.Kill(self, syscall.SIGTERM)
	ctx, _ := Context(context.Background()) // the process ends
	<-ctx.Done()
	_ = syscall.Kill(self, syscall.SIGHUP) // of no effect
	for {
		_ = syscall.Kill(self, syscall.SIGTERM)
		time.Sleep(time.Millisecond)
	}
}

// TestSignals: one before there is a context ends it, and the process only the next one.
func TestSignals(t *testing.T) {
	c := exec.Command(os.Args[0])
	c.Env = append(os.Environ(), asProgram+"=1")
	out, err := c.CombinedOutput()
	state, ok := c.ProcessState.Sys().(syscall.WaitStatus)
	if err == nil || !ok || !state.Signaled() || state.Signal() != syscall.SIGTERM {
		t.Errorf("it ended with %v: %s", c.ProcessState, out)
	}
}

// TestHangups: they end the context unless somebody takes them for something else.
func TestHangups(t *testing.T) {
	self := os.Getpid()
	ctx, stop := Context(t.Context())
	defer stop()
	takes, asked := atomic.Bool{}, make(chan bool, 1)
	takes.Store(true)
	OnHangup(ctx, func() bool {
		asked <- takes.Load()
		return takes.Load()
	})
	for range 3 {
		_ = syscall.Kill(self, syscall.SIGHUP)
		<-asked
	}
	if ctx.Err() != nil {
		t.Error("it has ended")
	}
	takes.Store(false)
	_ = syscall.Kill(self, syscall.SIGHUP)
	<-asked
	<-ctx.Done()
	OnHangup(t.Context(), nil) // of no effect
}

func TestContextEndsWithItsParent(t *testing.T) {
	parent, end := context.WithCancel(t.Context())
	ctx, stop := Context(parent)
	defer stop()
	if ctx.Err() != nil {
		t.Error("it has ended")
	}
	end()
	<-ctx.Done()
}
