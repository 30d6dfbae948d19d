package durable

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"testing"
)

func TestFolders(t *testing.T) {
	top := filepath.Join(t.TempDir(), "top")
	deep := filepath.Join(top, "a", "b")
	if err := os.MkdirAll(deep, 0o700); err != nil {
		t.Fatal(err)
	}
	for _, dir := range []string{deep, top, top + "/"} {
		if err := Folders(dir, top); err != nil {
			t.Errorf("%s: %v", dir, err)
		}
	}
	if err := Folders(deep, filepath.Join(string(filepath.Separator), "elsewhere", "top")); err != nil {
		t.Errorf("up to the root: %v", err)
	}
	for name, err := range map[string]error{"folder": Folder(filepath.Join(top, "x")), "folders": Folders(filepath.Join(top, "x"), top)} {
		if !errors.Is(err, fs.ErrNotExist) {
			t.Errorf("a missing %s: %v", name, err)
		}
	}
}

// TestFoldersThatCannotBeSynced: a file system that does not sync folders stops nothing.
// /proc is one, where there is one.
func TestFoldersThatCannotBeSynced(t *testing.T) {
	for _, dir := range []string{t.TempDir(), "/proc"} {
		if _, err := os.Stat(dir); err != nil {
			continue
		}
		if err := Folder(dir); err != nil {
			t.Errorf("%s: %v", dir, err)
		}
	}
}
