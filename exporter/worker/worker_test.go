package worker

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/prometheus/client_golang/prometheus"

	"aiccbridge/exporter/archive"
	"aiccbridge/exporter/internal/exportertest"
	"aiccbridge/internal/ccfs"
	"aiccbridge/schemas"
)

func reasonOf(err error) schemas.Reason {
	var p *schemas.Permanent
	if errors.As(err, &p) {
		return p.Reason
	}
	return ""
}

func TestExport(t *testing.T) {
	s := newShop(t)
	file := exportertest.ZipOf(t, exportertest.CSVMember(exportertest.CallHeader+exportertest.CallRows(0, 2500)))
	f := s.ready(1, file)
	exportertest.Check(t, s.export(f, 1))
	rows, markers := s.stored()
	if err := once(rows); err != nil || len(rows) != 2500 || len(markers) != 1 {
		t.Fatalf("%d rows, %d markers, %v", len(rows), len(markers), err)
	}
	m := marker(t, markers[0])
	if m.Rows != 2500 || m.Added != 2500 || m.Revised != 0 || m.ResponseID != exportertest.ResponseID(1) || len(m.SHA256) != 64 || m.RequestedAt.IsZero() {
		t.Errorf("marker is %+v", m)
	}
	if markers[0].Sequence < rows[len(rows)-1].Sequence {
		t.Error("the marker is not last")
	}
	if e := exportertest.Entry(t, s.ledger, exportertest.Hour(0)); e.State != schemas.WindowCompleted || e.Rows != 2500 || !e.DueAt.IsZero() || e.Attempts != 0 {
		t.Errorf("the window is %+v", e)
	}
	if s.rows.Batches != 3 {
		t.Errorf("%d batches, want 3", s.rows.Batches)
	}
	checkDownloads(t, s)
	// The same file again: nothing new, not even a download.
	exportertest.Check(t, s.export(f, 2))
	if again, _ := s.stored(); len(again) != 2500 || len(s.fetched) != 1 {
		t.Errorf("%d rows after %d downloads", len(again), len(s.fetched))
	}
}

// checkDownloads reports files left in the downloads folder.
func checkDownloads(t *testing.T, s *shop, want ...string) {
	t.Helper()
	files, err := os.ReadDir(s.options.DownloadDir)
	exportertest.Check(t, err)
	var have []string
	for _, f := range files {
		have = append(have, f.Name())
	}
	if diff := cmp.Diff(want, have); diff != "" {
		t.Errorf("downloads folder: %s", diff)
	}
}

// crashAndResume exports a file of late and changed rows, breaks off at batch
// number k, and exports it again with a new worker.
func crashAndResume(t *testing.T, k int, crash func(s *shop, k int) (repair func())) error {
	s := newShop(t)
	exportertest.Check(t, s.export(s.ready(1, exportertest.ZipOf(t, exportertest.CSVMember(exportertest.CallHeader+exportertest.CallRows(0, 500)))), 1))
	s.rows.Batches = 0
	late := exportertest.CallHeader + exportertest.CallRow(7, 90) + exportertest.CallRow(8, 90) + exportertest.CallRows(9, 2600)
	f := s.ready(2, exportertest.ZipOf(t, exportertest.CSVMember(late)))
	repair := crash(s, k)
	if err := s.export(f, 1); err == nil || reasonOf(err) != "" {
		return fmt.Errorf("the export did not break off: %v", err)
	}
	repair()
	s.restart()
	if err := s.export(f, 2); err != nil {
		return err
	}
	rows, markers := s.stored()
	if err := once(rows); err != nil {
		return err
	}
	if len(rows) != 2602 || len(markers) != 2 || markers[1].Sequence < rows[len(rows)-1].Sequence {
		return fmt.Errorf("%d rows, %d markers", len(rows), len(markers))
	}
	m := marker(t, markers[1])
	if m.Rows != 2593 || m.Added != 2102 || m.Revised != 2 {
		return fmt.Errorf("marker counts %d rows, %d added, %d revised", m.Rows, m.Added, m.Revised)
	}
	if e := exportertest.Entry(t, s.ledger, exportertest.Hour(0)); e.State != schemas.WindowCompleted || e.Rows != 2602 {
		return fmt.Errorf("the window is %s with %d rows", e.State, e.Rows)
	}
	if len(s.fetched) != 2 {
		return fmt.Errorf("%d downloads: the downloaded file was not used", len(s.fetched))
	}
	return nil
}

