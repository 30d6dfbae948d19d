//go:build faults && linux

package embedded

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"testing"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
)

const published = 50

// TestPublishSome is run by TestF32FsyncBeforeAcknowledgement in a process of its own.
func TestPublishSome(t *testing.T) {
	s := start(t, Options{ReserveBytes: -1})
	nc, js := connect(t, s)
	if os.Getenv("SYNC_LATER") != "" {
		nc, js = syncingLater(t, s.opts)
	}
	defer nc.Close()
	if _, err := js.CreateStream(t.Context(), jetstream.StreamConfig{Name: "S", Subjects: []string{"s.>"}}); err != nil {
		t.Fatal(err)
	}
	for i := range published {
		if _, err := js.Publish(t.Context(), fmt.Sprintf("s.%d", i), nil); err != nil {
			t.Fatal(err)
		}
	}
}

// syncingLater connects to another server with the same settings but one.
func syncingLater(t *testing.T, like *server.Options) (*nats.Conn, jetstream.JetStream) {
	opts := like.Clone()
	opts.SyncAlways, opts.StoreDir = false, t.TempDir()
	ns, err := server.NewServer(opts)
	if err != nil {
		t.Fatal(err)
	}
	ns.Start()
	t.Cleanup(func() { ns.Shutdown(); ns.WaitForShutdown() })
	nc, err := nats.Connect("", nats.InProcessServer(ns))
	if err != nil {
		t.Fatal(err)
	}
	js, err := jetstream.New(nc)
	if err != nil {
		t.Fatal(err)
	}
	return nc, js
}

// One message after the other, each acknowledged before the next is sent: as many
// fsyncs at least. The setting is checked with and without strace; that a server
// which syncs later makes fewer shows that counting them tells.
func TestF32FsyncBeforeAcknowledgement(t *testing.T) {
	if out, err := child(t, "TestServerSettings").CombinedOutput(); err != nil {
		t.Errorf("settings: %v\n%s", err, out)
	}
	straced, err := exec.LookPath("strace")
	if err != nil {
		t.Attr("figure", "SyncAlways is in force; strace is not installed, so no fsync was counted")
		return
	}
	with, err := countFsyncs(t, straced, "")
	if err != nil {
		t.Attr("figure", "SyncAlways is in force; strace may not trace here, so no fsync was counted")
		t.Log(err)
		return
	}
	without, err := countFsyncs(t, straced, "1")
	if err != nil {
		t.Fatal(err)
	}
	t.Attr("figure", fmt.Sprintf("%d fsyncs for %d acknowledged messages; %d when syncing later", with, published, without))
	if with < published || without >= published {
		t.Errorf("%d fsyncs for %d acknowledged messages, %d when syncing later", with, published, without)
	}
}

func child(t *testing.T, test string, prefix ...string) *exec.Cmd {
	args := append(prefix, os.Args[0], "-test.run=^"+test+"$")
	return exec.CommandContext(t.Context(), args[0], args[1:]...)
}

func countFsyncs(t *testing.T, straced, later string) (int, error) {
	t.Helper()
	trace := filepath.Join(t.TempDir(), "trace")
	cmd := child(t, "TestPublishSome", straced, "-f", "-qq", "-e", "trace=fsync,fdatasync", "-o", trace)
	cmd.Env = append(os.Environ(), "SYNC_LATER="+later)
	if out, err := cmd.CombinedOutput(); err != nil {
		return 0, fmt.Errorf("strace: %w\n%s", err, out)
	}
	lines, err := os.ReadFile(trace)
	if err != nil {
		return 0, err
	}
	return len(regexp.MustCompile(`(?m)\b(fsync|fdatasync)\(`).FindAll(lines, -1)), nil
}
