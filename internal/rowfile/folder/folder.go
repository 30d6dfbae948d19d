// Package folder keeps a folder of Parquet files that has the rows of complete windows, a file
// for each window:
//
//	<dir>/<tenant>/<kind>/<day>/<window>.<sequence>.parquet
//
// The day is that of the window's beginning in UTC, the sequence that of the window's last
// marker: a window that was extracted again and has changed gets a new file, and its old one
// goes.
//
// Invariants:
//
//   - A file that has its name is whole. A crash leaves at most files whose names begin with
//     a dot, which the next run removes.
//   - A run over what has not changed writes nothing.
//   - A folder has the newest revision of each row, or all revisions, for good; and one run
//     at a time.
//
// Of ours it imports schemas, internal/rowfile and internal/sabotage.
package folder

import (
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"github.com/gofrs/flock"

	"aiccbridge/internal/rowfile"
	"aiccbridge/internal/sabotage"
	"aiccbridge/schemas"
)

// Hub is what rows are read from.
type Hub interface {
	// Read calls f for the messages of a stream that match filter, from a sequence on.
	Read(ctx context.Context, stream schemas.Stream, filter string, from uint64, f func(schemas.Stored) error) error
	// ReadNewest is Read of the last message of each subject, without its body.
	ReadNewest(ctx context.Context, stream schemas.Stream, filter string, f func(schemas.Stored) error) error
	// ReadBack calls f for the headers of a window's messages.
	ReadBack(ctx context.Context, subject string, f func(h schemas.RowHeader, seq uint64)) (last uint64, err error)
}

// Folder is such a folder.
type Folder struct {
	dir  string
	all  bool
	lock *flock.Flock
}

// mark is the file that says what a folder has, and is locked while a run writes to it.
const mark = ".aicc-rows"

// Open opens a folder, which is made if need be. all says that it has all revisions of rows.
func Open(dir string, all bool) (*Folder, error) {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, fmt.Errorf("make the folder of rows: %w", err)
	}
	f := &Folder{dir: dir, all: all, lock: flock.New(filepath.Join(dir, mark))}
	locked, err := f.lock.TryLock()
	if err == nil && !locked {
		err = errors.New("another run writes to it")
	}
	if err == nil {
		err = f.agree()
	}
	if err != nil {
		return nil, errors.Join(fmt.Errorf("open folder %s: %w", dir, err), f.Close())
	}
	return f, nil
}

// agree notes what the folder has, or finds that it was noted otherwise.
func (f *Folder) agree() error {
	const newest, all = "newest revisions\n", "all revisions\n"
	want := newest
	if f.all {
		want = all
	}
	path := filepath.Join(f.dir, mark)
	has, err := os.ReadFile(path)
	switch {
	case err != nil:
		return err
	case len(has) == 0:
		return os.WriteFile(path, []byte(want), 0o600)
	case string(has) != want:
		return fmt.Errorf("it has the %s of rows, and would have both: take another folder", strings.TrimSpace(string(has)))
	}
	return nil
}

// Close lets others write to the folder.
func (f *Folder) Close() error { return f.lock.Unlock() }

// Summary is what a run found and did.
type Summary struct {
	Added      int   `json:"added"`      // files of windows that had none
	Replaced   int   `json:"replaced"`   // files of windows that have changed
	Unchanged  int   `json:"unchanged"`  // files that were there
	Incomplete int   `json:"incomplete"` // windows whose rows are still coming
	Rows       int64 `json:"rows"`       // written
	Bytes      int64 `json:"bytes"`      // of all files of the windows
}

// window is a window that is complete, up to its last marker.
type window struct {
	subject      string
	tenant, kind string // as in the subject
	window       schemas.Window
	last         uint64
}

// Run brings the folder up to date with the windows that wants says.
func (f *Folder) Run(ctx context.Context, hub Hub, wants func(tenant string, kind schemas.Kind, w schemas.Window) bool) (s Summary, err error) {
	var all []window
	err = hub.ReadNewest(ctx, schemas.StreamRows, "", func(m schemas.Stored) error {
		w, ok := windowOf(m)
		if !ok || !wants(schemas.TenantOf(m.Subject), schemas.Kind(w.kind), w.window) {
			return nil
		}
		if m.Get("ce-type") != schemas.TypeWindowComplete {
			s.Incomplete++
			return nil
		}
		all = append(all, w)
		return nil
	})
	for i := 0; err == nil && i < len(all); i++ {
		err = f.keep(ctx, hub, all[i], &s)
	}
	return s, err
}