func refuseBatch(s *shop, k int) func() {
	s.rows.Before = func(n int) error {
		if n == k {
			return exportertest.ErrBus
		}
		return nil
	}
	return func() { s.rows.Before = nil }
}

func loseAnswer(s *shop, k int) func() {
	s.rows.After = func(n int) error {
		if n == k {
			return exportertest.ErrBus
		}
		return nil
	}
	return func() { s.rows.After = nil }
}

func TestCrashAfterBatches(t *testing.T) {
	t.Parallel()
	for k := 1; k <= 3; k++ {
		for name, crash := range map[string]func(*shop, int) func(){"refused": refuseBatch, "answer lost": loseAnswer} {
			if err := crashAndResume(t, k, crash); err != nil {
				t.Errorf("batch %d %s: %v", k, name, err)
			}
		}
	}
	noLedger := func(s *shop, _ int) func() {
		s.bucket.Intercept(func(op, _ string) error {
			if op == "swap" {
				return exportertest.ErrBus
			}
			return nil
		})
		return func() { s.bucket.Intercept(nil) }
	}
	if err := crashAndResume(t, 0, noLedger); err != nil {
		t.Errorf("between the marker and the ledger: %v", err)
	}
}

func TestStopDuringExport(t *testing.T) {
	t.Parallel()
	s := newShop(t)
	f := s.ready(1, exportertest.ZipOf(t, exportertest.CSVMember(exportertest.CallRows(0, 2500))))
	for stop := int64(1); ; stop += 1 + stop/3 {
		ctx, cancel := context.WithCancel(t.Context())
		left := stop // calls of progress until the end
		err := s.worker.export(ctx, f, 1, func() {
			if left--; left == 0 {
				cancel()
			}
		})
		cancel()
		if reasonOf(err) != "" {
			t.Fatalf("stopped at step %d: %v", stop, err)
		}
		s.restart()
		if err == nil {
			break
		}
	}
	rows, markers := s.stored()
	if err := once(rows); err != nil || len(rows) != 2500 || len(markers) != 1 {
		t.Errorf("%d rows, %d markers, %v", len(rows), len(markers), err)
	}
}

// race lets two workers work on one file. Both begin before
// either has stored a batch.
func race(t *testing.T, rows int, unfenced bool) error {
	s := newShop(t)
	s.rows.Unfenced = unfenced
	f := s.ready(1, exportertest.ZipOf(t, exportertest.CSVMember(exportertest.CallRows(0, rows))))
	var both, all sync.WaitGroup
	both.Add(2)
	s.rows.Before = func(n int) error {
		if n <= 2 {
			both.Done()
			both.Wait()
		}
		return nil
	}
	for range 2 {
		w := s.restart()
		all.Go(func() {
			for attempt := 1; attempt < 100; attempt++ {
				if w.export(t.Context(), f, attempt, func() {}) == nil {
					return
				}
			}
			t.Error("a worker never came to an end")
		})
	}
	all.Wait()
	stored, markers := s.stored()
	if len(stored) != rows || len(markers) != 1 {
		return fmt.Errorf("%d rows and %d markers", len(stored), len(markers))
	}
	return once(stored)
}

// TestF23TwoWorkersOneFile: the file came to a second worker while the first was
// at it. Each row is stored once, whoever wins.
func TestF23TwoWorkersOneFile(t *testing.T) {
	t.Parallel()
	if err := race(t, 20000, false); err != nil {
		t.Error(err)
	}
	if race(t, 3000, true) == nil {
		t.Error("rows whose sequence is not looked at pass the check")
	}
	t.Attr("figure", "20000 rows by two workers, 0 duplicated")
	t.Attr("duplicated", "0")
}

