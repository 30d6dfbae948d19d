package worker

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"

	"aiccbridge/exporter/internal/exportertest"
	"aiccbridge/exporter/spill"
	"aiccbridge/schemas"
	"aiccbridge/schemas/rows"
)

// plainRows is what windowRows is, with maps: what it says is right.
type plainRows struct {
	count   int
	rows    map[string]storedRow // by id, without what [rows.Identity.Again] adds
	keys    map[string]plainNewest
	current map[string]bool   // keys whose newest revision is in this file
	passed  map[string]string // rows of this file that a revision has replaced: id → key
}

type plainNewest struct {
	revision int
	content  string
}

func hashOf(id string) string { return id[:32] }

func readPlain(stream []schemas.RowHeader, extract string) *plainRows {
	s := &plainRows{rows: map[string]storedRow{}, keys: map[string]plainNewest{}, current: map[string]bool{}, passed: map[string]string{}}
	for _, h := range stream {
		ours := h.Extract == extract
		s.count++
		s.rows[rows.BaseID(h.ID)] = storedRow{h.Revision, ours, h.Rest}
		if !ours && h.Revision >= s.keys[h.Key].revision {
			s.keys[h.Key] = plainNewest{h.Revision, hashOf(h.ID)}
		}
	}
	return s
}

func (s *plainRows) add(id rows.Identity, same func(rest string) bool) standing {
	row, known := s.rows[id.ID]
	last := s.keys[id.Key]
	switch {
	case !known:
		return s.bring(id, id)
	case row.ours:
		return standing{id, row.revision, false, true}
	case row.revision < last.revision && hashOf(id.ID) != last.content:
		s.passed[id.ID] = id.Key
	case !same(row.rest):
		s.current[id.Key] = true
		return s.bring(id, id.Again(last.revision+1))
	case row.revision == last.revision && last.revision > 1:
		s.current[id.Key] = true
	}
	return standing{id, row.revision, false, false}
}

func (s *plainRows) bring(id, as rows.Identity) standing {
	revision := s.keys[id.Key].revision + 1
	s.rows[id.ID] = storedRow{revision: revision, ours: true}
	s.count++
	return standing{as, revision, true, true}
}

// reverted are the ids of the rows that are again what they were, and their revisions.
func (s *plainRows) reverted() map[string]int {
	back := map[string]int{}
	for id, key := range s.passed {
		if !s.current[key] {
			back[id] = s.keys[key].revision + 1
			s.count++
		}
	}
	return back
}

// heldRows is a stream of which only headers are wanted.
type heldRows struct {
	Rows
	headers []schemas.RowHeader
}

func (h *heldRows) ReadBack(_ context.Context, _ string, f func(schemas.RowHeader, uint64)) (uint64, error) {
	for i, header := range h.headers {
		f(header, uint64(i+1))
	}
	return uint64(len(h.headers)), nil
}

func hexDigest(what ...any) string {
	sum := sha256.Sum256(fmt.Append(nil, what...))
	return hex.EncodeToString(sum[:16])
}

// modelFile is a file of few rows that share natural keys by twos and threes.
type modelFile struct {
	ids   []rows.Identity
	rests []string
}

func drawFile(t *rapid.T) (f modelFile) {
	counts := map[int]int{}
	contents := rapid.SliceOfN(rapid.IntRange(0, 12), 0, 20).Draw(t, "contents")
	for _, c := range contents {
		counts[c]++
		hash := hexDigest("content", c)
		f.ids = append(f.ids, rows.Identity{ID: fmt.Sprintf("%s-%d", hash, counts[c]), Key: hexDigest("key", c/3), Ordinal: counts[c]})
		f.rests = append(f.rests, rapid.SampledFrom([]string{"", "29-00000001", "29-00000002", "@UTC", "29-00000001@UTC"}).Draw(t, "rest"))
	}
	return f
}

// TestWindowRowsAreAsBefore: with so little memory that all is on disk, rows of one extract
// after the other stand as they do when all is in maps. Extracts break off anywhere and are
// begun again, and rows are lost from the stream.
func TestWindowRowsAreAsBefore(t *testing.T) {
	stream := &heldRows{}
	w := &Worker{o: Options{Names: exportertest.Names(t), Rows: stream, DownloadDir: t.TempDir()}}
	rapid.Check(t, func(t *rapid.T) {
		stream.headers = nil
		w.o.Memory = rapid.SampledFrom([]int64{0, 64 << 10, 64 << 20}).Draw(t, "memory")
		for extract := range rapid.IntRange(1, 6).Draw(t, "extracts") {
			x := &export{w: w, progress: func() {}, file: schemas.FileReady{Tenant: exportertest.Acme, Window: exportertest.Hour(0), ResponseID: exportertest.ResponseID(extract + 1)}}
			file := drawFile(t)
			for tries := rapid.IntRange(1, 2).Draw(t, "tries"); tries > 0; tries-- {
				brought, err := x.modelExtract(stream.headers, file)
				if err != nil {
					t.Fatal(err)
				}
				if tries > 1 {
					brought = brought[:rapid.IntRange(0, len(brought)).Draw(t, "broken off after")]
				}
				stream.headers = append(stream.headers, brought...)
			}
			if n := len(stream.headers); n > 0 && rapid.IntRange(0, 3).Draw(t, "lost") == 0 {
				at := rapid.IntRange(0, n-1).Draw(t, "which")
				stream.headers = slices.Delete(slices.Clone(stream.headers), at, at+1)
			}
		}
		if left, err := os.ReadDir(w.o.DownloadDir); err != nil || len(left) > 0 {
			t.Fatalf("%d files are left: %v", len(left), err)
		}
	})
}

