// Package instance names a bridge across restarts: the holder of its leases, and the
// owner of its spool.
//
// Invariants: one data folder is one instance; the id is made at the first start, and no
// crash leaves half of one behind; no version works on a folder in a newer format than it
// knows. It imports nothing of ours.
package instance

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/google/renameio/v2/maybe" // on Windows, which has no atomic replacement, a plain write
	"github.com/google/uuid"
)

// file is the name of the file in the data folder: a UUID and a newline, mode 0600.
const file = "instance"

// ID returns the id that the data folder holds. It is made, with the folder, if it is
// missing or blank, which a crash of the machine can leave of a file that was whole: who
// has no name yet takes a new one. A file with anything else in it is an error.
func ID(dir string) (string, error) {
	path := filepath.Join(dir, file)
	b, err := os.ReadFile(path)
	if err == nil && !blank(b) {
		id, err := uuid.Parse(strings.TrimSpace(string(b)))
		if err != nil {
			return "", fmt.Errorf("read %s: %w; delete the file to get a new one", path, err)
		}
		return id.String(), nil
	}
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return "", fmt.Errorf("read instance id: %w", err)
	}
	id, err := uuid.NewRandom()
	if err != nil {
		return "", fmt.Errorf("make instance id: %w", err)
	}
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return "", fmt.Errorf("make data folder: %w", err)
	}
	if err := maybe.WriteFile(path, []byte(id.String()+"\n"), 0o600); err != nil {
		return "", fmt.Errorf("write instance id: %w", err)
	}
	return id.String(), nil
}

// blank reports whether a file holds nothing. Some file systems leave NULs where data
// was not on the disk yet.
func blank(b []byte) bool { return len(bytes.Trim(b, "\x00 \t\r\n")) == 0 }
