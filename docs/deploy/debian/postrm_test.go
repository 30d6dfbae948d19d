// Package debian holds the package's scripts against what may be on a machine.
package debian

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// busy stands for rm and rmdir where the folders of the bridge are mount points: what is in them
// goes, they themselves stay, and the command fails.
const busy = `#!/bin/sh
status=0
for path; do
	case "$path" in
	-*) ;;
	*/etc/bridge/secrets | */var/lib/bridge)
		if [ "${0##*/}" = rm ]; then find "$path" -mindepth 1 -delete; fi
		echo "$path: Device or resource busy" >&2
		status=1 ;;
	*) PATH=/usr/bin:/bin "${0##*/}" -- "$path" || status=1 ;;
	esac
done
exit $status
`

// TestPurge: secrets and what was stored are gone, with hidden files, on mount points and without,
// once and again; what the administrator put beside them stays.
func TestPurge(t *testing.T) {
	text, err := os.ReadFile("postrm")
	if err != nil {
		t.Fatal(err)
	}
	for _, mounted := range []bool{false, true} {
		root := t.TempDir()
		script, tools := filepath.Join(root, "postrm"), filepath.Join(root, "tools")
		there := strings.NewReplacer(" /etc/", " "+root+"/etc/", " /var/", " "+root+"/var/", " /run/", " "+root+"/run/")
		files := map[string]string{script: there.Replace(string(text))}
		for _, name := range []string{"etc/bridge/secrets/secret_key", "etc/bridge/secrets/.hidden", "var/lib/bridge/nats/line", "var/lib/bridge/.hidden", "etc/bridge/ca.pem"} {
			files[filepath.Join(root, name)] = "x"
		}
		if mounted {
			files[filepath.Join(tools, "rm")], files[filepath.Join(tools, "rmdir")] = busy, busy
		}
		for path, content := range files {
			if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(path, []byte(content), 0o700); err != nil {
				t.Fatal(err)
			}
		}
		for range 2 {
			c := exec.Command("sh", script, "purge")
			c.Env = append(os.Environ(), "PATH="+tools+":"+os.Getenv("PATH"))
			if out, err := c.CombinedOutput(); err != nil {
				t.Errorf("mount points: %t: %v: %s", mounted, err, out)
			}
		}
		for _, folder := range []string{"etc/bridge/secrets", "var/lib/bridge"} {
			left, err := os.ReadDir(filepath.Join(root, folder))
			if gone := os.IsNotExist(err); gone == mounted || len(left) > 0 {
				t.Errorf("mount points: %t: in %s is %v (%v)", mounted, folder, left, err)
			}
		}
		if _, err := os.Stat(filepath.Join(root, "etc/bridge/ca.pem")); err != nil {
			t.Error(err)
		}
	}
}
