//go:build unix

package reload

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
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

// TestPipesAreReadOnce: what gives its contents once only is not asked for more.
func TestPipesAreReadOnce(t *testing.T) {
	b := begin(t)
	pipe := filepath.Join(b.dir, "secrets/sk")
	makePipe(t, pipe)
	go func() { _ = os.WriteFile(pipe, []byte("sk"), 0o600) }()
	reading, err := Read(b.path())
	if err != nil {
		t.Fatal(err)
	}
	b.write("bridge.yaml", strings.Replace(plain, "level: info", "level: debug", 1))
	again, err := reading.Anew()
	if err != nil || again.Config.Tenants[0].Files.SecretKey.Reveal() != "sk" || again.Config.Log.Level != "debug" {
		t.Errorf("%v", err)
	}
	if _, watched := again.files[pipe]; watched {
		t.Error("the pipe is looked at")
	}
}
