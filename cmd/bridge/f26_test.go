//go:build faults

package main

import (
	"math/rand/v2"
	"syscall"
	"testing"
	"time"
)

// TestF26Stops: SIGTERM, under load and during the start, ends a bridge within its
// grace period, and costs nothing. A second one ends it at once, and costs what a
// kill does.
func TestF26Stops(t *testing.T) {
	clean := scenes(t, map[string]func(*testing.T) score{
		"under load 1": func(t *testing.T) score { return stops(t, 12, (*scene).stopUnderLoad) },
		"under load 2": func(t *testing.T) score { return stops(t, 13, (*scene).stopUnderLoad) },
		"starting":     func(t *testing.T) score { return stops(t, 25, (*scene).stopWhileStarting) },
	})
	if clean.gaps != 0 || clean.explained != 0 {
		t.Errorf("%d gaps, %d events in them", clean.gaps, clean.explained)
	}
	twice := stops(t, 10, (*scene).stopTwice)
	n := clean.tries
	clean.merge(twice)
	clean.report(t, "clean %d/50, %d at once; %d lost, %d gaps / %d expected", n, twice.tries, clean.lost, clean.recorded, clean.expected)
}

// stops stops bridges of one scene and lets the last one come to its end.
func stops(t *testing.T, times int, stop func(s *scene, wait time.Duration) bool) (sum score) {
	s := newScene(t, busy())
	random := rand.New(rand.NewPCG(seed(t), uint64(times)))
	for range times {
		if stop(s, time.Duration(random.IntN(1500))*time.Millisecond) {
			sum.tries++
		}
	}
	sum.merge(s.run().judged())
	return sum
}

func (s *scene) stopUnderLoad(wait time.Duration) bool {
	c := s.start()
	b := s.consumer()
	s.moreEvents(b, 5)
	b.Close()
	pause(s.t, wait)
	return c.stopsCleanly(s.setup.grace)
}

func (s *scene) stopWhileStarting(wait time.Duration) bool {
	said := len(s.journal.String())
	c := s.start()
	pause(s.t, 50*time.Millisecond+wait/2)
	if len(s.journal.String()) > said {
		return c.stopsCleanly(s.setup.grace)
	}
	c.signal(syscall.SIGTERM)
	state := c.state() // the process may not have got as far as to take signals over
	return state.Exited() && state.ExitStatus() == exitOK || state.Signaled() && state.Signal() == syscall.SIGTERM
}

func (s *scene) stopTwice(wait time.Duration) bool {
	c := s.start()
	b := s.consumer()
	s.moreEvents(b, 5)
	b.Close()
	c.signal(syscall.SIGTERM)
	pause(s.t, wait/10)
	select {
	case <-c.done: // it was idle, and quicker
		return true
	default:
	}
	_ = c.cmd.Process.Signal(syscall.SIGTERM) // it may end meanwhile
	begun := time.Now()
	state := c.state()
	orderly := state.Exited() && state.ExitStatus() == exitOK
	if took := time.Since(begun); !orderly && (!state.Signaled() || state.Signal() != syscall.SIGTERM) || took > 5*time.Second {
		s.t.Errorf("the second SIGTERM ended the bridge with %v after %v", c.cmd.ProcessState, took)
		return false
	}
	return true
}
