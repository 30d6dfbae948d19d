package trial

import (
	"os"
	"path/filepath"
	"testing"
	"time"

	"aiccbridge/bus/embedded"
)

// TestTidy: what a demo that was ended at once left behind goes, what another
// one uses stays.
func TestTidy(t *testing.T) {
	t.Setenv("TMPDIR", t.TempDir())
	folder := func(name string, age time.Duration) string {
		dir := filepath.Join(os.TempDir(), folder+name)
		if err := os.MkdirAll(filepath.Join(dir, "data"), 0o700); err != nil {
			t.Fatal(err)
		}
		at := time.Now().Add(-age)
		if err := os.Chtimes(dir, at, at); err != nil {
			t.Fatal(err)
		}
		return dir
	}
	left, used, young := folder("left", time.Hour), folder("used", time.Hour), folder("young", time.Second)
	lock, err := embedded.Lock(filepath.Join(used, "data"))
	if err != nil {
		t.Fatal(err)
	}
	defer lock.Close()
	tidy(time.Now())
	for dir, stays := range map[string]bool{left: false, used: true, young: true} {
		if _, err := os.Stat(dir); (err == nil) != stays {
			t.Errorf("%s: stays %t, want %t", filepath.Base(dir), err == nil, stays)
		}
	}
}
