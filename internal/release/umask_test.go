//go:build unix

package main

import (
	"os"
	"path/filepath"
	"syscall"
	"testing"
)

// TestModes: what is in the package has its modes, whatever umask its maker has.
func TestModes(t *testing.T) {
	for _, mask := range []int{0o022, 0o077, 0o002, 0} {
		tree := filepath.Join(t.TempDir(), "tree")
		before := syscall.Umask(mask)
		err := lay(tree, []file{{"usr/bin/bridge", 0o755, nil}, {"etc/bridge/bridge.yaml", 0o644, nil}})
		syscall.Umask(before)
		if err != nil {
			t.Fatal(err)
		}
		for name, want := range map[string]os.FileMode{"": 0o755, "usr": 0o755, "usr/bin": 0o755, "usr/bin/bridge": 0o755, "etc/bridge/bridge.yaml": 0o644, "etc/bridge/secrets": 0o700} {
			if info, err := os.Stat(filepath.Join(tree, name)); err != nil || info.Mode().Perm() != want {
				t.Errorf("umask %03o: %q is %v, not %v (%v)", mask, name, info.Mode(), want, err)
			}
		}
	}
}
