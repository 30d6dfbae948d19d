// Package durable makes what was done to folders outlast a crash of the machine. A file
// that was written, synced and renamed has its name for good only when the folder is on the
// disk, too.
package durable

import (
	"cmp"
	"errors"
	"os"
	"path/filepath"
	"runtime"
	"syscall"
)

// Folder waits until the names in a folder are on the disk, where the file system knows how:
// some say that a folder is no valid argument, and Windows refuses.
func Folder(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	err = d.Sync()
	if errors.Is(err, syscall.EINVAL) || errors.Is(err, errors.ErrUnsupported) || runtime.GOOS == "windows" {
		err = nil
	}
	return cmp.Or(err, d.Close())
}

// Folders does so with a folder and all above it, up to the one that holds top, which may
// have been made together.
func Folders(dir, top string) error {
	last := filepath.Dir(filepath.Clean(top))
	for dir = filepath.Clean(dir); ; dir = filepath.Dir(dir) {
		if err := Folder(dir); err != nil || dir == last || dir == filepath.Dir(dir) {
			return err
		}
	}
}
