package instance

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestID(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "data")
	id, err := ID(dir)
	if err != nil || len(id) != 36 {
		t.Fatalf("the id is %q: %v", id, err)
	}
	again, err := ID(dir)
	if err != nil || again != id {
		t.Errorf("after a restart it is %q, was %q: %v", again, id, err)
	}
	path := filepath.Join(dir, "instance")
	text, err := os.ReadFile(path)
	if err != nil || string(text) != id+"\n" {
		t.Errorf("the file holds %q: %v", text, err)
	}
	if info, err := os.Stat(path); err != nil || info.Mode().Perm()&0o077 != 0 {
		t.Errorf("others may read it: %v, %v", info.Mode(), err)
	}
	if err := os.WriteFile(path, []byte("half of"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := ID(dir); err == nil || !strings.Contains(err.Error(), path) {
		t.Errorf("of a damaged file it says %v", err)
	}
	if other, err := ID(t.TempDir()); err != nil || other == id {
		t.Errorf("another folder has %q: %v", other, err)
	}
}
