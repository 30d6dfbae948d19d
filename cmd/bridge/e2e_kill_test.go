package main

import (
	"context"
	"errors"
	"syscall"
	"testing"
	"time"

	"aiccbridge/internal/platformsim/fault"
	"aiccbridge/schemas"
)

// errEnough ends a watch.
var errEnough = errors.New("enough")

// waitFor waits until the last sequence of a stream is at least n, and returns
// the sequence seen then.
func (s *scene) waitFor(stream schemas.Stream, n uint64) (seen uint64) {
	s.t.Helper()
	b := s.consumer()
	defer b.Close()
	ctx, cancel := context.WithTimeout(s.t.Context(), patience)
	defer cancel()
	err := b.Follow(ctx, stream, "", func(m schemas.Stored) error {
		if seen = m.Sequence; seen >= n {
			return errEnough
		}
		return nil
	})
	if !errors.Is(err, errEnough) {
		s.t.Fatalf("waited in vain for message %d of %s, the last was %d: %v\n%s", n, stream, seen, err, s.journal.tail())
	}
	return seen
}

// TestKillInTheMiddleOfAFile kills the bridge twice while it publishes one
// large file.
func TestKillInTheMiddleOfAFile(t *testing.T) {
	t.Parallel()
	const rows = 40_000
	o := oneWindow()
	o.kinds, o.faults = []schemas.Kind{schemas.KindOperation}, []fault.Rule{extraRows(rows)}
	s := newScene(t, o)
	for _, at := range []uint64{5_000, 20_000} {
		c := s.start()
		seen := s.waitFor(schemas.StreamRows, at)
		c.kill()
		if seen > 36_000 {
			t.Fatalf("too late: %d rows are there", seen)
		}
		t.Logf("killed at about %d rows", seen)
	}
	r := s.run()
	s.until("the rows are there", func() bool {
		e := r.ledger.Entries(tenantName, schemas.KindOperation)
		return len(e) > 0 && e[0].State == schemas.WindowCompleted
	})
	report := r.finish()
	if report.Rows.InStream != rows || report.Rows.Duplicates != 0 || report.Files.Made != 1 {
		t.Errorf("%d rows, %d duplicates, %d files", report.Rows.InStream, report.Rows.Duplicates, report.Files.Made)
	}
	if len(r.markers) != 1 || r.markers[0].Rows != rows || r.markers[0].Added != rows || !r.markerLast {
		t.Errorf("the markers are %+v, last is one: %t", r.markers, r.markerLast)
	}
}

// busy is a scene under load, of events and of files.
func busy() setup {
	return setup{agents: 6, kinds: schemas.Kinds(), window: 5 * time.Second, grace: 15 * time.Second}
}

// unhurried is a scene with windows so long that a slow machine, too, extracts faster than new
// ones end: else what bridges that were killed have left is never caught up with.
func unhurried(o setup) setup {
	o.window = 10 * time.Second
	return o
}

// withCalls has calls made, and compared in the end: by the one bridge that is left then.
func withCalls(o setup) setup {
	o.calls = true
	return o
}

// TestKillUnderLoad: a kill may lose one event of each agent, and says so.
func TestKillUnderLoad(t *testing.T) {
	t.Parallel()
	const kills = 3
	s := newScene(t, unhurried(withCalls(busy())))
	seen := uint64(0)
	for range kills {
		c := s.start()
		seen = s.waitFor(schemas.StreamEvents, seen+70)
		c.kill()
	}
	r := s.run()
	report := r.finish()
	lost := map[string]int{}
	for _, e := range report.Events.Lost {
		if lost[e.Agent]++; !e.Explained || lost[e.Agent] > kills {
			t.Errorf("agent %s lost %d events: %+v", e.Agent, lost[e.Agent], e)
		}
	}
	if n := s.setup.agents * kills; report.Events.Gaps > n || report.Events.Gaps < kills {
		t.Errorf("%d gaps after %d kills of %d agents", report.Events.Gaps, kills, s.setup.agents)
	}
	if report.Events.Stored < 200 {
		t.Errorf("only %d events", report.Events.Stored)
	}
}

// TestStopUnderLoad: SIGTERM ends the bridge within its grace period, and
// nothing is lost.
func TestStopUnderLoad(t *testing.T) {
	t.Parallel()
	s := newScene(t, unhurried(busy()))
	seen := uint64(0)
	for range 3 {
		c := s.start()
		seen = s.waitFor(schemas.StreamEvents, seen+60)
		c.signal(syscall.SIGTERM)
		begun := time.Now()
		if state := c.state(); !state.Exited() || state.ExitStatus() != exitOK {
			t.Fatalf("SIGTERM ended the bridge with %v\n%s", c.cmd.ProcessState, s.journal.tail())
		}
		if d := time.Since(begun); d > s.setup.grace {
			t.Errorf("it took %v to stop", d)
		}
	}
	report := s.run().finish()
	if len(s.journal.guids) < s.setup.agents {
		t.Errorf("the log was searched for %d GUIDs, want those of all agents", len(s.journal.guids))
	}
	if e := report.Events; e.Gaps != 0 || len(e.Lost) != 0 || e.Stored != e.Popped || e.Stored < 180 {
		t.Errorf("the report is %+v", e)
	}
}

// TestSecondSignal: a second SIGTERM does not wait for a slow drain.
func TestSecondSignal(t *testing.T) {
	t.Parallel()
	o := oneWindow(fault.Rule{Fault: "download.slow_drip", Next: 1, Rate: 10})
	o.grace = patience
	s := newScene(t, o)
	c := s.start()
	b := s.consumer()
	s.until("the file is ready", func() bool { return len(s.messages(b, schemas.StreamFiles)) == 1 })
	s.until("its download has begun", func() bool { return s.sim.Faults()[0].Next == 0 })
	b.Close()
	c.signal(syscall.SIGTERM)
	s.until("the bridge drains", func() bool { return s.journal.contains("bridge stops: finishing what is in hand") })
	select {
	case <-c.done:
		t.Fatalf("the bridge did not wait for the file in hand: %v", c.cmd.ProcessState)
	default:
	}
	begun := time.Now()
	c.signal(syscall.SIGTERM)
	if state := c.state(); !state.Signaled() || state.Signal() != syscall.SIGTERM {
		t.Errorf("the second signal ended the bridge with %v", c.cmd.ProcessState)
	}
	if d := time.Since(begun); d > 10*time.Second {
		t.Errorf("the second signal took %v", d)
	}
	r := s.run()
	s.until("the rows are there", func() bool { return !r.outstanding() && len(s.messages(r.bus, schemas.StreamRows)) > 0 })
	if report := r.finish(); report.Rows.InStream != 50 {
		t.Errorf("the report is %+v", report)
	}
}
