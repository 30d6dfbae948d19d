package config

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
)

// TestF29BrokenConfigurationIsRefusedByLine: the file is broken in every way we
// know while a bridge runs on what it was. What is loaded stays as it is, and each
// refusal names file and line. The file put right, with a secret changed, is taken
// by the next load; the loaded one keeps its secret.
func TestF29BrokenConfigurationIsRefusedByLine(t *testing.T) {
	dir := t.TempDir()
	if err := os.CopyFS(dir, os.DirFS("testdata")); err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(dir, "bridge.yaml")
	write := func(name string, data []byte) {
		t.Helper()
		if err := os.WriteFile(name, data, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	good, err := os.ReadFile("testdata/full.good.yaml")
	if err != nil {
		t.Fatal(err)
	}
	write(path, good)
	running, err := Load(path)
	if err != nil {
		t.Fatal(err)
	}
	before := running.String()
	broken, named := glob(t, "testdata/*.bad.yaml", 45), 0
	for _, name := range broken {
		data, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		write(path, data)
		c, err := Load(path)
		var faults Errors
		if c != nil || !errors.As(err, &faults) {
			t.Errorf("%s: loaded (%v)", name, err)
			continue
		}
		good := true
		for _, f := range faults {
			good = good && f.Line > 0 && strings.HasPrefix(f.String(), fmt.Sprintf("%s:%d:", path, f.Line)) && f.Remedy != ""
		}
		if !good {
			t.Errorf("%s: %v", name, err)
			continue
		}
		named++
	}
	if running.String() != before {
		t.Error("a broken file changed what was loaded")
	}

	write(path, good)
	write(filepath.Join(dir, "secrets", "101"), []byte("rotated-password\n"))
	next, err := Load(path)
	if err != nil {
		t.Fatal(err)
	}
	old, fresh := running.Tenants[0].Gateway.Agents[0].Password, next.Tenants[0].Gateway.Agents[0].Password
	if old.Reveal() != "test-password" || fresh.Reveal() != "rotated-password" {
		t.Errorf("the running one has %q, the next one %q", old.Reveal(), fresh.Reveal())
	}
	write(filepath.Join(dir, "secrets", "101"), nil)
	if _, err := Load(path); err == nil || !strings.Contains(err.Error(), "is empty; write the secret into it") {
		t.Errorf("an emptied secret: %v", err)
	}
	t.Attr("tries", strconv.Itoa(len(broken)))
	t.Attr("figure", fmt.Sprintf("%d/%d broken files refused by line, 0 changes; a rotated secret taken at the next start", named, len(broken)))
}
