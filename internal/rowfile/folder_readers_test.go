//go:build readers

package rowfile_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"aiccbridge/internal/hubtest"
	"aiccbridge/internal/rowfile/folder"
	"aiccbridge/schemas"
)

// hours are the windows of each kind that the simulated rows are divided into. Another has
// rows, and no marker yet.
const hours = 3

// TestReadersFolder has DuckDB read the folder that `bridge replay --to-parquet` writes: it is
// the streams row by row, with the newest revisions or all, however often and wherever the
// export is killed; and DuckDB never sees a part of a file.
func TestReadersFolder(t *testing.T) {
	e := newExport(t)
	e.fill()
	for _, at := range []string{
		"parquet.row:1", "parquet.row:700", "parquet.row:1199", "parquet.written:1", "parquet.written:6", "parquet.renamed:1", "parquet.renamed:12",
	} {
		t.Run(at, func(t *testing.T) { e.survives(t, t.TempDir(), at, false) })
	}
	newest, all := t.TempDir(), t.TempDir()
	e.brings(t, newest, false, folder.Summary{Added: 4 * hours})
	e.brings(t, all, true, folder.Summary{Added: 4 * hours})
	e.equal(t, newest, false)
	e.revise()
	for _, at := range []string{"parquet.row:50", "parquet.written:2", "parquet.renamed:3"} { // one file is there then, and three more; the last beside that of before
		t.Run("revised/"+at, func(t *testing.T) { e.dies(t, newest, at, false) })
	}
	e.brings(t, newest, false, folder.Summary{Replaced: 4*hours - 4, Unchanged: 4})
	e.equal(t, newest, false)
	e.survives(t, all, "parquet.row:1300", true)
	for _, done := range []struct {
		dir string
		all bool
	}{{newest, false}, {all, true}} {
		e.brings(t, done.dir, done.all, folder.Summary{Unchanged: 4 * hours})
		e.equal(t, done.dir, done.all)
	}
}

// export is a hub with rows, and the program that writes them into a folder.
type export struct {
	t       *testing.T
	program string
	hub     hubtest.Hub
	names   schemas.Names
	rows    map[schemas.Kind][]schemas.Message // of hours and one more, in equal parts
}

func newExport(t *testing.T) *export {
	t.Helper()
	e := &export{t: t, program: filepath.Join(t.TempDir(), "bridge")}
	if out, err := exec.CommandContext(t.Context(), "go", "build", "-tags", "faults", "-o", e.program, "aiccbridge/cmd/bridge").CombinedOutput(); err != nil {
		t.Fatalf("build the program: %v\n%s", err, out)
	}
	e.hub, e.names = hubtest.Start(t)
	e.rows = simulatedRows(t)
	for k, rows := range e.rows {
		e.rows[k] = rows[:100*(hours+1)]
	}
	return e
}

// fill stores the rows, and the markers of all windows but the last of each kind.
func (e *export) fill() {
	e.t.Helper()
	for _, k := range schemas.Kinds() {
		for hour := range hours + 1 {
			e.store(k, hour, e.part(k, hour), hour < hours)
		}
	}
}

// revise stores a second revision of every third row, and another marker.
func (e *export) revise() {
	e.t.Helper()
	for _, k := range schemas.Kinds() {
		for hour := range hours {
			var again []schemas.Message
			for i, m := range e.part(k, hour) {
				if i%3 == 0 {
					again = append(again, revised(e.t, m))
				}
			}
			e.store(k, hour, again, true)
		}
	}
}

// part are the rows of an hour, which they name.
func (e *export) part(k schemas.Kind, hour int) (all []schemas.Message) {
	size := len(e.rows[k]) / (hours + 1)
	was, is := fileOf(k, 4), fileOf(k, hour)
	for _, m := range e.rows[k][hour*size : (hour+1)*size] {
		m.Subject = e.names.Row(is.Tenant, k, is.Window)
		m.Body = bytes.Replace(m.Body, []byte(was.Window.String()), []byte(is.Window.String()), 1)
		all = append(all, m)
	}
	return all
}