// windowOf takes a subject of rows apart: <prefix>.v1.<tenant>.row.<kind>.<window>.
func windowOf(m schemas.Stored) (w window, ok bool) {
	t := strings.Split(m.Subject, ".")
	if len(t) != 6 {
		return w, false
	}
	span, err := schemas.ParseWindow(t[5])
	return window{subject: m.Subject, tenant: t[2], kind: t[4], window: span, last: m.Sequence}, err == nil
}

// keep sees to the file of one window.
func (f *Folder) keep(ctx context.Context, hub Hub, w window, s *Summary) error {
	dir := filepath.Join(f.dir, w.tenant, w.kind, w.window.From.UTC().Format("2006-01-02"))
	path := filepath.Join(dir, w.window.String()+"."+strconv.FormatUint(w.last, 10)+".parquet")
	before, err := f.others(dir, w, filepath.Base(path))
	if err != nil {
		return err
	}
	if info, err := os.Stat(path); err == nil {
		s.Unchanged++
		s.Bytes += info.Size()
		return remove(before) // a crash left them
	}
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return fmt.Errorf("make a folder for window %s: %w", w.window, err)
	}
	rows, size, err := f.write(ctx, hub, w, path)
	if err != nil {
		return fmt.Errorf("write %s: %w", path, err)
	}
	s.Rows += rows
	s.Bytes += size
	if slices.ContainsFunc(before, func(name string) bool { return filepath.Ext(name) == ".parquet" }) {
		s.Replaced++
	} else {
		s.Added++
	}
	return remove(before)
}

// others are the files of a window beside one: those of before, and what a crash left.
func (f *Folder) others(dir string, w window, but string) (all []string, err error) {
	entries, err := os.ReadDir(dir)
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		return nil, fmt.Errorf("look for files of window %s: %w", w.window, err)
	}
	for _, e := range entries {
		if name := e.Name(); name != but && strings.HasPrefix(strings.TrimPrefix(name, "."), w.window.String()+".") {
			all = append(all, filepath.Join(dir, name))
		}
	}
	return all, nil
}

func remove(all []string) error {
	for _, name := range all {
		if err := os.Remove(name); err != nil {
			return fmt.Errorf("remove a file of before: %w", err)
		}
	}
	return nil
}

// write writes a window's file, whole or not at all.
func (f *Folder) write(ctx context.Context, hub Hub, w window, path string) (rows, size int64, err error) {
	wanted, err := f.newest(ctx, hub, w)
	if err != nil {
		return 0, 0, err
	}
	file, err := newPending(path)
	if err != nil {
		return 0, 0, err
	}
	defer func() { _ = file.Cleanup() }() // it has been renamed, or is useless
	out, err := rowfile.NewWriter(file, schemas.Kind(w.kind))
	if err != nil {
		return 0, 0, err
	}
	err = hub.Read(ctx, schemas.StreamRows, w.subject, 0, func(m schemas.Stored) error {
		if m.Sequence > w.last || m.Get("ce-type") == schemas.TypeWindowComplete || !wanted(m) {
			return nil
		}
		rows++
		sabotage.Point("parquet.row")
		return out.Write(schemas.Message{
			Subject: m.Subject, ID: m.Get("ce-id"), Type: m.Get("ce-type"), Source: m.Get("ce-source"), Row: m.Get(schemas.HeaderRow), Body: m.Body,
		})
	})
	if err = errors.Join(err, out.Close()); err != nil {
		return 0, 0, err
	}
	if info, err := file.Stat(); err == nil {
		size = info.Size()
	}
	sabotage.Point("parquet.written")
	if err := file.CloseAtomicallyReplace(); err != nil {
		return 0, 0, err
	}
	sabotage.Point("parquet.renamed")
	return rows, size, nil
}

// newest says which of a window's rows are to be in its file.
func (f *Folder) newest(ctx context.Context, hub Hub, w window) (func(schemas.Stored) bool, error) {
	if f.all {
		return func(schemas.Stored) bool { return true }, nil
	}
	last := map[[16]byte]int{}
	_, err := hub.ReadBack(ctx, w.subject, func(h schemas.RowHeader, seq uint64) {
		if key := keyOf(h.Key); seq <= w.last && h.Revision > last[key] {
			last[key] = h.Revision
		}
	})
	return func(m schemas.Stored) bool { // several rows may have one key
		h := schemas.ReadRowHeader(m.Header)
		return last[keyOf(h.Key)] == h.Revision
	}, err
}

// keyOf is a row's key in little space.
func keyOf(text string) (key [16]byte) {
	if b, err := hex.DecodeString(text); err == nil {
		copy(key[:], b)
	}
	return key
}
