package embedded

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// TestForeign: root is held to the owner, others to their right to write.
func TestForeign(t *testing.T) {
	for _, c := range []struct {
		owner, self int
		mayWrite    bool
		foreign     bool
	}{
		{0, 0, true, false},
		{998, 998, true, false},
		{998, 998, false, false}, // the system refuses it by name
		{998, 0, true, true},
		{998, 1000, false, true},
		{0, 1000, false, true},
		{0, 65532, true, false}, // a group's
	} {
		if got := foreign(c.owner, c.self, c.mayWrite); got != c.foreign {
			t.Errorf("%+v: %v", c, got)
		}
	}
}

// TestOwned: a folder of another user's is refused before anything is made in it. Who is not
// root cannot give one away; he has root's.
func TestOwned(t *testing.T) {
	dir := t.TempDir()
	if err := Owned(filepath.Join(dir, "none")); err != nil {
		t.Errorf("a folder that is not there: %v", err)
	}
	if err := Owned(dir); err != nil {
		t.Errorf("our own: %v", err)
	}
	name := "#64501"
	if os.Geteuid() != 0 {
		dir, name = "/", "root"
	} else if err := os.Chown(dir, 64_501, 64_501); err != nil {
		t.Fatal(err)
	}
	lock, err := Lock(dir)
	if err == nil {
		t.Fatal("it is locked", lock.Close())
	}
	for _, part := range []string{"data folder " + dir + " belongs to user " + name, "sudo -u " + name} {
		if !strings.Contains(err.Error(), part) {
			t.Errorf("no %q in: %v", part, err)
		}
	}
	if _, err := os.Stat(filepath.Join(dir, lockFile)); err == nil {
		t.Error("there is a lock")
	}
}
