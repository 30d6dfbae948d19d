package bus

import (
	"fmt"
	"strings"
	"testing"

	"aiccbridge/bus/embedded"
	"aiccbridge/bus/internal/hubtest"
	"aiccbridge/schemas"
)

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
