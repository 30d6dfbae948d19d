package instance

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// TestFormat: a folder is gone on with by the version that gave it its format, and by later
// ones; an older one says which version it needs, and changes nothing.
func TestFormat(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "data")
	if err := Fits(dir); err != nil {
		t.Errorf("a folder that is not there: %v", err)
	}
	if err := Claim(dir, "v1.0.0"); err != nil {
		t.Error(err)
	}
	if _, err := os.Stat(filepath.Join(dir, formatFile)); err == nil {
		t.Error("format 1 is noted, which those before the file could not have done")
	}
	if err := claim(dir, written{format + 1, "v9.0.0"}); err != nil {
		t.Fatal(err)
	}
	text, _ := os.ReadFile(filepath.Join(dir, formatFile))
	for _, err := range []error{Fits(dir), Claim(dir, "v1.0.0")} {
		if err == nil || !strings.Contains(err.Error(), "v9.0.0") || !strings.Contains(err.Error(), dir) {
			t.Errorf("a newer bridge's folder: %v", err)
		}
	}
	if err := claim(dir, written{format, "v1.0.0"}); err != nil {
		t.Error(err)
	}
	if now, _ := os.ReadFile(filepath.Join(dir, formatFile)); string(now) != string(text) {
		t.Errorf("%q became %q", text, now)
	}
	for _, damaged := range []string{"", "{}", "\x00\x00", `{"format":"2"}`} {
		if err := os.WriteFile(filepath.Join(dir, formatFile), []byte(damaged), 0o600); err != nil {
			t.Fatal(err)
		}
		if err := Claim(dir, "v1.0.0"); err == nil || !strings.Contains(err.Error(), "delete the file") {
			t.Errorf("%q: %v", damaged, err)
		}
	}
	if err := claim(filepath.Join(dir, formatFile, "x"), written{format + 1, ""}); err == nil {
		t.Error("a folder that cannot be made is claimed")
	}
}
