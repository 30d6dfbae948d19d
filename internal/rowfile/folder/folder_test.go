package folder

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/parquet-go/parquet-go"

	"aiccbridge/schemas"
	"aiccbridge/schemas/rows"
)

// memory is a hub's rows, in the order of the stream.
type memory []schemas.Stored

func (m memory) Read(_ context.Context, _ schemas.Stream, filter string, _ uint64, f func(schemas.Stored) error) error {
	for _, s := range m {
		if filter != "" && s.Subject != filter {
			continue
		}
		if err := f(s); err != nil {
			return err
		}
	}
	return nil
}

func (m memory) ReadNewest(_ context.Context, _ schemas.Stream, _ string, f func(schemas.Stored) error) error {
	for i, s := range m {
		if slices.ContainsFunc(m[i+1:], func(later schemas.Stored) bool { return later.Subject == s.Subject }) {
			continue
		}
		s.Body = nil
		if err := f(s); err != nil {
			return err
		}
	}
	return nil
}

func (m memory) ReadBack(ctx context.Context, subject string, f func(schemas.RowHeader, uint64)) (last uint64, err error) {
	err = m.Read(ctx, schemas.StreamRows, subject, 0, func(s schemas.Stored) error {
		last = s.Sequence
		f(schemas.ReadRowHeader(s.Header), s.Sequence)
		return nil
	})
	return last, err
}

// filler stores the rows of hours.
type filler struct {
	t   *testing.T
	hub *memory
}

func (f filler) file(hour int) schemas.FileReady {
	from := time.Date(2026, 11, 1, hour, 0, 0, 0, time.UTC)
	id := strings.Repeat("0a", 16)
	return schemas.FileReady{
		Tenant: "Acme", Kind: schemas.KindOperation, Window: schemas.Window{From: from, To: from.Add(time.Hour)}, ResponseID: id,
		FileName: "20261101_" + id + ".zip", ReceivedAt: from.Add(time.Hour), Via: schemas.ViaCallback,
	}
}

func (f filler) names() schemas.Names {
	n, err := schemas.NewNames("aicc")
	if err != nil {
		f.t.Fatal(err)
	}
	return n
}

func (f filler) store(m schemas.Message, err error) {
	f.t.Helper()
	if err != nil {
		f.t.Fatal(err)
	}
	*f.hub = append(*f.hub, schemas.Stored{Subject: m.Subject, Sequence: uint64(len(*f.hub)) + 1, Header: m.Headers(), Body: m.Body})
}

// row stores a revision of a row.
func (f filler) row(hour, n, revision int, agent string) {
	f.t.Helper()
	e := rows.NewEncoder(f.names(), f.file(hour), schemas.KindOperation, rows.Options{Zone: time.UTC})
	record := strings.Split(fmt.Sprintf("%d,testak01,202405019999,%s,,12,1714525260-1001,2026-11-01 01:30:00,2026-11-01 01:30:01,38,-1,0,5,39,1,4,,0,0,1714525198-7,3", n, agent), ",")
	id, err := e.Identify(record)
	if err != nil {
		f.t.Fatal(err)
	}
	if revision > 1 {
		id = id.Again(revision)
	}
	f.store(e.Message(record, id, revision))
}

// complete stores a window's marker.
func (f filler) complete(hour int) {
	f.t.Helper()
	r := f.file(hour)
	f.store(f.names().WindowCompleteMessage(schemas.WindowComplete{
		Tenant: r.Tenant, Kind: r.Kind, Window: r.Window, ResponseID: r.ResponseID, Files: []schemas.CompleteFile{}, SHA256: strings.Repeat("0", 64), CompletedAt: r.Window.To,
	}))
}

// run brings a folder up to date.
func run(t *testing.T, dir string, all bool, hub Hub) Summary {
	t.Helper()
	f, err := Open(dir, all)
	if err != nil {
		t.Fatal(err)
	}
	s, err := f.Run(t.Context(), hub, func(string, schemas.Kind, schemas.Window) bool { return true })
	if err == nil {
		err = f.Close()
	}
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// agents are those of the rows of a folder, sorted.
func agents(t *testing.T, dir string) (all []string) {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(dir, "*", "*", "*", "*"))
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range files {
		read, err := parquet.ReadFile[struct {
			Agent string `parquet:"agent_id,optional"`
		}](name)
		if err != nil {
			t.Fatal(err)
		}
		for _, r := range read {
			all = append(all, r.Agent)
		}
	}
	slices.Sort(all)
	return all
}

// TestSeveralOfOneKey: rows that share a natural key are all in a file, those of its newest
// revision.
func TestSeveralOfOneKey(t *testing.T) {
	t.Parallel()
	hub := memory{}
	f := filler{t, &hub}
	f.row(1, 1, 1, "101")
	f.row(1, 1, 1, "102")
	f.complete(1)
	f.row(2, 2, 1, "103")
	f.row(2, 2, 1, "104")
	f.complete(2)
	f.row(2, 2, 2, "109")
	f.row(2, 2, 2, "104")
	f.complete(2)
	dir := t.TempDir()
	if run(t, dir, false, hub); !slices.Equal(agents(t, dir), []string{"101", "102", "104", "109"}) {
		t.Errorf("rows of %v", agents(t, dir))
	}
}

