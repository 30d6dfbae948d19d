package calls

import (
	"context"
	"fmt"
	"runtime"
	"testing"

	"aiccbridge/exporter/internal/exportertest"
	"aiccbridge/schemas"
	"aiccbridge/schemas/rows"
)

// sink is a stream of calls that keeps nothing but what memory was in use.
type sink struct {
	exportertest.Calls
	calls int
	most  uint64
}

func (s *sink) Append(_ context.Context, _ string, messages []schemas.Message, last uint64) (uint64, error) {
	s.calls += len(messages)
	if s.calls%10_000 < schemas.MaxBatch {
		runtime.GC()
		var m runtime.MemStats
		runtime.ReadMemStats(&m)
		s.most = max(s.most, m.HeapAlloc)
	}
	return last + uint64(len(messages)), nil
}

// TestMemoryOfAWindow: while the calls of a large window are made, its rows are in memory
// once. Taken apart, with what finds them, they are a quarter larger than on the stream.
func TestMemoryOfAWindow(t *testing.T) {
	const count = 20_000
	s := newShop(t)
	f := s.publish(cdr, 0)
	s.ledger.note(schemas.WindowEntry{Tenant: exportertest.Acme, Kind: cdr, Window: f.Window, State: schemas.WindowCompleted, CompletedAt: s.now, Rows: count})
	o, out, bytes := s.options(), &sink{}, 0
	o.Stream = out
	o.Rows = func(_ context.Context, _ string, f func(schemas.Stored) error) error {
		e := rows.NewEncoder(s.names, schemas.FileReady{Tenant: exportertest.Acme, Kind: cdr, Window: exportertest.Hour(0), ResponseID: exportertest.ResponseID(1)}, cdr, rows.Options{})
		for i := range count {
			r := inQueue(fmt.Sprintf("1767225600-%d", i/2), 1, 0, i%3000)
			if i%2 == 1 {
				r = withAgent(fmt.Sprintf("1767225600-%d", i/2), -1, 0, i%3000)
			}
			record := r.cells(cdr)
			id, err := e.Identify(record)
			exportertest.Check(t, err)
			m, err := e.Message(record, id, 1)
			exportertest.Check(t, err)
			bytes += len(m.Body)
			if err := f(schemas.Stored{Sequence: uint64(i + 1), Header: m.Headers(), Body: m.Body}); err != nil {
				return err
			}
		}
		return nil
	}
	b, err := New(o)
	exportertest.Check(t, err)
	var before runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&before)
	exportertest.Check(t, b.tick(t.Context()))
	t.Logf("%d rows of %d MB, %d MB in use", count, bytes>>20, (out.most-before.HeapAlloc)>>20)
	if out.calls != count/2+1 || out.most-before.HeapAlloc > uint64(bytes)*3/2 {
		t.Errorf("%d messages, %d MB in use for rows of %d MB", out.calls, (out.most-before.HeapAlloc)>>20, bytes>>20)
	}
}