// TestF27ExtractAgain extracts one window again and again, with late rows, and
// with one row changed, changed back, and changed back once more.
func TestF27ExtractAgain(t *testing.T) {
	s := newShop(t)
	exports := []struct {
		text                        string
		rows, added, revised, total int
	}{
		{exportertest.CallRows(0, 1000), 1000, 1000, 0, 1000},
		{exportertest.CallRows(0, 5) + exportertest.CallRow(5, 99) + exportertest.CallRows(6, 1003), 1003, 4, 1, 1004},
		{exportertest.CallRows(0, 5) + exportertest.CallRow(5, 111) + exportertest.CallRows(6, 1004), 1004, 2, 1, 1006},
		{exportertest.CallHeader + exportertest.CallRows(6, 1004), 998, 0, 0, 1006},
		{exportertest.CallRows(0, 5) + exportertest.CallRow(5, 99) + exportertest.CallRows(6, 1004), 1004, 1, 1, 1007},
		{exportertest.CallRows(0, 1004), 1004, 1, 1, 1008},
		{exportertest.CallRows(0, 1004), 1004, 0, 0, 1008},
	}
	for i, x := range exports {
		exportertest.Check(t, s.export(s.ready(i+1, exportertest.ZipOf(t, exportertest.CSVMember(x.text))), 1))
		rows, markers := s.stored()
		m := marker(t, markers[len(markers)-1])
		if m.Rows != x.rows || m.Added != x.added || m.Revised != x.revised || len(rows) != x.total || len(markers) != i+1 {
			t.Errorf("extract %d: %d rows in the stream, marker %d rows, %d added, %d revised", i+1, len(rows), m.Rows, m.Added, m.Revised)
		}
		if err := once(rows); err != nil {
			t.Errorf("extract %d: %v", i+1, err)
		}
		if e := exportertest.Entry(t, s.ledger, exportertest.Hour(0)); e.Rows != x.total || e.State != schemas.WindowCompleted {
			t.Errorf("extract %d: the window is %s with %d rows", i+1, e.State, e.Rows)
		}
	}
	rows, _ := s.stored()
	versions := map[string][]int{}
	for _, r := range rows {
		versions[r.RowHeader.Key] = append(versions[r.RowHeader.Key], r.RowHeader.Revision)
	}
	changed := rows[slices.IndexFunc(rows, func(r exportertest.Row) bool { return r.RowHeader.Revision == 2 })].RowHeader.Key
	if len(versions) != 1004 || !slices.Equal(versions[changed], []int{1, 2, 3, 4, 5}) {
		t.Errorf("%d keys, the changed row has revisions %v", len(versions), versions[changed])
	}
	t.Attr("figure", fmt.Sprintf("%d extracts of one window, 5 revisions of one row, 0 duplicated", len(exports)))
	t.Attr("duplicated", "0")
}

// TestDamageIsReportedAgain crashes at each step of a rejection: the verdict is
// repeated, and stays the same after it is in the ledger.
func TestDamageIsReportedAgain(t *testing.T) {
	s := newShop(t)
	data := exportertest.ZipOf(t, exportertest.CSVMember(exportertest.CallRows(0, 1000)))
	data[len(data)/2] ^= 1
	f := s.ready(1, data)
	put := exportertest.Failing(1, exportertest.ErrBus)
	s.quarantine.Before = put
	if err := s.export(f, 1); !errors.Is(err, exportertest.ErrBus) || reasonOf(err) != "" {
		t.Fatalf("quarantine is away: %v", err)
	}
	s.bucket.Intercept(func(op, _ string) error {
		if op == "swap" {
			return exportertest.ErrBus
		}
		return nil
	})
	if err := s.export(f, 2); !errors.Is(err, exportertest.ErrBus) || reasonOf(err) != "" {
		t.Fatalf("ledger is away: %v", err)
	}
	s.bucket.Intercept(nil)
	checkDownloads(t, s, exportertest.Acme+"-"+exportertest.ResponseID(1)+".zip")
	for attempt := 3; attempt < 6; attempt++ {
		var p *schemas.Permanent
		if err := s.export(f, attempt); !errors.As(err, &p) || p.Reason != schemas.ReasonDamagedZip || p.Object == "" || p.Err.Error() == "" {
			t.Fatalf("attempt %d: %v", attempt, err)
		}
		s.restart()
	}
	if len(s.fetched) != 1 || len(s.quarantine.Objects) != 1 {
		t.Errorf("%d downloads, %d objects", len(s.fetched), len(s.quarantine.Objects))
	}
	checkDownloads(t, s)
	// The next extract of the window is a sound one.
	exportertest.Check(t, s.export(s.ready(2, exportertest.ZipOf(t, exportertest.CSVMember(exportertest.CallRows(0, 1000)))), 1))
	if e := exportertest.Entry(t, s.ledger, exportertest.Hour(0)); e.State != schemas.WindowCompleted || e.Reason != "" || e.Object != "" {
		t.Errorf("the window is %+v", e)
	}
}

