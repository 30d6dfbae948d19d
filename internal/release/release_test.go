package main

import (
	"archive/zip"
	"bytes"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"
)

// shipped are files in no order.
func shipped() []file {
	return []file{{"man/bridge.1", 0o644, []byte("page")}, {"bridge", 0o755, []byte(strings.Repeat("program", 1000))}, {"README.md", 0o644, nil}}
}

// TestArchivesAreAlike: neither the order of the files, nor the time, nor the zone shows.
func TestArchivesAreAlike(t *testing.T) {
	date := time.Date(2026, 12, 1, 2, 50, 29, 0, time.UTC)
	for name, write := range map[string]func(io.Writer, string, []file, time.Time) error{"tar.gz": writeTar, "zip": writeZIP} {
		var one, two, other bytes.Buffer
		turned := shipped()
		slices.Reverse(turned)
		if err := write(&one, "bridge-1", shipped(), date); err != nil {
			t.Fatal(err)
		}
		if err := write(&two, "bridge-1", turned, date.In(time.FixedZone("", 8*3600))); err != nil || !bytes.Equal(one.Bytes(), two.Bytes()) {
			t.Errorf("%s: two of the same differ (%v)", name, err)
		}
		if err := write(&other, "bridge-1", shipped(), date.Add(time.Hour)); err != nil || bytes.Equal(one.Bytes(), other.Bytes()) {
			t.Errorf("%s: the date does not show (%v)", name, err)
		}
	}
}

// TestArchivesAreRead by those who get them: tar and the standard library.
func TestArchivesAreRead(t *testing.T) {
	dir, date := t.TempDir(), time.Date(2026, 12, 1, 2, 50, 29, 0, time.UTC)
	var tarred, zipped bytes.Buffer
	if err := writeTar(&tarred, "bridge-1", shipped(), date); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, "a.tar.gz"), tarred.Bytes(), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := command(t.Context(), dir, nil, "tar", "xzf", "a.tar.gz"); err != nil {
		t.Fatal(err)
	}
	info, err := os.Stat(filepath.Join(dir, "bridge-1", "bridge"))
	if err != nil || info.Mode().Perm() != 0o755 || !info.ModTime().Equal(date) {
		t.Errorf("%v: %v", info, err)
	}
	if err := writeZIP(&zipped, "bridge-1", shipped(), date); err != nil {
		t.Fatal(err)
	}
	r, err := zip.NewReader(bytes.NewReader(zipped.Bytes()), int64(zipped.Len()))
	if err != nil || len(r.File) != 3 || r.File[1].Name != "bridge-1/bridge" || !r.File[1].Modified.Equal(date) {
		t.Errorf("%+v: %v", r, err)
	}
}

// TestSums: sha256sum takes them, and notices another byte.
func TestSums(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "a.zip")
	if err := os.WriteFile(path, []byte("a"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := writeSums(dir); err != nil {
		t.Fatal(err)
	}
	if err := command(t.Context(), dir, nil, "sha256sum", "--strict", "-c", sumsFile); err != nil {
		t.Error(err)
	}
	if err := os.WriteFile(path, []byte("b"), 0o600); err != nil {
		t.Fatal(err)
	}
	if command(t.Context(), dir, nil, "sha256sum", "-c", sumsFile) == nil {
		t.Error("another file passes")
	}
}

// TestDebVersions sort as dpkg sorts: what comes before a release, then the release.
func TestDebVersions(t *testing.T) {
	order := []string{"0.0.0-20261201025029-594a21812345", "0.0.0-20261201025030-112233445566", "1.0.0-rc.1", "1.0.0", "1.0.1-0.20261201025029-594a21812345", "1.0.1", "1.0.1+dirty"}
	for i, v := range order {
		d := debVersion(v)
		if strings.Contains(d, "-") {
			t.Errorf("%s has a revision", d)
		}
		if i == 0 {
			continue
		}
		if out, err := exec.Command("dpkg", "--compare-versions", debVersion(order[i-1]), "lt", d).CombinedOutput(); err != nil {
			t.Errorf("%s is not before %s: %v %s", order[i-1], v, err, out)
		}
	}
}

// TestBothNames: bash completes the program by either name.
func TestBothNames(t *testing.T) {
	path := filepath.Join(t.TempDir(), "bridge")
	text := "complete -o default -F __start_bridge bridge\n"
	if err := os.WriteFile(path, bothNames([]byte(text)), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := command(t.Context(), t.TempDir(), nil, "bash", "-c", ". "+path+" && complete -p bridge && complete -p "+debName); err != nil {
		t.Error(err)
	}
}

func TestChoose(t *testing.T) {
	if all, err := choose(""); err != nil || len(all) != len(platforms) {
		t.Errorf("%v: %v", all, err)
	}
	if some, err := choose("linux/arm64,windows/amd64"); err != nil || len(some) != 2 || some[1].extension() != ".exe" {
		t.Errorf("%v: %v", some, err)
	}
	if _, err := choose("linux/mips"); err == nil || !strings.Contains(err.Error(), "linux/amd64") {
		t.Errorf("%v", err)
	}
}