// revised is a row's second revision.
func revised(t *testing.T, m schemas.Message) schemas.Message {
	t.Helper()
	id := m.ID + "-2"
	body := bytes.Replace(m.Body, []byte(m.ID), []byte(id), 1)
	m.ID, m.Body = id, bytes.Replace(body, []byte(`"revision":1`), []byte(`"revision":2`), 1)
	m.Row = strings.Replace(m.Row, ".1.", ".2.", 1)
	if h := schemas.ReadRowHeader(m.Headers()); h.Revision != 2 || !bytes.Contains(m.Body, []byte(`"revision":2`)) {
		t.Fatalf("%s %s is no second revision", m.Row, m.Body)
	}
	return m
}

// store stores rows of a window, and perhaps its marker.
func (e *export) store(k schemas.Kind, hour int, rows []schemas.Message, complete bool) {
	e.t.Helper()
	file := fileOf(k, hour)
	if complete {
		marker, err := e.names.WindowCompleteMessage(schemas.WindowComplete{
			Tenant: file.Tenant, Kind: k, Window: file.Window, ResponseID: file.ResponseID, Files: []schemas.CompleteFile{}, SHA256: strings.Repeat("0", 64), CompletedAt: file.Window.To,
		})
		if err != nil {
			e.t.Fatal(err)
		}
		rows = append(rows, marker)
	}
	last, err := e.hub.Rows().ReadBack(e.t.Context(), e.names.Row(file.Tenant, k, file.Window), func(schemas.RowHeader, uint64) {})
	if err == nil {
		_, err = e.hub.Rows().Append(e.t.Context(), rows, last)
	}
	if err != nil {
		e.t.Fatal(err)
	}
}

// command is the export into a folder.
func (e *export) command(ctx context.Context, dir string, all bool) *exec.Cmd {
	args := []string{"replay", "--nats", e.hub.URL, "--to-parquet", dir, "--json"}
	if all {
		args = append(args, "--all-revisions")
	}
	return exec.CommandContext(ctx, e.program, args...)
}

// brings brings a folder up to date, and looks what was done.
func (e *export) brings(t *testing.T, dir string, all bool, want folder.Summary) {
	t.Helper()
	out, err := e.command(t.Context(), dir, all).Output()
	if err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	var s folder.Summary
	if err := json.Unmarshal(out, &s); err != nil {
		t.Fatal(err)
	}
	want.Incomplete, want.Rows, want.Bytes = 4, s.Rows, s.Bytes
	if s != want {
		t.Errorf("%+v, want %+v", s, want)
	}
}

// dies has the export killed as it passes a point. DuckDB reads what it leaves.
func (e *export) dies(t *testing.T, dir, at string, all bool) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	cmd := e.command(ctx, dir, all)
	cmd.Env = append(os.Environ(), "KILL_AT="+at)
	out, err := cmd.CombinedOutput()
	if state, ok := cmd.ProcessState.Sys().(syscall.WaitStatus); !ok || !state.Signaled() || ctx.Err() != nil {
		t.Fatalf("the export ended with %v, %v\n%s", cmd.ProcessState, err, out)
	}
	begun, err := filepath.Glob(filepath.Join(dir, "*", "*", "*", ".*"))
	if err != nil || (len(begun) == 1) == strings.HasPrefix(at, "parquet.renamed") {
		t.Errorf("it leaves %q, %v", begun, err)
	}
	want := e.stored(t, all)
	for _, k := range schemas.Kinds() {
		rows := map[string]int{} // of each file
		for _, row := range e.read(t, dir, k) {
			rows[row["filename"].(string)]++
		}
		for name, n := range rows {
			window := strings.Split(filepath.Base(name), ".")[0]
			if whole := len(want[k][window]); n != whole && !(all && n < whole) { // a file of before has fewer revisions
				t.Errorf("%s: %d rows, want %d", name, n, whole)
			}
		}
	}
}

