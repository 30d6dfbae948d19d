//go:build faults && linux

package embedded

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"testing"

	"github.com/nats-io/nats.go/jetstream"
)

const published = 50

// TestPublishSome is run by TestF32FsyncBeforeAcknowledgement in a process of its own.
func TestPublishSome(t *testing.T) {
	_, js := connect(t, start(t, Options{ReserveBytes: -1}))
	if _, err := js.CreateStream(t.Context(), jetstream.StreamConfig{Name: "S", Subjects: []string{"s.>"}}); err != nil {
		t.Fatal(err)
	}
	for i := range published {
		if _, err := js.Publish(t.Context(), fmt.Sprintf("s.%d", i), nil); err != nil {
			t.Fatal(err)
		}
	}
}

// One message after the other, each acknowledged before the next is sent: as many
// fsyncs at least. The setting is checked with and without strace, and so is
// that the mutant sync_later would be noticed.
func TestF32FsyncBeforeAcknowledgement(t *testing.T) {
	if out, err := child(t, "TestServerSettings", "").CombinedOutput(); err != nil {
		t.Errorf("settings: %v\n%s", err, out)
	}
	if _, err := child(t, "TestServerSettings", "sync_later").CombinedOutput(); err == nil {
		t.Error("the mutant sync_later is not noticed by the settings")
	}
	straced, err := exec.LookPath("strace")
	if err != nil {
		t.Attr("figure", "SyncAlways is in force, sync_later is noticed; strace is not installed, so no fsync was counted")
		return
	}
	with, err := countFsyncs(t, straced, "")
	if err != nil {
		t.Attr("figure", "SyncAlways is in force, sync_later is noticed; strace may not trace here, so no fsync was counted")
		t.Log(err)
		return
	}
	without, err := countFsyncs(t, straced, "sync_later")
	if err != nil {
		t.Fatal(err)
	}
	t.Attr("figure", fmt.Sprintf("%d fsyncs for %d acknowledged messages; %d with sync_later", with, published, without))
	if with < published || without >= published {
		t.Errorf("%d fsyncs for %d acknowledged messages, %d with sync_later", with, published, without)
	}
}

func child(t *testing.T, test, broken string, prefix ...string) *exec.Cmd {
	args := append(prefix, os.Args[0], "-test.run=^"+test+"$")
	cmd := exec.CommandContext(t.Context(), args[0], args[1:]...)
	cmd.Env = append(os.Environ(), "BREAK="+broken)
	return cmd
}

func countFsyncs(t *testing.T, straced, broken string) (int, error) {
	t.Helper()
	trace := filepath.Join(t.TempDir(), "trace")
	cmd := child(t, "TestPublishSome", broken, straced, "-f", "-qq", "-e", "trace=fsync,fdatasync", "-o", trace)
	if out, err := cmd.CombinedOutput(); err != nil {
		return 0, fmt.Errorf("strace: %w\n%s", err, out)
	}
	lines, err := os.ReadFile(trace)
	if err != nil {
		return 0, err
	}
	return len(regexp.MustCompile(`(?m)\b(fsync|fdatasync)\(`).FindAll(lines, -1)), nil
}
