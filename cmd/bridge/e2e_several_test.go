//go:build faults || upgrade

package main

import (
	"os"
	"path/filepath"
	"syscall"
	"time"

	"aiccbridge/bus"
	"aiccbridge/schemas"
)

// beside is a second bridge's folder on the same contact centre and hub.
func (s *scene) beside(name string) *scene { return s.besideAt(name, s.url) }

// besideAt is beside with another way to the hub.
func (s *scene) besideAt(name, url string) *scene {
	s.t.Helper()
	other := *s
	other.url = url
	if s.admin != "" {
		other.admin = freePort(s.t)
	}
	other.dir = filepath.Join(s.dir, name)
	if err := os.Mkdir(other.dir, 0o700); err != nil {
		s.t.Fatal(err)
	}
	other.writeConfig()
	return &other
}

// moreEvents waits until the streams have so many more events than the last time.
func (s *scene) moreEvents(b *bus.Bus, n int) {
	s.t.Helper()
	names, _ := schemas.NewNames("aicc")
	last := func() uint64 {
		m, _, _ := b.Last(s.t.Context(), names.StreamSubjects(schemas.StreamEvents)[0]) // while the server is away there is none
		return m.Sequence
	}
	var from uint64
	s.until("the stream of events can be read", func() bool { from = last(); return from > 0 })
	s.until("events arrive", func() bool { return last() >= from+uint64(n) })
}

// stopsCleanly sends SIGTERM and wants an orderly end in time.
func (c *child) stopsCleanly(grace time.Duration) bool {
	c.t.Helper()
	begun := time.Now()
	c.signal(syscall.SIGTERM)
	state, took := c.state(), time.Since(begun)
	if !state.Exited() || state.ExitStatus() != exitOK || took > grace {
		c.t.Errorf("SIGTERM ended the bridge with %v after %v", c.cmd.ProcessState, took)
		return false
	}
	return true
}
