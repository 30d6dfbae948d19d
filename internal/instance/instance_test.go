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

// TestBlankFile: what a crash left of the file is no name, and stops nobody.
func TestBlankFile(t *testing.T) {
	for _, left := range []string{"", "\n", "  \r\n", strings.Repeat("\x00", 37), "\x00\x00\n"} {
		dir := t.TempDir()
		path := filepath.Join(dir, "instance")
		if err := os.WriteFile(path, []byte(left), 0o600); err != nil {
			t.Fatal(err)
		}
		id, err := ID(dir)
		if err != nil || len(id) != 36 {
			t.Errorf("with %q it is %q: %v", left, id, err)
		}
		if text, err := os.ReadFile(path); err != nil || string(text) != id+"\n" {
			t.Errorf("after %q the file holds %q: %v", left, text, err)
		}
		if again, err := ID(dir); err != nil || again != id {
			t.Errorf("after a restart it is %q, was %q: %v", again, id, err)
		}
	}
	for _, damaged := range []string{"half of", "\x00x", "00000000-0000", strings.Repeat("a", 36)} {
		dir := t.TempDir()
		if err := os.WriteFile(filepath.Join(dir, "instance"), []byte(damaged), 0o600); err != nil {
			t.Fatal(err)
		}
		if id, err := ID(dir); err == nil {
			t.Errorf("%q is taken for %s", damaged, id)
		}
	}
}
