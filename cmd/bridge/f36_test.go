//go:build faults

package main

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	"aiccbridge/schemas"
)

// copyData copies the data folder of a bridge that is not running; what is there goes.
func copyData(t *testing.T, from, to string) {
	t.Helper()
	if err := os.RemoveAll(to); err != nil {
		t.Fatal(err)
	}
	if err := os.CopyFS(to, os.DirFS(from)); err != nil {
		t.Fatal(err)
	}
	err := filepath.Walk(to, func(path string, info os.FileInfo, err error) error {
		if err != nil || info.IsDir() {
			return err
		}
		return os.Chmod(path, 0o600) // as it was
	})
	if err != nil {
		t.Fatal(err)
	}
}

// numbersOf are the messages by agent, epoch and number: what a reader takes for the same.
// What tells them apart is their bytes.
func numbersOf(all []schemas.Stored) map[string]string {
	of := map[string]string{}
	for _, m := range all {
		var at schemas.Position
		if json.Unmarshal(m.Body, &at) == nil && at.Seq > 0 {
			of[fmt.Sprintf("%s %d/%d", schemas.AgentOf(m.Subject), at.Epoch, at.Seq)] = string(m.Body)
		}
	}
	return of
}

// TestF36CopiedFolders: bridges on copies of one data folder, at once and one after the
// other. One of them polls at a time, and nothing is lost or stored twice.
func TestF36CopiedFolders(t *testing.T) {
	scene := func(t *testing.T) (s *scene, data string) {
		o := busy()
		o.external, o.kinds = true, nil
		s = newScene(t, o)
		return s, filepath.Join(s.dir, "data")
	}
	sum := scenes(t, map[string]func(t *testing.T) score{
		"used at once": func(t *testing.T) score {
			s, data := scene(t)
			first := s.start()
			c := s.consumer()
			defer c.Close()
			s.until("events arrive", func() bool { return len(s.sim.Truth().Events) > 30 })
			first.kill()
			second := s.beside("second")
			copyData(t, data, filepath.Join(second.dir, "data"))
			first = s.start()
			s.moreEvents(c, 20)
			r := second.run() // waits, or takes the lease from the other
			s.moreEvents(c, 20)
			s.until("it is said", func() bool { return s.journal.contains("another process works under this bridge's own id") })
			pause(t, 20*time.Second)
			s.moreEvents(c, 20)
			first.signal(syscall.SIGTERM)
			if state := first.state(); !state.Exited() || state.ExitStatus() != exitOK {
				t.Errorf("the first bridge ended with %v", first.cmd.ProcessState)
			}
			s.moreEvents(c, 20)
			return r.judged()
		},
		"an older copy put back": func(t *testing.T) score {
			s, data := scene(t)
			first := s.start()
			c := s.consumer()
			defer c.Close()
			s.until("events arrive", func() bool { return len(s.sim.Truth().Events) > 30 })
			first.kill()
			old := filepath.Join(s.dir, "old")
			copyData(t, data, old)
			first = s.start()
			s.moreEvents(c, 30)
			first.kill()
			copyData(t, old, data)
			r := s.run()
			s.moreEvents(c, 30)
			return r.judged()
		},
		"an older copy put back while the hub is away": func(t *testing.T) score {
			s, data := scene(t)
			first := s.start()
			c := s.consumer()
			defer c.Close()
			s.until("events arrive", func() bool { return len(s.sim.Truth().Events) > 30 })
			first.signal(syscall.SIGTERM) // in order: nothing else says that something is missing
			first.state()
			old := filepath.Join(s.dir, "old")
			copyData(t, data, old)
			first = s.start()
			s.moreEvents(c, 30)
			s.hub.stop()
			popped := len(s.sim.Truth().Events)
			s.until("events are spooled", func() bool { return len(s.sim.Truth().Events) > popped+20 })
			first.kill() // what is in its spool goes with it
			copyData(t, old, data)
			r := s.run()
			popped = len(s.sim.Truth().Events)
			pause(t, 10*time.Second)
			if n := len(s.sim.Truth().Events) - popped; n != 0 {
				t.Errorf("%d events were polled before the hub said who polls", n)
			}
			s.hub.start()
			s.moreEvents(c, 30)
			return r.judged()
		},
		"an older copy of the embedded server put back": func(t *testing.T) score {
			o := busy()
			o.embedded, o.kinds = true, nil // the server in the bridge is what is copied
			s := newScene(t, o)
			data := filepath.Join(s.dir, "data")
			first := s.start()
			c := s.consumer()
			defer c.Close()
			s.moreEvents(c, 30)
			first.signal(syscall.SIGTERM)
			first.state()
			old := filepath.Join(s.dir, "old")
			copyData(t, data, old)
			first = s.start()
			s.moreEvents(c, 30)
			before := numbersOf(s.messages(c, schemas.StreamEvents))
			first.signal(syscall.SIGTERM)
			first.state()
			copyData(t, old, data)
			r := s.run()
			s.moreEvents(c, 30)
			for at, id := range numbersOf(s.messages(c, schemas.StreamEvents)) {
				if other, given := before[at]; given && other != id {
					t.Errorf("%s is %s, and was %s before", at, id, other)
				}
			}
			if !s.journal.contains("data folder is a copy") {
				t.Error("nothing is said")
			}
			sum := r.judged()
			if sum.explained == 0 {
				t.Error("nothing was in the folder that was replaced")
			}
			return sum
		},
	})
	sum.tries = 4
	sum.report(t, "%d scenes of a copied folder, %d lost, %d duplicated, %d misordered", sum.tries, sum.lost, sum.duplicated, sum.misordered)
}