// survives has the export killed, and then come to its end.
func (e *export) survives(t *testing.T, dir, at string, all bool) {
	t.Helper()
	e.dies(t, dir, at, all)
	if out, err := e.command(t.Context(), dir, all).CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	e.equal(t, dir, all)
	e.brings(t, dir, all, folder.Summary{Unchanged: 4 * hours})
}

// read has DuckDB read the files of a kind; none if there are none.
func (e *export) read(t *testing.T, dir string, k schemas.Kind) []map[string]any {
	t.Helper()
	pattern := filepath.Join(dir, "*", string(k), "*", "*.parquet")
	if names, err := filepath.Glob(pattern); err != nil || len(names) == 0 {
		return nil
	}
	var got struct {
		Types map[string]string
		Rows  []map[string]any
	}
	node(t, &got, "read.mjs", pattern, "filename")
	delete(got.Types, "filename")
	if diff := cmp.Diff(documentedTypes(k), got.Types); diff != "" {
		t.Errorf("types (-documented +read):\n%s", diff)
	}
	return got.Rows
}

// stored are the cells of the stream's rows of complete windows, by kind, window and id.
func (e *export) stored(t *testing.T, all bool) map[schemas.Kind]map[string]map[string]map[string]any {
	t.Helper()
	found := map[schemas.Kind]map[string]map[string]map[string]any{}
	type revision struct {
		number int
		ids    []string
	}
	newest := map[string]revision{} // by window and key
	err := e.hub.Read(t.Context(), schemas.StreamRows, "", 0, func(m schemas.Stored) error {
		tokens := strings.Split(m.Subject, ".")
		k, window := schemas.Kind(tokens[4]), tokens[5]
		if window == fileOf(k, hours).Window.String() || m.Get("ce-type") == schemas.TypeWindowComplete {
			return nil
		}
		if found[k] == nil {
			found[k] = map[string]map[string]map[string]any{}
		}
		if found[k][window] == nil {
			found[k][window] = map[string]map[string]any{}
		}
		id, key := m.Get("ce-id"), m.Subject+schemas.ReadRowHeader(m.Header).Key
		if found[k][window][id] != nil {
			return errors.New("an id is there twice: " + id)
		}
		found[k][window][id] = documentedCells(t, k, schemas.Message{
			Subject: m.Subject, ID: id, Type: m.Get("ce-type"), Source: m.Get("ce-source"), Row: m.Get(schemas.HeaderRow), Body: m.Body,
		})
		if h, before := schemas.ReadRowHeader(m.Header), newest[key]; h.Revision > before.number {
			for _, id := range before.ids {
				if !all {
					delete(found[k][window], id)
				}
			}
			newest[key] = revision{number: h.Revision}
		}
		of := newest[key]
		of.ids = append(of.ids, id)
		newest[key] = of
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return found
}

// equal holds what DuckDB reads of a folder against the streams, cell by cell, and the folders'
// names against the rows.
func (e *export) equal(t *testing.T, dir string, all bool) {
	t.Helper()
	for k, windows := range e.stored(t, all) {
		want := map[string]map[string]any{}
		for _, rows := range windows {
			for id, cells := range rows {
				want[id] = cells
			}
		}
		got := e.read(t, dir, k)
		if len(got) != len(want) {
			t.Errorf("%s: %d rows, want %d", k, len(got), len(want))
		}
		for _, row := range got {
			id := row["row_id"].(string)
			place := filepath.Join(dir, row["tenant"].(string), row["kind"].(string), "2026-11-01", row["window"].(string)) + "."
			if name := row["filename"].(string); !strings.HasPrefix(name, place) {
				t.Errorf("%s is in %s", id, name)
			}
			delete(row, "filename")
			if diff := cmp.Diff(want[id], row); diff != "" {
				t.Fatalf("%s (-row +read):\n%s", id, diff)
			}
			delete(want, id) // a second one equals nothing
		}
	}
}
