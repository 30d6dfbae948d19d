//go:build faults

package main

import (
	"os"
	"path/filepath"
	"syscall"
	"testing"
	"time"
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
			s.until("it is said", func() bool { return s.journal.contains("another process polls under this bridge's own id") })
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
	})
	sum.tries = 2
	sum.report(t, "%d scenes of a copied folder, %d lost, %d duplicated, %d misordered", sum.tries, sum.lost, sum.duplicated, sum.misordered)
}
