package worker

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"maps"
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
	keys    map[string]int       // revisions of earlier extracts
	changed map[string]bool      // keys
}

func readPlain(stream []schemas.RowHeader, extract string) *plainRows {
	s := &plainRows{rows: map[string]storedRow{}, keys: map[string]int{}, changed: map[string]bool{}}
	for _, h := range stream {
		ours := h.Extract == extract
		s.count++
		s.rows[rows.BaseID(h.ID)] = storedRow{h.Revision, ours, h.Rest}
		if !ours {
			s.keys[h.Key] = max(s.keys[h.Key], h.Revision)
		}
	}
	return s
}

func (s *plainRows) add(id rows.Identity, same func(rest string) bool) standing {
	row, known := s.rows[id.ID]
	switch {
	case !known:
		return s.bring(id, id)
	case row.ours:
		s.changed[id.Key] = s.changed[id.Key] || row.revision > 1
		return standing{id, row.revision, false, true}
	case row.revision < s.keys[id.Key] || !same(row.rest):
		return s.bring(id, id.Again(s.keys[id.Key]+1))
	}
	return standing{id, row.revision, false, false}
}

func (s *plainRows) bring(id, as rows.Identity) standing {
	revision := s.keys[id.Key] + 1
	s.changed[id.Key] = s.changed[id.Key] || revision > 1
	s.rows[id.ID] = storedRow{revision: revision, ours: true}
	s.count++
	return standing{as, revision, true, true}
}

// sibling is the revision as which a row goes along; 0: it does not.
func (s *plainRows) sibling(id rows.Identity) int {
	if s.rows[id.ID].ours || !s.changed[id.Key] {
		return 0
	}
	s.count++
	return s.keys[id.Key] + 1
}

// wholeRevisions holds what an extract left in the stream against its file: of each natural
// key the rows of the highest revision are those of the file, but for some that a file without
// any change does not have any more.
func wholeRevisions(stream []schemas.RowHeader, extract string, f modelFile) error {
	newest, brought, has := map[string]int{}, map[string]bool{}, map[string]bool{}
	for _, h := range stream {
		newest[h.Key] = max(newest[h.Key], h.Revision)
		brought[h.Key] = brought[h.Key] || h.Extract == extract
	}
	left := map[string]bool{}
	for i, id := range f.ids {
		left[id.ID+" "+f.rests[i]] = true
		has[id.Key] = true
	}
	for _, h := range stream {
		if h.Revision != newest[h.Key] || !has[h.Key] {
			continue
		}
		row := rows.BaseID(h.ID) + " " + h.Rest
		if !left[row] && brought[h.Key] {
			return fmt.Errorf("revision %d has %s, which is not in the file", h.Revision, row)
		}
		delete(left, row)
	}
	if len(left) > 0 {
		return fmt.Errorf("no newest revision has %v", slices.Sorted(maps.Keys(left)))
	}
	return nil
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
			if err := wholeRevisions(stream.headers, x.file.ResponseID, file); err != nil {
				t.Fatal(err)
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
		if a.ours && a.revision > 1 {
			if err := got.change(id); err != nil {
				return nil, err
			}
		}
	}
	for i, id := range f.ids {
		revision, is, err := got.sibling(id, func(rest string) bool { return rest == f.rests[i] })
		if b := want.sibling(id); err != nil || is != (b > 0) || is && revision != b {
			return nil, fmt.Errorf("row %d goes along %t as %d, want %d: %v", i, is, revision, b, err)
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
