package bus

import (
	"bytes"
	"fmt"
	"strings"
	"testing"
	"time"

	"aiccbridge/bus/embedded"
	"aiccbridge/bus/internal/bustest"
	"aiccbridge/bus/internal/hubtest"
	"aiccbridge/internal/bench/rawnats"
	"aiccbridge/schemas"
)

// BenchmarkAppend is Append beside the simplest client that stores the same messages, in
// turns, on one embedded server. raw is how fast it is of that.
func BenchmarkAppend(b *testing.B) {
	s := bustest.Embedded(b)
	bus := open(b, s)
	hubtest.Ensure(b, bus.conn)
	const batches = 20
	batch := fileRows(b, schemas.KindCDR, schemas.MaxBatch)
	plain := make([]rawnats.Message, len(batch))
	for i, m := range batch {
		var header bytes.Buffer
		header.WriteString("NATS/1.0\r\n")
		for name, values := range m.Headers() {
			fmt.Fprintf(&header, "%s: %s\r\n", name, values[0])
		}
		header.WriteString("\r\n")
		plain[i] = rawnats.Message{Subject: rowSubject(1), Header: header.Bytes(), Data: m.Body}
	}
	var ours, raw time.Duration
	var last uint64
	for b.Loop() {
		conn, err := s.InProcessConn()
		if err != nil {
			b.Fatal(err)
		}
		start := time.Now()
		if err := rawnats.Batches(b.Context(), conn, plain, batches*len(plain), len(plain)); err != nil {
			b.Fatal(err)
		}
		raw += time.Since(start)
		conn.Close()
		start = time.Now()
		for range batches {
			if last, err = bus.Rows().Append(b.Context(), batch, last); err != nil {
				b.Fatal(err)
			}
		}
		ours += time.Since(start)
	}
	b.ReportMetric(float64(b.N*batches*len(batch))/ours.Seconds(), "rows/s")
	b.ReportMetric(raw.Seconds()/ours.Seconds(), "of-raw")
}

// BenchmarkStart is the start of an embedded server whose rows were all written just
// before, beside that of an empty one.
func BenchmarkStart(b *testing.B) {
	for _, n := range []int{0, 100_000} {
		b.Run(fmt.Sprintf("rows=%d", n), func(b *testing.B) {
			dir := b.TempDir()
			for b.Loop() {
				b.StopTimer()
				writeRows(b, dir, n)
				b.StartTimer()
				s, err := embedded.Start(b.Context(), embedded.Options{Dir: dir})
				if err != nil {
					b.Fatal(err)
				}
				b.StopTimer()
				s.Shutdown()
				b.StartTimer()
			}
		})
	}
}

// writeRows writes so many rows of a kilobyte with a server over a directory.
func writeRows(b *testing.B, dir string, n int) {
	s, err := embedded.Start(b.Context(), embedded.Options{Dir: dir})
	if err != nil {
		b.Fatal(err)
	}
	defer s.Shutdown()
	bus := open(b, s)
	hubtest.Ensure(b, bus.conn)
	body := []byte(`"` + strings.Repeat("x", 1000) + `"`)
	last := lastOf(b, bus.Rows(), 1)
	for i := 0; i < n; i += schemas.MaxBatch {
		batch := rows(1, i, schemas.MaxBatch)
		for i := range batch {
			batch[i].Body = body
		}
		if last, err = bus.Rows().Append(b.Context(), batch, last); err != nil {
			b.Fatal(err)
		}
	}
	bus.Close()
}

// BenchmarkReadBack reads back a window, headers only. An operation is a row.
func BenchmarkReadBack(b *testing.B) {
	r := ready(b).Rows()
	const stored = 100 * schemas.MaxBatch
	last := uint64(0)
	for i := range stored / schemas.MaxBatch {
		next, err := r.Append(b.Context(), rows(1, i*schemas.MaxBatch, schemas.MaxBatch), last)
		if err != nil {
			b.Fatal(err)
		}
		last = next
	}
	b.ReportAllocs()
	for n := 0; b.Loop(); {
		if n++; n%stored != 1 {
			continue
		}
		if _, err := r.ReadBack(b.Context(), rowSubject(1), func(schemas.RowHeader, uint64) {}); err != nil {
			b.Fatal(err)
		}
	}
}
