package seal

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
)

const place = "acme.291"

func open(t *testing.T, dir string) *Box {
	t.Helper()
	b, err := OpenDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func TestSealedOpensAgainAfterARestart(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "data")
	const secret = "4f3c1d9e-0a6b.AgentGateway0"
	sealed, err := open(t, dir).Seal([]byte(secret), place)
	if err != nil || strings.Contains(sealed, secret) {
		t.Fatalf("Seal = %q, %v", sealed, err)
	}
	again, _ := open(t, dir).Seal([]byte(secret), place)
	if again == sealed {
		t.Error("equal secrets look equal")
	}
	plain, err := open(t, dir).Open(sealed, place)
	if err != nil || string(plain) != secret {
		t.Errorf("Open = %q, %v", plain, err)
	}
	info, err := os.Stat(filepath.Join(dir, KeyFile))
	if err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("key file: %v, %v", info.Mode(), err)
	}
	entries, err := os.ReadDir(dir)
	if err != nil || len(entries) != 1 {
		t.Errorf("left behind: %v, %v", entries, err)
	}
}

func TestOpenRefuses(t *testing.T) {
	box, other := open(t, t.TempDir()), open(t, t.TempDir())
	sealed, _ := box.Seal([]byte("secret"), place)
	foreign, _ := other.Seal([]byte("secret"), place)
	flipped := []byte(sealed)
	flipped[len(flipped)/2] ^= 1
	moved, _ := box.Seal([]byte("secret"), "acme.292")
	nowhere, _ := box.Seal([]byte("secret"), "")
	for name, text := range map[string]string{
		"of another place": moved, "of no place": nowhere,
		"empty": "", "plain": "secret", "other key": foreign, "altered": string(flipped),
		"cut": sealed[:len(sealed)-4], "only version": "v1.", "other version": "v2." + sealed[3:],
	} {
		plain, err := box.Open(text, place)
		if !errors.Is(err, ErrNotOpened) || plain != nil {
			t.Errorf("%s: Open = %q, %v", name, plain, err)
		}
		if err != nil && (strings.Contains(err.Error(), "secret") || strings.Contains(err.Error(), sealed[3:])) {
			t.Errorf("%s: error shows content: %v", name, err)
		}
	}
}

func TestOpenDirRefusesBadKeyFiles(t *testing.T) {
	good := strings.Repeat("ab", keyBytes)
	for name, c := range map[string]struct {
		text string
		mode os.FileMode
		want string
	}{
		"readable by others": {good, 0o644, "chmod 600"},
		"short":              {good[:10], 0o600, "not a key"},
		"no hex":             {strings.Repeat("zz", keyBytes), 0o600, "not a key"},
		"empty":              {"", 0o600, "not a key"},
	} {
		dir := t.TempDir()
		path := filepath.Join(dir, KeyFile)
		if err := os.WriteFile(path, []byte(c.text), c.mode); err != nil {
			t.Fatal(err)
		}
		if err := os.Chmod(path, c.mode); err != nil {
			t.Fatal(err)
		}
		_, err := OpenDir(dir)
		if err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v", name, err)
		}
		if err != nil && c.text != "" && strings.Contains(err.Error(), c.text) {
			t.Errorf("%s: error shows the key", name)
		}
	}
}

func TestOneKeyForAllWhoStartAtOnce(t *testing.T) {
	dir := t.TempDir()
	boxes := make([]*Box, 8)
	var wg sync.WaitGroup
	for i := range boxes {
		wg.Go(func() { boxes[i], _ = OpenDir(dir) })
	}
	wg.Wait()
	for i, b := range boxes {
		if b == nil {
			t.Fatalf("box %d is missing", i)
		}
		sealed, _ := b.Seal([]byte("x"), place)
		if _, err := boxes[0].Open(sealed, place); err != nil {
			t.Errorf("box %d has another key", i)
		}
	}
}

func FuzzOpen(f *testing.F) {
	box, err := OpenDir(f.TempDir())
	if err != nil {
		f.Fatal(err)
	}
	sealed, _ := box.Seal([]byte("secret"), place)
	for _, seed := range []string{"", "v1.", sealed, sealed + "A", "v1.AAAA"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		plain, err := box.Open(text, place)
		if err == nil && (text != sealed || !bytes.Equal(plain, []byte("secret"))) {
			t.Errorf("opened %q", text)
		}
	})
}

func TestKeysOfOtherPurposes(t *testing.T) {
	dir := t.TempDir()
	open := func(dir string) *Box {
		b, err := OpenDir(dir)
		if err != nil {
			t.Fatal(err)
		}
		return b
	}
	a, again, other := open(dir), open(dir), open(t.TempDir())
	if !bytes.Equal(a.Key("x"), again.Key("x")) || len(a.Key("x")) != 32 {
		t.Error("the key does not come from the file alone")
	}
	if bytes.Equal(a.Key("x"), a.Key("y")) || bytes.Equal(a.Key("x"), other.Key("x")) || bytes.Equal(a.Key("x"), a.key) {
		t.Error("keys of different purposes or files are equal")
	}
}
