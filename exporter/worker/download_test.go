package worker

import (
	"context"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"aiccbridge/exporter/internal/exportertest"
	"aiccbridge/internal/ccfs"
	"aiccbridge/schemas"
)

// TestRefusedDownloads shows after which attempt a refusal is believed.
func TestRefusedDownloads(t *testing.T) {
	tests := []struct {
		name    string
		err     error
		via     schemas.Via
		attempt int            // that ends it; 0: none of ten
		reason  schemas.Reason // "": complete without rows
	}{
		{"no data", exportertest.RefusedWith(ccfs.NotThere, "0300012"), schemas.ViaCallback, 3, ""},
		{"no file", exportertest.RefusedWith(ccfs.NotThere, "0300011"), schemas.ViaCallback, 5, schemas.ReasonFileMissing},
		{"bad parameter", exportertest.RefusedWith(ccfs.Permanent, "0300004"), schemas.ViaCallback, 1, schemas.ReasonRefused},
		{"bad date", exportertest.RefusedWith(ccfs.Permanent, "0300010"), schemas.ViaCallback, 1, schemas.ReasonRefused},
		{"unknown code", &ccfs.Error{Class: ccfs.Again, Code: "0399999", MaxAttempts: 3}, schemas.ViaCallback, 3, schemas.ReasonRefused},
		{"flow control", exportertest.RefusedWith(ccfs.FlowControl, "0300008"), schemas.ViaCallback, 0, ""},
		{"broken off", exportertest.RefusedWith(ccfs.Broken, ""), schemas.ViaCallback, 0, ""},
		{"locked", exportertest.RefusedWith(ccfs.Locked, ""), schemas.ViaCallback, 0, ""},
		{"disk full", exportertest.ErrBus, schemas.ViaCallback, 0, ""},
		{"no file under a predicted name", exportertest.RefusedWith(ccfs.NotThere, "0300011"), schemas.ViaPredicted, 5, schemas.ReasonFileMissing},
		{"no data under a predicted name", exportertest.RefusedWith(ccfs.NotThere, "0300012"), schemas.ViaPredicted, 5, schemas.ReasonFileMissing},
		{"bad date in a predicted name", exportertest.RefusedWith(ccfs.Permanent, "0300010"), schemas.ViaPredicted, 5, schemas.ReasonFileMissing},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			s := newShop(t)
			f := s.ready(1, nil)
			f.Via = tt.via
			s.refuse = func(schemas.FileReady) error { return tt.err }
			ended := 0
			for attempt := 1; attempt <= 10; attempt++ {
				err := s.export(f, attempt)
				if err == nil || reasonOf(err) != "" {
					if ended = attempt; reasonOf(err) != tt.reason {
						t.Errorf("attempt %d: %v", attempt, err)
					}
					break
				}
			}
			checkDownloads(t, s)
			e := exportertest.Entry(t, s.ledger, exportertest.Hour(0))
			rows, markers := s.stored()
			switch complete := tt.attempt > 0 && tt.reason == ""; {
			case ended != tt.attempt:
				t.Errorf("ended at attempt %d, want %d", ended, tt.attempt)
			case complete && (e.State != schemas.WindowCompleted || len(rows) != 0 || len(markers) != 1 || marker(t, markers[0]).Rows != 0):
				t.Errorf("window is %s with %d rows, %d markers", e.State, len(rows), len(markers))
			case tt.reason != "" && (e.State != schemas.WindowFailed || e.Reason != tt.reason || e.DueAt.IsZero()):
				t.Errorf("window is %+v", e)
			case tt.attempt == 0 && e.State != schemas.WindowReady:
				t.Errorf("window is %s", e.State)
			}
		})
	}
}

// TestVerdictNeedsTheLedger: a refusal that the ledger does not know yet must be
// delivered again.
func TestVerdictNeedsTheLedger(t *testing.T) {
	s := newShop(t)
	f := s.ready(1, nil)
	s.refuse = func(schemas.FileReady) error { return exportertest.RefusedWith(ccfs.Permanent, "0300004") }
	s.bucket.Intercept(func(op, _ string) error {
		if op == "swap" {
			return exportertest.ErrBus
		}
		return nil
	})
	if err := s.export(f, 1); err == nil || reasonOf(err) != "" {
		t.Errorf("export: %v", err)
	}
	s.bucket.Intercept(nil)
	if err := s.export(f, 2); reasonOf(err) != schemas.ReasonRefused {
		t.Errorf("export: %v", err)
	}
}

