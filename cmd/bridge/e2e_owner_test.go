//go:build unix

package main

import (
	"context"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

// Users without a name, of whom one runs the bridge.
const ownID, otherID = 64_501, 64_502

// inhabited is a folder with a configuration and its program, for several users.
type inhabited struct {
	t             *testing.T
	program, path string
	data          string
}

func newInhabited(t *testing.T) inhabited {
	t.Helper()
	dir := t.TempDir()
	for at := dir; at != filepath.Clean(os.TempDir()); at = filepath.Dir(at) {
		if err := os.Chmod(at, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	h := inhabited{t, filepath.Join(dir, "bridge"), filepath.Join(dir, "bridge.yaml"), filepath.Join(dir, "data")}
	text, err := os.ReadFile(program(t))
	if err == nil {
		err = os.WriteFile(h.program, text, 0o755)
	}
	for name, text := range map[string]string{"password": "secret\n", "bridge.yaml": `data_dir: data
listen: { nats: "", admin: "" }
tenants:
  - name: acme
    timezone: UTC
    gateway:
      url: https://127.0.0.1:1/agentgateway/resource
      agents: [{ id: "101", phone: "70001", password_file: password }]
`} {
		if err == nil {
			err = os.WriteFile(filepath.Join(dir, name), []byte(text), 0o644)
		}
	}
	if err != nil {
		t.Fatal(err)
	}
	return h
}

// as runs a command as a user.
func (h inhabited) as(id int, command ...string) (code int, said string) {
	h.t.Helper()
	ctx, cancel := context.WithTimeout(h.t.Context(), 20*time.Second) // one that is not refused runs
	defer cancel()
	c := exec.CommandContext(ctx, h.program, append(command, "-c", h.path)...)
	c.Env = append(os.Environ(), asBridge+"=1")
	if id != os.Geteuid() {
		c.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: uint32(id), Gid: uint32(id)}}
	}
	out, _ := c.CombinedOutput() // the code tells
	return c.ProcessState.ExitCode(), string(out)
}

// strangers are the files in the data folder that are not of its bridge's user.
func (h inhabited) strangers(id int) (all []string) {
	h.t.Helper()
	err := filepath.WalkDir(h.data, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		info, err := d.Info()
		if err == nil && path != h.data && int(info.Sys().(*syscall.Stat_t).Uid) != id {
			all = append(all, path)
		}
		return err
	})
	if err != nil {
		h.t.Fatal(err)
	}
	return all
}

// TestAnotherUsersFolder: who is not the bridge's user, be he root, opens its data folder for
// nothing, leaves nothing in it, and is told what to do. The bridge's own user goes on.
//
// Only root has other users to be. Where the tests are somebody else's, the folder is one of
// root's that is there anyhow, and nothing but the refusal is seen.
func TestAnotherUsersFolder(t *testing.T) {
	t.Parallel()
	h := newInhabited(t)
	const refused = "belongs to user "
	if os.Geteuid() != 0 {
		for _, command := range []string{"agents", "run", "check"} {
			if code, said := saidBy(t, command, "/", "", ""); code != exitFailed || !strings.Contains(said, refused+"root") {
				t.Errorf("%s ended with %d: %s", command, code, said)
			}
		}
		return
	}
	if err := os.Mkdir(h.data, 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.Chown(h.data, ownID, ownID); err != nil {
		t.Fatal(err)
	}
	// Before the bridge has ever run there is the folder's owner, then that of the lock.
	for range 2 {
		for _, other := range []int{0, otherID} {
			for _, command := range [][]string{{"status"}, {"agents"}, {"windows", "retry", "--failed"}, {"run"}} {
				if code, said := h.as(other, command...); code != exitFailed || !strings.Contains(said, refused+"#64501") || !strings.Contains(said, "sudo -u #64501") {
					t.Fatalf("%v as %d ended with %d: %s", command, other, code, said)
				}
			}
		}
		if code, said := h.as(0, "check"); code != exitOK || !strings.Contains(said, "warning: ") || !strings.Contains(said, "data_dir: data folder ") {
			t.Errorf("check as root ended with %d: %s", code, said)
		}
		if code, said := h.as(otherID, "check"); code != exitFailed || !strings.Contains(said, "data_dir: data folder ") || !strings.Contains(said, refused) {
			t.Errorf("check as another ended with %d: %s", code, said)
		}
		if left := h.strangers(ownID); left != nil {
			t.Fatalf("others left %v", left)
		}
		if code, said := h.as(ownID, "agents"); code != exitOK {
			t.Fatalf("the bridge's own user ended with %d: %s", code, said)
		}
		if code, said := h.as(ownID, "check"); code != exitOK || strings.Contains(said, "warning: ") && strings.Contains(said, "data_dir") {
			t.Errorf("check as the bridge's user ended with %d: %s", code, said)
		}
		// A folder of root's that a group may write in, as the volumes of Kubernetes are: the
		// lock says whose it is.
		if err := os.Chown(h.data, 0, ownID); err != nil {
			t.Fatal(err)
		}
		if err := os.Chmod(h.data, 0o775); err != nil {
			t.Fatal(err)
		}
	}
}

// TestLookingMakesNothing: where no bridge has run, who looks is told so, and makes no folder.
func TestLookingMakesNothing(t *testing.T) {
	t.Parallel()
	for _, command := range []string{"status", "agents", "windows", "deadletters", "tail"} {
		dir := filepath.Join(t.TempDir(), "data")
		if code, said := saidBy(t, command, dir, "127.0.0.1:0", ""); code != exitFailed || !strings.Contains(said, "no bridge has run here: data_dir "+dir+" does not exist") {
			t.Fatalf("%s ended with %d: %s", command, code, said)
		}
		if _, err := os.Stat(dir); err == nil {
			t.Errorf("%s made the data folder", command)
		}
	}
}
