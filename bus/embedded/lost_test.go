package embedded

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats.go/jetstream"
)

// While a stream is made or deleted its directory is there and the stream is not.
// That is no reason to start the store anew.
func TestStreamsComeAndGo(t *testing.T) {
	w := newWorld(t, 100*mib)
	for _, name := range []string{"MAKING", ".DELETED"} {
		if err := os.MkdirAll(w.streamDir(name), 0o700); err != nil {
			t.Fatal(err)
		}
	}
	w.after(time.Second)
	w.expect("streams come and go", "", true)
	if err := w.Healthy(); err != nil || w.restarts() != 0 {
		t.Errorf("health %v, %d restarts", err, w.restarts())
	}
}

// A stream that the start did not recover is tried again, less and less often,
// because the others work.
func TestStreamThatIsNotRecovered(t *testing.T) {
	w := newWorld(t, 100*mib)
	_, js := connect(t, w.Server)
	if _, err := js.CreateStream(t.Context(), jetstream.StreamConfig{Name: "S", Subjects: []string{"s.>"}}); err != nil {
		t.Fatal(err)
	}
	meta := filepath.Join(w.streamDir("S"), "meta.inf")
	good, err := os.ReadFile(meta)
	if err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(os.WriteFile(meta, []byte("{"), 0o600), w.Restart()); err != nil {
		t.Fatal(err)
	}
	const says = "stream S could not be recovered"
	if err := w.Healthy(); err == nil || !strings.Contains(err.Error(), says) {
		t.Errorf("health is %v", err)
	}
	for range 3600 { // an hour
		w.after(time.Second)
	}
	w.expect("broken", says, false)
	if n := w.restarts(); n < 10 || n > 60 { // without growing pauses it would be hundreds
		t.Errorf("%d restarts in an hour", n)
	}
	if err := os.WriteFile(meta, good, 0o600); err != nil {
		t.Fatal(err)
	}
	w.after(rarePause)
	w.expect("mended", "", true)
	if err := w.Healthy(); err != nil {
		t.Error(err)
	}
}

func (w *world) streamDir(name string) string {
	return filepath.Join(w.options.Dir, "jetstream", "$G", "streams", name)
}