func TestRowWithoutIdentity(t *testing.T) {
	s := newShop(t)
	nameless := strings.Replace(rowTwo, "1767225600-2", "", 1)
	exportertest.Check(t, s.export(s.ready(1, exportertest.ZipOf(t, exportertest.CSVMember(exportertest.CallHeader+rowOne+nameless+rowTwo))), 1))
	letters := s.pub.Of(schemas.TypeDeadLetter)
	if len(letters) != 1 || !strings.HasSuffix(letters[0].Subject, ".row_without_identity") {
		t.Fatalf("dead letters: %v", letters)
	}
	var d schemas.DeadLetter
	exportertest.Unmarshal(t, letters[0].Body, &d)
	if !bytes.Contains(d.Original, []byte("企业")) || !strings.Contains(d.Error, "line 3") {
		t.Errorf("dead letter is %s: %s", d.Error, d.Original)
	}
	_, markers := s.stored()
	if m := marker(t, markers[0]); m.Rows != 2 || m.Rejected != 1 {
		t.Errorf("marker counts %d rows, %d rejected", m.Rows, m.Rejected)
	}
}

func TestUnwantedFiles(t *testing.T) {
	s := newShop(t)
	data := exportertest.ZipOf(t, exportertest.CSVMember(exportertest.CallRows(0, 3)))
	old := s.ready(1, data)
	exportertest.Check(t, s.ledger.Fail(t.Context(), old, &schemas.Permanent{Reason: schemas.ReasonOverdue, Err: exportertest.ErrBus}, exportertest.NewYear))
	unknown := old
	unknown.Window = exportertest.Hour(9)
	exportertest.Check(t, s.export(unknown, 1))
	s.ready(2, data)
	exportertest.Check(t, s.export(old, 1))
	if rows, _ := s.stored(); len(rows) != 0 || len(s.fetched) != 0 {
		t.Errorf("a superseded file brought %d rows", len(rows))
	}
	if e := exportertest.Entry(t, s.ledger, exportertest.Hour(0)); e.State != schemas.WindowReady || e.ResponseID != exportertest.ResponseID(2) {
		t.Errorf("the window is %+v", e)
	}
}

// TestLateFileIsWelcome: a file that took too long, but for which no other was
// asked yet, still completes its window.
func TestLateFileIsWelcome(t *testing.T) {
	s := newShop(t)
	f := s.ready(1, exportertest.ZipOf(t, exportertest.CSVMember(exportertest.CallRows(0, 3))))
	exportertest.Check(t, s.ledger.Fail(t.Context(), f, &schemas.Permanent{Reason: schemas.ReasonOverdue, Err: exportertest.ErrBus}, exportertest.NewYear))
	exportertest.Check(t, s.export(f, 1))
	if e := exportertest.Entry(t, s.ledger, exportertest.Hour(0)); e.State != schemas.WindowCompleted || e.Reason != "" || !e.DueAt.IsZero() {
		t.Errorf("the window is %+v", e)
	}
}

func TestForeignFiles(t *testing.T) {
	s := newShop(t)
	f := s.ready(1, nil)
	other := f
	other.Tenant = "other"
	var pass *schemas.Pass
	if err := s.export(other, 99); !errors.As(err, &pass) {
		t.Errorf("another bridge's tenant: %v, want it left to that bridge", err)
	}
	if err := s.export(other, 1); err == nil || reasonOf(err) != "" || !strings.Contains(err.Error(), "not configured here") {
		t.Errorf("another bridge's tenant: %v", err)
	}
	f.Kind = "voice"
	if err := s.export(f, 1); reasonOf(err) != schemas.ReasonInvalid {
		t.Errorf("invalid message: %v", err)
	}
}

func (r *watchedRows) ReadBack(ctx context.Context, subject string, f func(schemas.RowHeader, uint64)) (uint64, error) {
	r.mark("download and inspection")
	last, err := r.Rows.ReadBack(ctx, subject, f)
	r.mark("read back")
	return last, err
}

func (r *watchedRows) Append(ctx context.Context, m []schemas.Message, last uint64) (uint64, error) {
	r.mark("known rows")
	return r.Rows.Append(ctx, m, last)
}

