package instance

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"
)

// TestF36CopiesAreNoticed: a folder that was copied, in whatever way, or replaced by an
// older copy, goes on in a new line; one that is only moved or touched does not.
func TestF36CopiesAreNoticed(t *testing.T) {
	command := func(t *testing.T, name string, args ...string) {
		t.Helper()
		if out, err := exec.Command(name, args...).CombinedOutput(); err != nil {
			t.Fatalf("%s %v: %v: %s", name, args, err, out)
		}
	}
	move := func(t *testing.T, from, to string) {
		t.Helper()
		if err := os.Rename(from, to); err != nil {
			t.Fatal(err)
		}
	}
	// Each gets a folder that has been used twice, and returns one that is used next.
	type way func(t *testing.T, dir string) (next string)
	copied := map[string]way{
		"copied": func(t *testing.T, dir string) string {
			if err := os.CopyFS(dir+"-copy", os.DirFS(dir)); err != nil {
				t.Fatal(err)
			}
			return dir + "-copy"
		},
		"copied with times and rights": func(t *testing.T, dir string) string {
			command(t, "cp", "-a", dir, dir+"-copy")
			return dir + "-copy"
		},
		"packed and unpacked": func(t *testing.T, dir string) string {
			command(t, "tar", "-C", dir, "-cf", dir+".tar", ".")
			if err := os.RemoveAll(dir); err != nil {
				t.Fatal(err)
			}
			if err := os.Mkdir(dir, 0o700); err != nil {
				t.Fatal(err)
			}
			command(t, "tar", "-C", dir, "-xpf", dir+".tar")
			return dir
		},
		"an older copy written over it": func(t *testing.T, dir string) string {
			command(t, "cp", "-a", dir, dir+"-copy")
			LineOf(dir)
			command(t, "cp", "-a", dir+"-copy/.", dir)
			return dir
		},
		"an older copy moved in its place": func(t *testing.T, dir string) string {
			command(t, "cp", "-a", dir, dir+"-copy")
			LineOf(dir)
			move(t, dir, dir+"-newer")
			move(t, dir+"-copy", dir)
			return dir
		},
		"a copy used where the original was": func(t *testing.T, dir string) string {
			move(t, dir, dir+"-old")
			command(t, "cp", "-a", dir+"-old", dir)
			return dir
		},
		"a copy of a copy": func(t *testing.T, dir string) string {
			command(t, "cp", "-a", dir, dir+"-copy")
			LineOf(dir + "-copy")
			command(t, "cp", "-a", dir+"-copy", dir+"-third")
			return dir + "-third"
		},
		"copied when the clock was behind": func(t *testing.T, dir string) string {
			if err := writeMark(filepath.Join(dir, lineFile), uint64(time.Now().Add(time.Hour).UnixMilli())); err != nil {
				t.Fatal(err)
			}
			command(t, "cp", "-a", dir, dir+"-copy")
			return dir + "-copy"
		},
	}
	same := map[string]way{
		"used again": func(_ *testing.T, dir string) string { return dir },
		"moved": func(t *testing.T, dir string) string {
			move(t, dir, dir+"-moved")
			return dir + "-moved"
		},
		"with other rights and times": func(t *testing.T, dir string) string {
			path := filepath.Join(dir, lineFile)
			long := time.Now().Add(-time.Hour)
			if err := os.Chmod(path, 0o640); err != nil {
				t.Fatal(err)
			}
			if err := os.Chown(path, os.Getuid(), os.Getgid()); err != nil {
				t.Fatal(err)
			}
			if err := os.Chtimes(path, long, long); err != nil {
				t.Fatal(err)
			}
			return dir
		},
		"while it is copied": func(t *testing.T, dir string) string {
			command(t, "cp", "-a", dir, dir+"-copy")
			return dir
		},
		"with a damaged mark": func(t *testing.T, dir string) string {
			if err := os.WriteFile(filepath.Join(dir, lineFile), []byte(`{"born":`), 0o600); err != nil {
				t.Fatal(err)
			}
			return dir
		},
		"without a mark": func(t *testing.T, dir string) string {
			if err := os.Remove(filepath.Join(dir, lineFile)); err != nil {
				t.Fatal(err)
			}
			return dir
		},
		"marked where births are not known": func(t *testing.T, dir string) string {
			if err := os.WriteFile(filepath.Join(dir, lineFile), []byte(`{"born":"","line":0}`), 0o600); err != nil {
				t.Fatal(err)
			}
			return dir
		},
	}
	wrong := 0
	play := func(w way, begun bool) func(t *testing.T) {
		return func(t *testing.T) {
			dir := filepath.Join(t.TempDir(), "nats")
			for range 2 {
				if l := LineOf(dir); l.Begun || l.Number != 0 || l.Unmarked != nil {
					t.Fatalf("at first: %+v", l)
				}
			}
			before := readLine(t, dir)
			next := w(t, dir)
			had := readLine(t, next)
			l := LineOf(next)
			if l.Begun != begun || l.Unmarked != nil || begun && (l.Number <= had || l.Number <= before) || !begun && l.Number != 0 {
				wrong++
				t.Errorf("%+v after line %d", l, had)
			}
			if again := LineOf(next); again.Begun || again.Number != l.Number {
				wrong++
				t.Errorf("at the next start %+v, was %+v", again, l)
			}
		}
	}
	for name, w := range copied {
		t.Run(name, play(w, true))
	}
	for name, w := range same {
		t.Run(name, play(w, false))
	}
	t.Attr("tries", fmt.Sprint(len(copied)+len(same)))
	t.Attr("figure", fmt.Sprintf("%d ways to copy a folder and %d to keep it, %d mistaken", len(copied), len(same), wrong))
}

func readLine(t *testing.T, dir string) uint64 {
	t.Helper()
	m, _ := readMark(filepath.Join(dir, lineFile))
	return m.Line
}

// TestUnmarked: a folder that cannot be marked is used all the same, and says so.
func TestUnmarked(t *testing.T) {
	dir := t.TempDir()
	if err := os.MkdirAll(filepath.Join(dir, lineFile, "full"), 0o700); err != nil {
		t.Fatal(err)
	}
	if l := LineOf(dir); l.Unmarked == nil || l.Begun || l.Number != 0 || !l.Since().IsZero() {
		t.Errorf("%+v", l)
	}
	left, err := os.ReadDir(dir)
	if err != nil || len(left) != 1 {
		t.Errorf("it leaves %v: %v", left, err)
	}
}
