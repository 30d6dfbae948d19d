package worker

import (
	"bytes"
	"errors"
	"fmt"
	"testing"

	"aiccbridge/exporter/archive"
	"aiccbridge/exporter/internal/exportertest"
	"aiccbridge/schemas"
)

// TestF14DamagedFiles exports every damaged file: the right reason, the bytes in
// quarantine, the window failed and due again, no row.
func TestF14DamagedFiles(t *testing.T) {
	t.Parallel()
	files := exportertest.DamagedFiles(t)
	named := 0
	for name, tt := range files {
		t.Run(name, func(t *testing.T) {
			s := newShop(t)
			s.options.Limits = archive.Limits{MaxUnpackedBytes: 512 << 10}
			s.restart()
			f := s.ready(1, tt.Data)
			err := s.export(f, 1)
			var p *schemas.Permanent
			if !errors.As(err, &p) || p.Reason != tt.Reason {
				t.Fatalf("export: %v, want %s", err, tt.Reason)
			}
			if rows, markers := s.stored(); len(rows)+len(markers) > 0 {
				t.Errorf("%d rows and %d markers went out", len(rows), len(markers))
			}
			if kept := s.quarantine.Objects[exportertest.Acme+"/"+f.FileName]; !bytes.Equal(kept, tt.Data) || p.Object != "AICC_QUARANTINE/"+exportertest.Acme+"/"+f.FileName {
				t.Errorf("%d of %d bytes are in quarantine as %s", len(kept), len(tt.Data), p.Object)
			}
			if e := exportertest.Entry(t, s.ledger, exportertest.Hour(0)); e.State != schemas.WindowFailed || e.Reason != tt.Reason || e.Object != p.Object || e.DueAt.IsZero() {
				t.Errorf("the window is %+v", e)
			}
			named++
		})
	}
	t.Attr("figure", fmt.Sprintf("%d/%d named, 0 rows", named, len(files)))
	t.Attr("tries", fmt.Sprint(len(files)))
}

func TestEmptyZipIsSound(t *testing.T) {
	s := newShop(t)
	exportertest.Check(t, s.export(s.ready(1, exportertest.ZipOf(t)), 1))
	rows, markers := s.stored()
	if len(rows) != 0 || len(markers) != 1 || marker(t, markers[0]).Rows != 0 {
		t.Errorf("%d rows and %d markers", len(rows), len(markers))
	}
}
