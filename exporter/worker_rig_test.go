package exporter

import (
	"archive/zip"
	"bytes"
	"context"
	"fmt"
	"io"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"aiccbridge/schemas"
)

const (
	callHeader = "developer,account_id,cc_id,agent_id,call_id,caller_no,callee_no,wait_begin,wait_end,ack_begin,ack_end,call_begin,call_end,device_type,device_no,call_type,release_cause,call_id_num,vdn_id,pre_device_type,pre_device_no\n"
	callName   = "20260101000000000123_call.csv"
)

// callRow is the i-th call detail record; duration tells its versions apart.
func callRow(i, seconds int) string {
	begin := newYear.Add(time.Duration(i%3600) * time.Second)
	const layout = "2006-01-02 15:04:05"
	return fmt.Sprintf("ak,ten,1,101,%d-%d,5550100,5550199,,,,,%s,%s,2,101,0,0,-1,39,1,12\n",
		begin.Unix(), i, begin.Format(layout), begin.Add(time.Duration(seconds)*time.Second).Format(layout))
}

func callRows(from, to int) string {
	var b strings.Builder
	for i := from; i < to; i++ {
		b.WriteString(callRow(i, 60))
	}
	return b.String()
}

// packed is one member of a ZIP to be made.
type packed struct {
	name string
	data string
	// store leaves the data as it is.
	store bool
	zip.FileHeader
}

func csvMember(data string) packed { return packed{name: callName, data: data} }

func zipOf(t testing.TB, members ...packed) []byte {
	t.Helper()
	var out bytes.Buffer
	z := zip.NewWriter(&out)
	for _, m := range members {
		h := m.FileHeader
		h.Name = m.name
		if h.Method = zip.Deflate; m.store {
			h.Method = zip.Store
		}
		w, err := z.CreateHeader(&h)
		check(t, err)
		if m.data != "" {
			_, err = io.WriteString(w, m.data)
			check(t, err)
		}
	}
	check(t, z.Close())
	return out.Bytes()
}

// shop is a worker with everything around it in memory.
type shop struct {
	t          *testing.T
	bucket     *memBucket
	pub        *memPublisher
	rows       *memRows
	quarantine *memQuarantine
	ledger     *Ledger
	worker     *Worker
	options    WorkerOptions

	mu       sync.Mutex
	files    map[string][]byte // by response id
	fetched  []string          // names asked for
	refuse   func(f schemas.FileReady) error
	progress atomic.Int64
}

func newShop(t *testing.T) *shop {
	s := &shop{
		t: t, bucket: newMemBucket(), pub: &memPublisher{}, rows: &memRows{}, quarantine: &memQuarantine{},
		files: map[string][]byte{},
	}
	s.ledger, _ = startLedger(t, LedgerOptions{Bucket: s.bucket, Publisher: s.pub})
	s.options = WorkerOptions{
		Names: names(t), Ledger: s.ledger, Rows: s.rows, Quarantine: s.quarantine, Publisher: s.pub, SpoolDir: t.TempDir(),
		Tenants: map[string]Tenant{acme: {Zone: location(t, "Asia/Shanghai"), Download: s.download}},
	}
	s.restart()
	return s
}

// restart makes a new worker, as a new process does.
func (s *shop) restart() *Worker {
	s.t.Helper()
	w, err := NewWorker(s.options)
	check(s.t, err)
	s.worker = w
	return w
}

func (s *shop) dialect(d Dialect) {
	tenant := s.options.Tenants[acme]
	tenant.Dialect = d
	s.options.Tenants = map[string]Tenant{acme: tenant}
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
	request(s.t, s.ledger, hour(0), id)
	check(s.t, s.ledger.Accept(s.t.Context(), notice(id)))
	s.mu.Lock()
	s.files[responseID(id)] = data
	s.mu.Unlock()
	ready := s.pub.of(schemas.TypeFileReady)
	var f schemas.FileReady
	unmarshal(s.t, ready[len(ready)-1].Body, &f)
	return f
}

func (s *shop) export(f schemas.FileReady, attempt int) error {
	return s.worker.Export(s.t.Context(), f, attempt, func() { s.progress.Add(1) })
}

// stored returns the rows and markers of the first hour's calls.
func (s *shop) stored() (rows, markers []memRow) {
	return s.rows.on(names(s.t).Row(acme, schemas.KindCDR, hour(0)))
}

func marker(t testing.TB, row memRow) schemas.WindowComplete {
	t.Helper()
	var m schemas.WindowComplete
	unmarshal(t, row.Body, &m)
	return m
}

// once reports rows that are in the stream twice.
func once(rows []memRow) error {
	seen := map[string]bool{}
	for _, r := range rows {
		if seen[r.ID] {
			return fmt.Errorf("row %s is there twice", r.ID)
		}
		seen[r.ID] = true
	}
	return nil
}
