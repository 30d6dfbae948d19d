package exporter

import (
	"fmt"
	"testing"

	"aiccbridge/schemas"
)

// TestF10EarlyCallbacks gives a hundred callbacks before the answers of their
// queries are there: a third of the answers come later, a third only after a
// restart, and a third are lost, with callbacks that name their request. Each is
// matched with its window, once.
func TestF10EarlyCallbacks(t *testing.T) {
	const windows = 100
	bucket, pub := newMemBucket(), &memPublisher{}
	l, stop := startLedger(t, LedgerOptions{Bucket: bucket, Publisher: pub})
	entries := make([]schemas.WindowEntry, windows)
	for i := range windows {
		entries[i] = request(t, l, hour(i), -1)
		n := notice(i)
		if i%3 == 2 {
			r := requestOf(entries[i])
			n.Request = &r
		}
		check(t, l.Accept(t.Context(), n))
		if i%3 == 0 {
			check(t, l.answered(t.Context(), entries[i], responseID(i)))
		}
	}
	stop()
	again, _ := startLedger(t, LedgerOptions{Bucket: bucket, Publisher: pub})
	for i := range windows {
		if i%3 == 1 {
			check(t, again.answered(t.Context(), entries[i], responseID(i)))
		}
		check(t, again.Accept(t.Context(), notice(i))) // the platform's repeat
	}
	matched := 0
	for i := range windows {
		e := entry(t, again, hour(i))
		if e.State == schemas.WindowReady && e.ResponseID == responseID(i) && !bucket.has(schemas.UnmatchedKey(acme, responseID(i))) {
			matched++
		}
	}
	if n := len(pub.of(schemas.TypeFileReady)); matched != windows || n != windows {
		t.Errorf("%d of %d matched, %d files handed over", matched, windows, n)
	}
	t.Attr("figure", fmt.Sprintf("%d/%d matched, one download each", matched, windows))
	t.Attr("tries", fmt.Sprint(windows))
}