// TestUpToDate: a window that is complete has a file of the newest revisions, another run adds
// none, and a window that has changed gets a new one.
func TestUpToDate(t *testing.T) {
	t.Parallel()
	dir, hub := t.TempDir(), memory{}
	f := filler{t, &hub}
	f.row(1, 1, 1, "101")
	f.row(1, 2, 1, "102")
	f.complete(1)
	f.row(2, 3, 1, "103")
	if s := run(t, dir, false, hub); s.Added != 1 || s.Incomplete != 1 || s.Rows != 2 || s.Bytes == 0 {
		t.Errorf("at first: %+v", s)
	}
	first := hub
	if s := run(t, dir, false, hub); s.Added+s.Replaced != 0 || s.Unchanged != 1 || s.Rows != 0 || s.Bytes == 0 {
		t.Errorf("again: %+v", s)
	}
	f.row(1, 1, 2, "109")
	f.complete(1)
	f.complete(2)
	left := filepath.Join(dir, "=41cme", "operation", "2026-11-01", "."+f.file(1).Window.String()+".7.parquet1234")
	if err := os.WriteFile(left, []byte("cut off"), 0o600); err != nil {
		t.Fatal(err)
	}
	if s := run(t, dir, false, hub); s.Added != 1 || s.Replaced != 1 || s.Incomplete != 0 {
		t.Errorf("changed: %+v", s)
	}
	if got := agents(t, dir); !slices.Equal(got, []string{"102", "103", "109"}) {
		t.Errorf("newest: %v", got)
	}
	if _, err := os.Stat(left); err == nil {
		t.Error("what a crash left is still there")
	}
	before := filepath.Join(filepath.Dir(left), f.file(1).Window.String()+".3.parquet") // a crash came before it was removed
	if err := os.WriteFile(before, []byte("of before"), 0o600); err != nil {
		t.Fatal(err)
	}
	if s := run(t, dir, false, hub); s.Added+s.Replaced != 0 || s.Unchanged != 2 {
		t.Errorf("after a crash: %+v", s)
	}
	if _, err := os.Stat(before); err == nil {
		t.Error("a file of before is still there beside the new one")
	}
	if _, err := Open(dir, true); err == nil || !strings.Contains(err.Error(), "newest revisions") {
		t.Errorf("all revisions into it: %v", err)
	}
	all := t.TempDir()
	run(t, all, true, first)
	if s := run(t, all, true, hub); s.Replaced != 1 {
		t.Errorf("all: %+v", s)
	}
	if got := agents(t, all); !slices.Equal(got, []string{"101", "102", "103", "109"}) {
		t.Errorf("all: %v", got)
	}
}

// TestOneAtATime: a folder that a run writes to is no other's.
func TestOneAtATime(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	f, err := Open(dir, false)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := Open(dir, false); err == nil || !strings.Contains(err.Error(), "another run") {
		t.Errorf("a second run: %v", err)
	}
	if err := f.Close(); err != nil {
		t.Error(err)
	}
	if f, err = Open(dir, false); err != nil {
		t.Fatal(err)
	}
	if err := f.Close(); err != nil {
		t.Error(err)
	}
}

// TestNotWanted: windows that are not wanted have no file.
func TestNotWanted(t *testing.T) {
	t.Parallel()
	hub := memory{}
	fill := filler{t, &hub}
	fill.row(1, 1, 1, "101")
	fill.complete(1)
	f, err := Open(t.TempDir(), false)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	s, err := f.Run(t.Context(), hub, func(tenant string, kind schemas.Kind, w schemas.Window) bool {
		return tenant != "Acme" || kind != schemas.KindOperation || w != fill.file(1).Window
	})
	if err != nil || s != (Summary{}) {
		t.Errorf("%+v %v", s, err)
	}
}

// cut is a hub that goes away behind the first row of a window.
type cut struct{ memory }

func (c cut) Read(ctx context.Context, stream schemas.Stream, filter string, from uint64, f func(schemas.Stored) error) error {
	return errors.Join(c.memory[:1].Read(ctx, stream, filter, from, f), errors.New("the hub is away"))
}

// TestHalfAFile: a window that could not be read to its end has no file, nor a part of one.
func TestHalfAFile(t *testing.T) {
	t.Parallel()
	dir, hub := t.TempDir(), memory{}
	fill := filler{t, &hub}
	fill.row(1, 1, 1, "101")
	fill.row(1, 2, 1, "102")
	fill.complete(1)
	f, err := Open(dir, false)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if _, err := f.Run(t.Context(), cut{hub}, func(string, schemas.Kind, schemas.Window) bool { return true }); err == nil || !strings.Contains(err.Error(), "away") {
		t.Errorf("the run ended with %v", err)
	}
	if left, err := filepath.Glob(filepath.Join(dir, "*", "*", "*", "*")); err != nil || len(left) > 0 {
		t.Errorf("it leaves %q, %v", left, err)
	}
}
