//go:build unix

package systemd

import (
	"bytes"
	"context"
	"errors"
	"net"
	"path/filepath"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/rs/zerolog"
	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// socket is that of a service manager, which the environment names.
func socket(t *testing.T) *net.UnixConn {
	t.Helper()
	path := filepath.Join(t.TempDir(), "notify")
	c, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: path, Net: "unixgram"})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Close() })
	t.Setenv("NOTIFY_SOCKET", path)
	return c
}

// heard is the next message; it fails the test when none comes.
func heard(t *testing.T, c *net.UnixConn) string {
	t.Helper()
	if err := c.SetReadDeadline(time.Now().Add(time.Minute)); err != nil {
		t.Fatal(err)
	}
	buf := make([]byte, 4096)
	n, err := c.Read(buf)
	if err != nil {
		t.Fatal(err)
	}
	return string(buf[:n])
}

func TestMessages(t *testing.T) {
	c := socket(t)
	m := New(zerolog.Nop())
	m.Ready()
	done := m.Reloading()
	done()
	m.Stopping()
	for _, want := range []string{"READY=1", "RELOADING=1\nMONOTONIC_USEC=", "READY=1", "STOPPING=1\nSTATUS="} {
		if got := heard(t, c); !strings.HasPrefix(got, want) {
			t.Errorf("%q, want %q", got, want)
		}
	}
}

// TestReloadingHasItsTime: the manager tells a reload that it asked for from an earlier one by it.
func TestReloadingHasItsTime(t *testing.T) {
	c := socket(t)
	New(zerolog.Nop()).Reloading()
	_, digits, _ := strings.Cut(heard(t, c), "MONOTONIC_USEC=")
	if n, err := strconv.ParseInt(digits, 10, 64); err != nil || n <= 0 {
		t.Errorf("%q: %v", digits, err)
	}
}

// TestWatchdog: it is fed while the program makes progress, and only then.
func TestWatchdog(t *testing.T) {
	c := socket(t)
	t.Setenv("WATCHDOG_USEC", "40000")
	t.Setenv("WATCHDOG_PID", "")
	var log bytes.Buffer
	var stuck atomic.Bool
	looks := make(chan struct{})
	ctx, stop := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() {
		done <- New(zerolog.New(&log)).Run(ctx, Health{
			Status: func() string { return "fine" },
			Stuck: func() error {
				if !stuck.Load() {
					return nil
				}
				looks <- struct{}{}
				return errors.New("the poller stands still")
			},
		})
	}()
	for _, want := range []string{"STATUS=fine", "WATCHDOG=1", "WATCHDOG=1"} {
		if got := heard(t, c); got != want {
			t.Fatalf("%q, want %q", got, want)
		}
	}
	stuck.Store(true)
	<-looks // what was sent before is in the socket
	for c.SetReadDeadline(time.Now().Add(time.Millisecond)) == nil {
		if _, err := c.Read(make([]byte, 100)); err != nil {
			break
		}
	}
	<-looks
	<-looks
	if err := c.SetReadDeadline(time.Now().Add(time.Millisecond)); err != nil {
		t.Fatal(err)
	}
	if n, err := c.Read(make([]byte, 100)); err == nil {
		t.Errorf("it was fed (%d bytes)", n)
	}
	stuck.Store(false)
	go func() { // a look may be waiting
		select {
		case <-looks:
		case <-ctx.Done():
		}
	}()
	if got := heard(t, c); got != "WATCHDOG=1" {
		t.Errorf("%q when it goes on", got)
	}
	stop()
	if err := <-done; err != nil {
		t.Error(err)
	}
	if n := strings.Count(log.String(), "the poller stands still"); n != 1 {
		t.Errorf("%d lines: %s", n, &log)
	}
}

// TestNobodyAsks: without a socket nothing is sent, nothing is logged, and nothing stops.
func TestNobodyAsks(t *testing.T) {
	t.Setenv("NOTIFY_SOCKET", "")
	t.Setenv("WATCHDOG_USEC", "")
	var log bytes.Buffer
	ctx, stop := context.WithCancel(t.Context())
	defer stop()
	for _, m := range []*Manager{New(zerolog.New(&log)), nil} {
		m.Ready()
		m.Reloading()()
		m.Stopping()
		looked := false
		if err := m.Run(ctx, Health{
			Status: func() string { stop(); return "" },
			Stuck:  func() error { looked = true; return nil },
		}); err != nil || looked != (m != nil) {
			t.Errorf("%v, looked: %t", err, looked)
		}
	}
	if log.Len() > 0 {
		t.Errorf("it logged %s", &log)
	}
}

// TestManagerGone: what cannot be told is said once.
func TestManagerGone(t *testing.T) {
	t.Setenv("NOTIFY_SOCKET", filepath.Join(t.TempDir(), "none"))
	var log bytes.Buffer
	m := New(zerolog.New(&log))
	m.Ready()
	m.Stopping()
	if n := strings.Count(log.String(), "\n"); n != 1 {
		t.Errorf("%d lines: %s", n, &log)
	}
}

// TestManagerDoesNotRead: nobody waits for it for long, and that is said once.
func TestManagerDoesNotRead(t *testing.T) {
	c := socket(t)
	var log bytes.Buffer
	m := New(zerolog.New(&log))
	for log.Len() == 0 { // until the socket is full
		m.Ready()
	}
	m.Stopping()
	if n := strings.Count(log.String(), "\n"); n != 1 {
		t.Errorf("%d lines: %s", n, &log)
	}
	if got := heard(t, c); got != "READY=1" {
		t.Errorf("%q", got)
	}
}
