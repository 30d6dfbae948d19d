package ledger

import (
	"fmt"
	"testing"

	"aiccbridge/exporter/internal/exportertest"
	"aiccbridge/schemas"
)

// TestF10EarlyCallbacks gives a hundred callbacks before the answers of their
// queries are there: a third of the answers come later, a third only after a
// restart, and a third are lost, with callbacks that name their request. Each is
// matched with its window, once.
func TestF10EarlyCallbacks(t *testing.T) {
	const windows = 100
	bucket, pub := exportertest.NewBucket(), &exportertest.Publisher{}
	l, stop := running(t, Options{Bucket: bucket, Publisher: pub})
	entries := make([]schemas.WindowEntry, windows)
	for i := range windows {
		entries[i] = exportertest.Request(t, l, exportertest.Hour(i), -1)
		n := exportertest.Notice(i)
		if i%3 == 2 {
			r := requestOf(entries[i])
			n.Request = &r
		}
		exportertest.Check(t, l.Accept(t.Context(), n))
		if i%3 == 0 {
			exportertest.Check(t, l.Answered(t.Context(), entries[i], exportertest.ResponseID(i)))
		}
	}
	stop()
	again, _ := running(t, Options{Bucket: bucket, Publisher: pub})
	for i := range windows {
		if i%3 == 1 {
			exportertest.Check(t, again.Answered(t.Context(), entries[i], exportertest.ResponseID(i)))
		}
		exportertest.Check(t, again.Accept(t.Context(), exportertest.Notice(i))) // the platform's repeat
	}
	matched := 0
	for i := range windows {
		e := exportertest.Entry(t, again, exportertest.Hour(i))
		if e.State == schemas.WindowReady && e.ResponseID == exportertest.ResponseID(i) && !bucket.Has(schemas.UnmatchedKey(exportertest.Acme, exportertest.ResponseID(i))) {
			matched++
		}
	}
	if n := len(pub.Of(schemas.TypeFileReady)); matched != windows || n != windows {
		t.Errorf("%d of %d matched, %d files handed over", matched, windows, n)
	}
	t.Attr("figure", fmt.Sprintf("%d/%d matched, one download each", matched, windows))
	t.Attr("tries", fmt.Sprint(windows))
}