func TestWorkerOptions(t *testing.T) {
	good := newShop(t).options
	registry := prometheus.NewRegistry()
	good.Registerer = registry
	for name, spoil := range map[string]func(*Options){
		"names":      func(o *Options) { o.Names = schemas.Names{} },
		"ledger":     func(o *Options) { o.Ledger = nil },
		"rows":       func(o *Options) { o.Rows = nil },
		"quarantine": func(o *Options) { o.Quarantine = nil },
		"publisher":  func(o *Options) { o.Publisher = nil },
		"downloads":  func(o *Options) { o.DownloadDir = "" },
		"zone": func(o *Options) {
			o.Tenants = map[string]Tenant{exportertest.Acme: {Download: good.Tenants[exportertest.Acme].Download}}
		},
		"download": func(o *Options) { o.Tenants = map[string]Tenant{exportertest.Acme: {Zone: time.UTC}} },
		"dialect": func(o *Options) {
			o.Tenants = map[string]Tenant{exportertest.Acme: {Zone: time.UTC, Download: good.Tenants[exportertest.Acme].Download, Dialect: archive.Dialect{Charset: "latin-1"}}}
		},
	} {
		o := good
		spoil(&o)
		if _, err := New(o); err == nil {
			t.Errorf("%s: no error", name)
		}
	}
	w, err := New(good)
	exportertest.Check(t, err)
	w.metrics.files.WithLabelValues("cdr", "complete").Inc()
	if families, err := registry.Gather(); err != nil || len(families) != 1 || *families[0].Name != "aicc_files_total" {
		t.Errorf("gathered %v, %v", families, err)
	}
}

// TestHandle: a delivery is the file's message, its attempt and its progress.
func TestHandle(t *testing.T) {
	s := newShop(t)
	s.ready(1, exportertest.ZipOf(t, exportertest.CSVMember(exportertest.CallHeader+exportertest.CallRows(0, 3))))
	ready := s.pub.Of(schemas.TypeFileReady)
	progress := 0
	d := schemas.Delivery{Message: schemas.Stored{Body: ready[0].Body}, Attempt: 1, Progress: func() { progress++ }}
	exportertest.Check(t, s.worker.Handle(t.Context(), d))
	if rows, _ := s.stored(); len(rows) != 3 || progress == 0 {
		t.Errorf("%d rows, progress %d", len(rows), progress)
	}
	for _, body := range []string{"", "rows", `{"tenant":17}`} {
		d.Message.Body = []byte(body)
		if err := s.worker.Handle(t.Context(), d); reasonOf(err) != schemas.ReasonInvalid {
			t.Errorf("%q: %v", body, err)
		}
	}
	s.refuse = func(schemas.FileReady) error { return &ccfs.Error{Class: ccfs.NotThere, Code: "0300011"} }
	f := s.ready(2, nil)
	d.Message.Body = s.pub.Of(schemas.TypeFileReady)[1].Body
	if err := s.worker.Handle(t.Context(), d); err == nil || reasonOf(err) != "" {
		t.Errorf("%s at the first attempt: %v", f.FileName, err)
	}
	d.Attempt = attemptsMissing
	if err := s.worker.Handle(t.Context(), d); reasonOf(err) != schemas.ReasonFileMissing {
		t.Errorf("%s at the last attempt: %v", f.FileName, err)
	}
}

// TestBodiesOfManyBatches: each row's body is its own, although the memory of a batch that is
// stored is used again; batches end by number, and by size in the middle of what fills them.
func TestBodiesOfManyBatches(t *testing.T) {
	s := newShop(t)
	var text strings.Builder
	text.WriteString(exportertest.CallHeader)
	for i := range 5000 {
		row := exportertest.CallRow(i, 60)
		if i > 3000 && i%3 == 0 {
			row = strings.Replace(row, "5550199", fmt.Sprint(i)+strings.Repeat(string(rune('a'+i%26)), 50_000), 1)
		}
		text.WriteString(row)
	}
	member := exportertest.CSVMember(text.String())
	member.Store = true
	exportertest.Check(t, s.export(s.ready(1, exportertest.ZipOf(t, member)), 1))
	stored, _ := s.stored()
	for i, row := range stored {
		var body struct {
			CallID string `json:"call_id"`
			Callee string `json:"callee_no"`
			Row    struct{ ID string }
		}
		exportertest.Unmarshal(t, row.Body, &body)
		callee := "5550199"
		if i > 3000 && i%3 == 0 {
			callee = fmt.Sprint(i) + strings.Repeat(string(rune('a'+i%26)), 50_000)
		}
		if !strings.HasSuffix(body.CallID, fmt.Sprintf("-%d", i)) || body.Row.ID != row.ID || body.Callee != callee {
			t.Fatalf("row %d: call %s, id %s in the body and %s", i, body.CallID, body.Row.ID, row.ID)
		}
	}
	if len(stored) != 5000 || s.rows.Batches < 7 {
		t.Errorf("%d rows in %d batches", len(stored), s.rows.Batches)
	}
}