func TestPredictedNameTriesNeighbours(t *testing.T) {
	s := newShop(t)
	f := s.ready(1, exportertest.ZipOf(t, exportertest.CSVMember(exportertest.CallRows(0, 3))))
	f.Via = schemas.ViaPredicted
	suffix := "_" + exportertest.ResponseID(1) + ".zip"
	s.refuse = func(f schemas.FileReady) error {
		if f.FileName != "20260102"+suffix {
			return exportertest.RefusedWith(ccfs.NotThere, "0300011")
		}
		return nil
	}
	for attempt := 1; s.export(f, attempt) != nil && attempt < 9; attempt++ {
	}
	if diff := cmp.Diff([]string{"20260101" + suffix, "20251231" + suffix, "20260102" + suffix}, s.fetched); diff != "" {
		t.Error(diff)
	}
	if rows, markers := s.stored(); len(rows) != 3 || len(markers) != 1 {
		t.Errorf("%d rows, %d markers", len(rows), len(markers))
	}
}

// TestF16CutDownload: a download that breaks off brings no rows, and the next try
// brings them all.
func TestF16CutDownload(t *testing.T) {
	partial := 0
	data := exportertest.ZipOf(t, exportertest.CSVMember(exportertest.CallRows(0, 500)))
	for percent := 0; percent < 100; percent += 10 {
		s := newShop(t)
		f := s.ready(1, data[:len(data)*percent/100])
		tenant := s.options.Tenants[exportertest.Acme]
		download, cut := tenant.Download, true
		tenant.Download = func(ctx context.Context, f schemas.FileReady, w io.Writer) (int64, error) {
			n, err := download(ctx, f, w)
			if cut {
				err = exportertest.RefusedWith(ccfs.Broken, "")
			}
			return n, err
		}
		s.options.Tenants = map[string]Tenant{exportertest.Acme: tenant}
		s.restart()
		if err := s.export(f, 1); err == nil || reasonOf(err) != "" {
			t.Errorf("cut at %d %%: %v", percent, err)
		}
		checkDownloads(t, s)
		if rows, _ := s.stored(); len(rows) != 0 {
			t.Errorf("cut at %d %%: %d rows", percent, len(rows))
			partial++
		}
		cut = false
		s.files[exportertest.ResponseID(1)] = data
		exportertest.Check(t, s.export(f, 2))
		if rows, _ := s.stored(); len(rows) != 500 {
			t.Errorf("%d rows after the second attempt", len(rows))
		}
	}
	t.Attr("figure", fmt.Sprintf("%d partial of 10 cut downloads", partial))
	t.Attr("tries", "10")
}

func TestTidy(t *testing.T) {
	s := newShop(t)
	now := time.Now()
	for name, age := range map[string]time.Duration{
		"a.part": 0, "b.part": 30 * 24 * time.Hour, "c.zip": 0, "d.zip": 8 * 24 * time.Hour, "e.txt": 30 * 24 * time.Hour, "f.run": 0,
	} {
		path := filepath.Join(s.options.DownloadDir, name)
		exportertest.Check(t, os.WriteFile(path, nil, 0o600))
		exportertest.Check(t, os.Chtimes(path, now.Add(-age), now.Add(-age)))
	}
	exportertest.Check(t, os.Mkdir(filepath.Join(s.options.DownloadDir, "dir.part"), 0o700))
	exportertest.Check(t, s.worker.Tidy(now))
	checkDownloads(t, s, "c.zip", "dir.part", "e.txt")
	s.options.DownloadDir = filepath.Join(s.options.DownloadDir, "none")
	exportertest.Check(t, s.restart().Tidy(now))
}

// TestProgress: every phase that may be long calls progress, or the bus would
// hand the file to somebody else.
// watchedRows marks the steps of an export.
func TestProgress(t *testing.T) {
	t.Parallel()
	s := newShop(t)
	text := exportertest.CallRows(0, 5000)
	exportertest.Check(t, s.export(s.ready(1, exportertest.ZipOf(t, exportertest.CSVMember(text))), 1))
	s.progress.Store(0)
	steps := map[string]int64{}
	mark := func(step string) { steps[step] = s.progress.Swap(0) }
	s.refuse = func(schemas.FileReady) error { mark("before"); return nil }
	s.options.Rows = &watchedRows{s.rows, mark}
	s.restart()
	exportertest.Check(t, s.export(s.ready(2, exportertest.ZipOf(t, exportertest.CSVMember(text))), 1)) // all rows are known
	for step, least := range map[string]int64{"download and inspection": 5, "read back": 5000, "known rows": 5} {
		if steps[step] < least {
			t.Errorf("%s: %d calls of progress, want %d", step, steps[step], least)
		}
	}
	data := exportertest.ZipOf(t, exportertest.CSVMember(text))
	data[len(data)/2] ^= 1
	s.quarantine.Before = func() error { mark("damage"); return nil }
	if err := s.export(s.ready(3, data), 1); reasonOf(err) != schemas.ReasonDamagedZip {
		t.Error(err)
	}
	if mark("quarantine"); steps["quarantine"] == 0 {
		t.Error("no progress while the file goes into quarantine")
	}
}

type watchedRows struct {
	Rows
	mark func(step string)
}
