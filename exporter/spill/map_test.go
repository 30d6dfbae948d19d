package spill

import (
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"testing"

	"pgregory.net/rapid"
)

func digest(n int) []byte {
	sum := sha256.Sum256(binary.BigEndian.AppendUint64(nil, uint64(n)))
	return sum[:16]
}

// TestIsAMap: whatever is put into it in whatever order, and however little memory it has,
// it says what a map says. It leaves no file behind.
func TestIsAMap(t *testing.T) {
	dir := t.TempDir()
	rapid.Check(t, func(t *rapid.T) {
		m := New(Options{
			Dir: dir, Memory: rapid.SampledFrom([]int{0, 400, 2_000, 20_000, 1 << 20}).Draw(t, "memory"),
			Key: 16 + rapid.SampledFrom([]int{0, 4}).Draw(t, "longer"), Value: 3,
		})
		want := map[string]string{}
		keys := rapid.SampledFrom([]int{1, 30, 600}).Draw(t, "keys")
		key := rapid.Custom(func(t *rapid.T) string {
			n := rapid.IntRange(0, keys).Draw(t, "n")
			return string(append(digest(n), byte(n), 0, 0, 0)[:m.o.Key])
		})
		for range rapid.IntRange(1, 800).Draw(t, "steps") {
			switch k := key.Draw(t, "key"); rapid.IntRange(0, 40).Draw(t, "what") {
			case 0:
				check(t, m.Settle())
			case 1, 2, 3, 4, 5, 6, 7, 8, 9:
				same(t, m, want, k)
			case 10, 11, 12, 13, 14, 15:
				value, err := m.At([]byte(k))
				check(t, err)
				if text, ok := want[k]; string(value) != text && (ok || string(value) != "\x00\x00\x00") {
					t.Fatalf("%x is %q, want %q, %t", k, value, text, ok)
				}
				want[k] = fmt.Sprintf("%03d", rapid.IntRange(0, 999).Draw(t, "changed"))
				copy(value, want[k])
			default:
				want[k] = fmt.Sprintf("%03d", rapid.IntRange(0, 999).Draw(t, "value"))
				check(t, m.Put([]byte(k), []byte(want[k])))
			}
		}
		for n := range keys + 1 {
			same(t, m, want, string(append(digest(n), byte(n), 0, 0, 0)[:m.o.Key]))
		}
		check(t, m.Close())
		if left, err := os.ReadDir(dir); err != nil || len(left) > 0 {
			t.Fatalf("%d files are left: %v", len(left), err)
		}
	})
}

func check(t rapid.TB, err error) {
	if err != nil {
		t.Fatal(err)
	}
}

func same(t rapid.TB, m *Map, want map[string]string, key string) {
	value, found, err := m.Get([]byte(key))
	check(t, err)
	if text, ok := want[key]; found != ok || string(value) != text {
		t.Fatalf("%x is %q, %t, want %q, %t", key, value, found, text, ok)
	}
}

// TestMemoryIsKept: with twenty times as many entries as there is room for, what the map
// holds in memory stays within it, and the rest is in files that nobody else may read.
func TestMemoryIsKept(t *testing.T) {
	const memory, entries = 64 << 10, 40_000
	dir := t.TempDir()
	m := New(Options{Dir: dir, Memory: memory, Key: 16, Value: 16})
	most := 0
	for n := range entries {
		check(t, m.Put(digest(n), digest(n+1)))
		most = max(most, m.fresh.bytes()+m.filters)
	}
	if most > memory {
		t.Errorf("%d bytes in memory, want %d at most", most, memory)
	}
	files, err := filepath.Glob(filepath.Join(dir, "*"+Ext))
	if err != nil || len(files) == 0 || len(files) > 2*fanout || len(files) != len(m.runs) {
		t.Errorf("%d files of %d runs, %v", len(files), len(m.runs), err)
	}
	var bytesOnDisk int64
	for _, name := range files {
		info, err := os.Stat(name)
		check(t, err)
		if bytesOnDisk += info.Size(); info.Mode().Perm() != 0o600 {
			t.Errorf("%s has mode %s", name, info.Mode())
		}
	}
	if bytesOnDisk > 32*entries {
		t.Errorf("%d bytes on disk", bytesOnDisk)
	}
	for n := range entries {
		value, found, err := m.Get(digest(n))
		if err != nil || !found || !bytes.Equal(value, digest(n+1)) {
			t.Fatalf("entry %d is %x, %t, %v", n, value, found, err)
		}
	}
	check(t, m.Settle())
	if len(m.runs) != 1 || m.fresh.count != 0 || m.filters != 0 {
		t.Errorf("settled: %d runs, %d entries and %d bytes in memory", len(m.runs), m.fresh.count, m.filters)
	}
	check(t, m.Close())
}

// TestFewReadsForWhatIsNotThere: the filter spares a read of nearly every key that the map
// does not have.
func TestFewReadsForWhatIsNotThere(t *testing.T) {
	f := filterFor(10_000)
	for n := range 10_000 {
		f.add(digest(n))
	}
	wrong := 0
	for n := range 10_000 {
		if !f.may(digest(n)) {
			t.Fatalf("entry %d is denied", n)
		}
		if f.may(digest(-n - 1)) {
			wrong++
		}
	}
	if wrong > 1000 {
		t.Errorf("%d of 10000 are taken for some that are there", wrong)
	}
}

// TestDiskFails: an error comes where the disk fails, and what is left is removed.
func TestDiskFails(t *testing.T) {
	m := New(Options{Dir: filepath.Join(t.TempDir(), "none"), Key: 16, Value: 1})
	if err := m.Put(digest(1), []byte{1}); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("no folder: %v", err)
	}
	if _, err := m.At(digest(2)); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("no folder: %v", err)
	}
	dir := t.TempDir()
	m = New(Options{Dir: dir, Key: 16, Value: 1})
	for n := range fanout - 1 {
		check(t, m.Put(digest(n), []byte{1}))
	}
	check(t, os.Truncate(m.runs[1].file.Name(), 3))
	if _, _, err := m.Get(digest(1)); err == nil {
		t.Error("half an entry was read")
	}
	if _, err := m.At(digest(1)); err == nil {
		t.Error("half an entry was taken over")
	}
	if err := m.Put(digest(fanout), []byte{1}); err == nil {
		t.Error("half an entry was merged")
	}
	check(t, m.Close())
	if left, _ := os.ReadDir(dir); len(left) > 0 {
		t.Errorf("%d files are left", len(left))
	}
}

// BenchmarkMap is an entry that is new and changed, as rows are counted: with all in
// memory, and with nearly all of it on disk.
func BenchmarkMap(b *testing.B) {
	for name, memory := range map[string]int{"memory": 1 << 30, "disk": 1 << 20} {
		b.Run(name, func(b *testing.B) {
			m := New(Options{Dir: b.TempDir(), Memory: memory, Key: 16, Value: 4})
			b.ReportAllocs()
			for n := 0; b.Loop(); n++ {
				value, err := m.At(digest(n))
				check(b, err)
				value[0]++
			}
			check(b, m.Close())
		})
	}
}
