package bridge

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"aiccbridge/config"
	"aiccbridge/internal/bench/platform"
)

// asBridge makes the test binary a bridge that brings one file, or one that ends at once.
const asBridge = "BENCH_TEST_BRIDGE"

func TestMain(m *testing.M) {
	switch os.Getenv(asBridge) {
	case "":
		os.Exit(m.Run())
	case "good":
		fmt.Fprintln(os.Stderr, `{"message":"bridge runs"}`+"\nno JSON\n"+`{"message":"other"}`+"\n"+`{"message":"window complete"}`)
		_, _ = os.Stdin.Read(make([]byte, 1))
	default:
		fmt.Fprintln(os.Stderr, "it cannot run")
		os.Exit(1)
	}
}

func options(t *testing.T) Options {
	dir := t.TempDir()
	if _, _, err := platform.WriteFiles(dir); err != nil {
		t.Fatal(err)
	}
	return Options{
		Binary: os.Args[0], Dir: dir, PlatformDir: dir, Platform: platform.Ready{FilesURL: "https://127.0.0.1:1/CCFS/resource/ccfs"},
		Files: true, To: Yesterday(), Sweeps: 2,
	}
}

func TestFileDone(t *testing.T) {
	t.Setenv(asBridge, "good")
	before := time.Now()
	b, err := Start(t.Context(), options(t))
	if err != nil {
		t.Fatal(err)
	}
	at, err := b.FileDone(t.Context())
	if err != nil || at.Before(before) || !strings.HasPrefix(b.NATS, "nats://127.0.0.1:") {
		t.Errorf("%v, %v, %s", at, err, b.NATS)
	}
	b.Stop()
	if _, err := b.FileDone(t.Context()); err == nil {
		t.Error("a bridge that has ended brings files")
	}
}

func TestStartFails(t *testing.T) {
	t.Setenv(asBridge, "bad")
	if _, err := Start(t.Context(), options(t)); err == nil || !strings.Contains(err.Error(), "it cannot run") {
		t.Errorf("%v", err)
	}
}

// TestConfig: the bridge takes it.
func TestConfig(t *testing.T) {
	o := options(t)
	file := filepath.Join(o.Dir, "bridge.yaml")
	if err := os.WriteFile(file, []byte(configOf(o, [3]string{"127.0.0.1:1", "127.0.0.1:2", "127.0.0.1:3"})), 0o600); err != nil {
		t.Fatal(err)
	}
	c, err := config.Load(file)
	if err != nil {
		t.Fatal(err)
	}
	cdr := c.Tenants[0].Files.Extracts.CDR
	if cdr.Window != 24*time.Hour || !cdr.Since.Equal(o.To.Add(-24*time.Hour)) || len(cdr.SweepAgain) != 2 || !o.To.Add(cdr.SweepAgain[0]).After(time.Now()) || c.Tenants[0].Files.RequestSpacing != 0 || c.DataDir != filepath.Join(o.Dir, "data") {
		t.Errorf("%+v", c.Tenants[0].Files)
	}
}
