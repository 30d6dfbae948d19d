// Package disktest gives a test a disk of its own that it can fill.
package disktest

import (
	"fmt"
	"os"
	"os/exec"
	"regexp"
	"strings"
	"syscall"
	"testing"
)

// inside marks a test that runs in a name space of its own.
const inside = "SMALL_DISK_IN_NAMESPACE"

// Small mounts a disk of so many bytes and returns its folder; it goes with the test. Where that
// is not permitted it runs the test once more in a name space where it is, and returns "":
// then there is nothing left to do.
func Small(t *testing.T, bytes int64) string {
	t.Helper()
	dir := t.TempDir()
	err := syscall.Mount("tmpfs", dir, "tmpfs", 0, fmt.Sprintf("size=%d", bytes))
	if err == nil {
		t.Cleanup(func() {
			if err := syscall.Unmount(dir, 0); err != nil {
				t.Errorf("unmount the small disk: %v", err)
			}
		})
		return dir
	}
	if os.Getenv(inside) != "" {
		t.Fatalf("mount a small disk: %v; this test needs root, or user name spaces that may mount", err)
	}
	cmd := exec.CommandContext(t.Context(), "unshare", "-Urm", os.Args[0], "-test.run=^"+t.Name()+"$", "-test.v")
	cmd.Env = append(os.Environ(), inside+"=1")
	out, err := cmd.CombinedOutput()
	for _, attr := range regexp.MustCompile(`(?m)^=== ATTR +\S+ (\S+) (.*)$`).FindAllStringSubmatch(string(out), -1) {
		t.Attr(attr[1], attr[2])
	}
	if err != nil || !strings.Contains(string(out), "--- PASS: "+t.Name()) {
		t.Fatalf("in a name space where a small disk can be mounted: %v\n%s", err, out)
	}
	return ""
}
