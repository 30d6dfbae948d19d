//go:build faults

package main

import (
	"errors"
	"os"
	"path/filepath"
	"syscall"
	"testing"

	"aiccbridge/internal/disktest"
)

// TestF40FullDisk: a disk on which others leave no room is an alarm, events go on, and it is
// over when there is room again.
func TestF40FullDisk(t *testing.T) {
	disk := disktest.Small(t, 256<<20)
	if disk == "" {
		return // it has run, elsewhere
	}
	s := newScene(t, setup{agents: 2, embedded: true, long: true})
	if err := os.Symlink(disk, filepath.Join(s.dir, "data")); err != nil {
		t.Fatal(err)
	}
	r := s.run()
	c := s.consumer()
	s.moreEvents(c, 5)
	s.silent("disk")
	others := filepath.Join(disk, "others")
	if err := fillUp(others); err != nil {
		t.Fatal(err)
	}
	s.rings("disk", "are free")
	s.moreEvents(c, 5)
	if err := os.Remove(others); err != nil {
		t.Fatal(err)
	}
	s.silent("disk")
	s.moreEvents(c, 5)
	c.Close()
	r.end()
	t.Attr("tries", "1")
	t.Attr("figure", "a full disk rang its alarm, events went on, and it was silent again")
}

// fillUp writes a file until the disk takes no more of it.
func fillUp(path string) error {
	f, err := os.Create(path)
	if err != nil {
		return err
	}
	for piece := make([]byte, 1<<20); err == nil; {
		_, err = f.Write(piece)
	}
	if errors.Is(err, syscall.ENOSPC) {
		err = nil
	}
	return errors.Join(err, f.Close())
}
