// Package systemd tells the service manager how the program is, in the protocol of
// sd_notify(3): that it is ready, reloads, stops, and still makes progress. Where no manager
// asks, it says nothing.
//
// Invariants: READY comes once the program serves, and after each RELOADING; nothing but READY
// follows RELOADING. A WATCHDOG is sent only while the program says that it makes progress;
// without one for WatchdogSec= the manager ends and restarts it. What cannot be told is logged
// once, and stops nothing.
//
// The package knows no component, and imports nothing of ours.
package systemd

import (
	"context"
	"net"
	"os"
	"strings"
	"sync"
	"time"

	"github.com/coreos/go-systemd/v22/daemon"
	"github.com/rs/zerolog"
)

const (
	statusEvery = 5 * time.Second // how often the line of status may change
	sendLimit   = time.Second     // for one message
)

// Manager is who started the program. Its methods do nothing on nil, or when the environment
// names no socket. Safe for concurrent use.
type Manager struct {
	log zerolog.Logger

	mu     sync.Mutex
	failed bool   // it is in the log
	status string // as last told
}

// New does no I/O.
func New(log zerolog.Logger) *Manager { return &Manager{log: log} }

// Ready says that the program serves.
func (m *Manager) Ready() { m.tell(daemon.SdNotifyReady) }

// Stopping says that it ends.
func (m *Manager) Stopping() { m.tell(daemon.SdNotifyStopping, "STATUS=finishing what is in hand") }

// Reloading says that it reads its configuration again, until done is called.
func (m *Manager) Reloading() (done func()) {
	m.tell(daemon.SdNotifyReloading, strings.TrimSpace(daemon.SdNotifyMonotonicUsec()))
	return m.Ready
}

// Health is what is told of a program that runs.
type Health struct {
	Status func() string // one line for people
	Stuck  func() error  // why it makes no progress; nil: it does
}

// Run tells the status whenever it changes, and that the program makes progress, several times
// in the time that the manager allows for, until ctx ends; it has no other error than nil.
func (m *Manager) Run(ctx context.Context, h Health) error {
	if m == nil {
		return nil
	}
	limit, err := daemon.SdWatchdogEnabled(false)
	if err != nil {
		m.log.Warn().Err(err).Msg("the service manager's watchdog is not fed: its setting is not understood")
	}
	every := statusEvery
	if limit > 0 {
		every = min(every, limit/4)
	}
	ticker := time.NewTicker(every)
	defer ticker.Stop()
	stuck := false
	for {
		if line := h.Status(); line != m.told() {
			m.tell("STATUS=" + line)
		}
		err := h.Stuck()
		if err != nil && !stuck {
			m.log.Error().Err(err).Dur("limit", limit).Msg("a loop makes no progress; if that lasts, a service manager with a watchdog restarts the bridge")
		}
		if stuck = err != nil; !stuck && limit > 0 {
			m.tell(daemon.SdNotifyWatchdog)
		}
		select {
		case <-ctx.Done():
			return nil
		case <-ticker.C:
		}
	}
}

func (m *Manager) told() string {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.status
}

// tell sends lines in one message.
func (m *Manager) tell(lines ...string) {
	if m == nil {
		return
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, line := range lines {
		if status, ok := strings.CutPrefix(line, "STATUS="); ok {
			m.status = status
		}
	}
	err := send(strings.Join(lines, "\n"))
	if err != nil && !m.failed {
		m.log.Warn().Err(err).Msg("the service manager cannot be told how the bridge is")
	}
	m.failed = err != nil
}

// send does what the library's SdNotify does, but waits no longer than sendLimit for a manager that
// does not read: nothing of the bridge may stand still for it.
func send(message string) error {
	to := &net.UnixAddr{Name: os.Getenv("NOTIFY_SOCKET"), Net: "unixgram"}
	if to.Name == "" {
		return nil
	}
	c, err := net.DialUnix(to.Net, nil, to)
	if err != nil {
		return err
	}
	defer c.Close()
	if err := c.SetWriteDeadline(time.Now().Add(sendLimit)); err != nil {
		return err
	}
	_, err = c.Write([]byte(message))
	return err
}
