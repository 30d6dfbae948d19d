package bus

import (
	"fmt"
	"testing"

	"aiccbridge/schemas"
)

// TestF28PurgedAndFilledAgain: rows, and a message with an id, are purged and
// stored again while the server still knows their ids.
func TestF28PurgedAndFilledAgain(t *testing.T) {
	t.Parallel()
	const n = 1500
	b := ready(t)
	fill := func() (last uint64) {
		t.Helper()
		last, err := b.Rows().ReadBack(t.Context(), rowSubject(1), func(schemas.RowHeader, uint64) {})
		if err != nil || last != 0 {
			t.Fatalf("the window begins with sequence %d, %v", last, err)
		}
		for from := 0; from < n; from += schemas.MaxBatch {
			if last, err = b.Rows().Append(t.Context(), rows(1, from, min(schemas.MaxBatch, n-from)), last); err != nil {
				t.Fatal(err)
			}
		}
		publishFiles(t, b, 1)
		return last
	}
	fill()
	for _, name := range []string{"AICC_ROWS", "AICC_FILES"} {
		stream, err := boss(t, b).Stream(t.Context(), name)
		if err == nil {
			err = stream.Purge(t.Context())
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	fill()
	stored, files := len(all(t, b, schemas.StreamRows)), len(all(t, b, schemas.StreamFiles))
	if stored != n || files != 1 {
		t.Errorf("%d rows and %d files are there, want %d and 1", stored, files, n)
	}
	t.Attr("figure", fmt.Sprintf("stored %d = expected %d", stored+files, n+1))
	t.Attr("tries", fmt.Sprint(n+1))
}