// modelExtract has a file's rows judged by both, and returns what is brought. The error
// says where they differ.
func (x *export) modelExtract(stream []schemas.RowHeader, f modelFile) (brought []schemas.RowHeader, err error) {
	want := readPlain(stream, x.file.ResponseID)
	got, err := x.readBack(context.Background(), schemas.KindCDR)
	if err != nil {
		return nil, err
	}
	bring := func(as rows.Identity, key, rest string, revision int) {
		brought = append(brought, schemas.RowHeader{ID: as.ID, Key: key, Rest: rest, Extract: x.file.ResponseID, Type: schemas.TypeRow + "cdr", Revision: revision})
	}
	for i, id := range f.ids {
		same := func(rest string) bool { return rest == f.rests[i] }
		a, err := got.add(id, same)
		if b := want.add(id, same); err != nil || a != b {
			return nil, fmt.Errorf("row %d stands %+v, want %+v: %v", i, a, b, err)
		}
		if a.fresh {
			bring(a.id, id.Key, f.rests[i], a.revision)
		}
	}
	back := want.reverted()
	if got.reverts() != (len(back) > 0) {
		return nil, fmt.Errorf("reverts is %t with %d rows", got.reverts(), len(back))
	}
	for i, id := range f.ids {
		revision, is, err := got.reverted(id)
		if err != nil || revision != back[id.ID] || is != (back[id.ID] > 0) {
			return nil, fmt.Errorf("row %d is back %t as %d, want %d: %v", i, is, revision, back[id.ID], err)
		}
		if is {
			bring(id.Again(revision), id.Key, f.rests[i], revision)
		}
	}
	if got.count != want.count {
		return nil, fmt.Errorf("the window has %d rows, want %d", got.count, want.count)
	}
	return brought, got.close()
}

// TestRowsOnDisk: a worker with too little memory for any row publishes what others do, and
// again nothing when the window comes again. While it works, what it has on disk is nobody
// else's to read, and holds no text of the rows.
func TestRowsOnDisk(t *testing.T) {
	s := newShop(t)
	s.options.Memory = 1
	w := s.restart()
	s.rows.Before = func(n int) error {
		if n > 1 {
			return nil
		}
		files, err := filepath.Glob(filepath.Join(w.o.DownloadDir, "*"+spill.Ext))
		if err != nil || len(files) == 0 {
			return fmt.Errorf("%d files: %w", len(files), err)
		}
		looked := 0
		for _, name := range files {
			info, err := os.Stat(name)
			if errors.Is(err, fs.ErrNotExist) { // merged into another meanwhile
				continue
			}
			if looked++; err != nil || info.Mode() != 0o600 {
				t.Errorf("%s: %+v, %v", name, info, err)
			}
		}
		if looked == 0 {
			t.Error("no file was there to look at")
		}
		return nil
	}
	text := exportertest.CallHeader + exportertest.CallRows(0, 1200)
	changed := exportertest.CallHeader + exportertest.CallRow(3, 61) + exportertest.CallRow(3, 61) + exportertest.CallRows(4, 1200)
	for i, tt := range []struct {
		text           string
		added, revised int
	}{{text, 1200, 0}, {text, 0, 0}, {changed, 2, 2}, {text, 1, 1}} {
		exportertest.Check(t, s.export(s.ready(i+1, exportertest.ZipOf(t, exportertest.CSVMember(tt.text))), 1))
		_, markers := s.stored()
		if m := marker(t, markers[i]); m.Added != tt.added || m.Revised != tt.revised {
			t.Errorf("extract %d: %+v", i, m)
		}
		checkDownloads(t, s)
	}
}

// TestNoRoomOnDisk: when the disk takes nothing, a file whose rows need room there is tried
// again; it is not given up, and no row is lost or doubled. What was there is tidied up.
func TestNoRoomOnDisk(t *testing.T) {
	s := newShop(t)
	s.options.Memory = 1
	dir, away := s.restart().o.DownloadDir, filepath.Join(t.TempDir(), "away")
	f := s.ready(1, exportertest.ZipOf(t, exportertest.CSVMember(exportertest.CallRows(0, 1200))))
	s.rows.After = func(n int) error {
		if n == 1 {
			return os.Rename(dir, away)
		}
		return nil
	}
	if err := s.export(f, 1); err == nil || reasonOf(err) != "" {
		t.Fatalf("without room on disk: %v", err)
	}
	exportertest.Check(t, os.Rename(away, dir))
	exportertest.Check(t, s.restart().Tidy(time.Now()))
	checkDownloads(t, s, exportertest.Acme+"-"+f.ResponseID+wholeExt)
	exportertest.Check(t, s.export(f, 2))
	rows, markers := s.stored()
	if err := once(rows); err != nil || len(rows) != 1200 || len(markers) != 1 {
		t.Errorf("%d rows, %d markers, %v", len(rows), len(markers), err)
	}
	checkDownloads(t, s)
}
