//go:build unix

package reload

import (
	"errors"
	"os"
	"syscall"
	"testing"
)

// makePipe puts a named pipe in the place of a file.
func makePipe(t *testing.T, path string) {
	t.Helper()
	if err := errors.Join(os.Remove(path), syscall.Mkfifo(path, 0o600)); err != nil {
		t.Fatal(err)
	}
}
