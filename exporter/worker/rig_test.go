package worker

import (
	"context"
	"fmt"
	"io"
	"sync"
	"sync/atomic"
	"testing"

	"aiccbridge/exporter/archive"
	"aiccbridge/exporter/internal/exportertest"
	"aiccbridge/exporter/ledger"
	"aiccbridge/schemas"
)

// shop is a worker with everything around it in memory.
type shop struct {
	t          *testing.T
	bucket     *exportertest.Bucket
	pub        *exportertest.Publisher
	rows       *exportertest.Rows
	quarantine *exportertest.Quarantine
	ledger     *ledger.Ledger
	worker     *Worker
	options    Options

	mu       sync.Mutex
	files    map[string][]byte // by response id
	fetched  []string          // names asked for
	refuse   func(f schemas.FileReady) error
	progress atomic.Int64
}

func newShop(t *testing.T) *shop {
	s := &shop{
		t: t, bucket: exportertest.NewBucket(), pub: &exportertest.Publisher{}, rows: &exportertest.Rows{}, quarantine: &exportertest.Quarantine{},
		files: map[string][]byte{},
	}
	var err error
	s.ledger, err = ledger.New(ledger.Options{Names: exportertest.Names(t), Bucket: s.bucket, Publisher: s.pub})
	exportertest.Check(t, err)
	exportertest.Start(t, s.ledger.Run)
	exportertest.Check(t, s.ledger.Await(t.Context()))
	s.options = Options{
		Names: exportertest.Names(t), Ledger: s.ledger, Rows: s.rows, Quarantine: s.quarantine, Publisher: s.pub, Statements: s.pub, DownloadDir: t.TempDir(),
		Tenants: map[string]Tenant{exportertest.Acme: {Zone: exportertest.Location(t, "Asia/Shanghai"), Download: s.download}},
	}
	s.restart()
	return s
}

// restart makes a new worker, as a new process does.
func (s *shop) restart() *Worker {
	s.t.Helper()
	w, err := New(s.options)
	exportertest.Check(s.t, err)
	s.worker = w
	return w
}

func (s *shop) dialect(d archive.Dialect) {
	tenant := s.options.Tenants[exportertest.Acme]
	tenant.Dialect = d
	s.options.Tenants = map[string]Tenant{exportertest.Acme: tenant}
	s.restart()
}

func (s *shop) download(ctx context.Context, f schemas.FileReady, w io.Writer) (int64, error) {
	s.mu.Lock()
	s.fetched = append(s.fetched, f.FileName)
	refuse, data := s.refuse, s.files[f.ResponseID]
	s.mu.Unlock()
	if refuse != nil {
		if err := refuse(f); err != nil {
			return 0, err
		}
	}
	n, err := w.Write(data)
	return int64(n), err
}

// ready makes a file ready whose download is data.
func (s *shop) ready(id int, data []byte) schemas.FileReady {
	s.t.Helper()
	exportertest.Request(s.t, s.ledger, exportertest.Hour(0), id)
	exportertest.Check(s.t, s.ledger.Accept(s.t.Context(), exportertest.Notice(id)))
	s.mu.Lock()
	s.files[exportertest.ResponseID(id)] = data
	s.mu.Unlock()
	ready := s.pub.Of(schemas.TypeFileReady)
	var f schemas.FileReady
	exportertest.Unmarshal(s.t, ready[len(ready)-1].Body, &f)
	return f
}

func (s *shop) export(f schemas.FileReady, attempt int) error {
	return s.worker.export(s.t.Context(), f, attempt, func() { s.progress.Add(1) })
}

// stored returns the rows and markers of the first hour's calls.
func (s *shop) stored() (rows, markers []exportertest.Row) {
	return s.rows.On(exportertest.Names(s.t).Row(exportertest.Acme, schemas.KindCDR, exportertest.Hour(0)))
}

func marker(t testing.TB, row exportertest.Row) schemas.WindowComplete {
	t.Helper()
	var m schemas.WindowComplete
	exportertest.Unmarshal(t, row.Body, &m)
	return m
}

// once reports rows that are in the stream twice.
func once(rows []exportertest.Row) error {
	seen := map[string]bool{}
	for _, r := range rows {
		if seen[r.ID] {
			return fmt.Errorf("row %s is there twice", r.ID)
		}
		seen[r.ID] = true
	}
	return nil
}
