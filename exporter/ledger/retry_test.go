package ledger

import (
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"aiccbridge/exporter/internal/exportertest"
	"aiccbridge/schemas"
)

// TestRetry: a failed window is due at once with all its attempts before it, a complete one
// once more; one whose extract is under way is left alone.
func TestRetry(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l, _ := running(t, Options{Bucket: exportertest.NewBucket(), Publisher: &exportertest.Publisher{}})
		w := exportertest.Hour(0)
		key := schemas.WindowKey(exportertest.Acme, schemas.KindCDR, w)
		entry := func() schemas.WindowEntry { return exportertest.Entry(t, l, w) }
		if _, err := l.Retry(t.Context(), key, time.Now()); err == nil {
			t.Error("a window that is not there is retried")
		}
		exportertest.Request(t, l, w, 1)
		var busy *UnderWay
		if before, err := l.Retry(t.Context(), key, time.Now()); !errors.As(err, &busy) || before.State != schemas.WindowRequested || entry().State != schemas.WindowRequested {
			t.Errorf("under way: %v, %+v", err, entry())
		}
		refused := &schemas.Permanent{Reason: schemas.ReasonRefused, Err: errors.New("no")}
		if err := l.GiveUp(t.Context(), key, entry().ResponseID, refused, time.Now()); err != nil {
			t.Fatal(err)
		}
		failed := entry()
		now := time.Now().Add(time.Second).UTC()
		before, err := l.Retry(t.Context(), key, now)
		if e := entry(); err != nil || before.State != schemas.WindowFailed || failed.Attempts == 0 || e.Attempts != 0 || !e.DueAt.Equal(now) || e.Reason != schemas.ReasonRefused {
			t.Errorf("failed: %v, %+v", err, e)
		}
		exportertest.Request(t, l, w, 2)
		if err := l.Accept(t.Context(), exportertest.Notice(2)); err != nil {
			t.Fatal(err)
		}
		f := schemas.FileReady{Tenant: exportertest.Acme, Kind: schemas.KindCDR, Window: w, ResponseID: exportertest.ResponseID(2)}
		if err := l.Complete(t.Context(), f, 7, time.Now()); err != nil {
			t.Fatal(err)
		}
		if _, err := l.Retry(t.Context(), key, now); err != nil || entry().State != schemas.WindowCompleted || !entry().DueAt.Equal(now) || entry().Rows != 7 {
			t.Errorf("complete: %v, %+v", err, entry())
		}
	})
}

// TestWhatExtractsBrought: each complete extract is remembered with its new rows; once it is not
// known what one brought, nothing is told of the window any more.
func TestWhatExtractsBrought(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l, _ := running(t, Options{Bucket: exportertest.NewBucket(), Publisher: &exportertest.Publisher{}})
		w, n := exportertest.Hour(0), 0
		entry := func() schemas.WindowEntry { return exportertest.Entry(t, l, w) }
		complete := func(rows Rows) {
			t.Helper()
			n++
			time.Sleep(time.Minute)
			exportertest.Request(t, l, w, n)
			exportertest.Check(t, l.Accept(t.Context(), exportertest.Notice(n)))
			f := schemas.FileReady{Tenant: exportertest.Acme, Kind: schemas.KindCDR, Window: w, ResponseID: exportertest.ResponseID(n)}
			exportertest.Check(t, l.CompleteWith(t.Context(), f, rows, time.Now()))
			exportertest.Check(t, l.CompleteWith(t.Context(), f, Rows{99, 99}, time.Now())) // delivered again
		}
		complete(Rows{Held: 100, New: 100})
		complete(Rows{Held: 107, New: 3})
		got := entry()
		if len(got.Extracts) != 2 || got.Extracts[0].New != 100 || got.Extracts[1].New != 3 || !got.Extracts[1].RequestedAt.Equal(got.RequestedAt) {
			t.Errorf("%+v", got.Extracts)
		}
		for i := range 10 {
			complete(Rows{Held: 107 + i, New: i})
		}
		if got := entry(); len(got.Extracts) != schemas.MaxExtracts || got.Extracts[0].New != 100 || !got.Extracts[schemas.MaxExtracts-1].RequestedAt.Equal(got.RequestedAt) {
			t.Errorf("of many: %+v", got.Extracts)
		}
		sum := 0
		for _, x := range entry().Extracts {
			sum += x.New
		}
		if want := 100 + 3 + 45; sum != want {
			t.Errorf("all extracts brought %d rows, want %d", sum, want)
		}
		exportertest.Check(t, l.Again(t.Context(), entry(), time.Now())) // the stream lost rows
		complete(Rows{Held: 107, New: 50})
		complete(Rows{Held: 108, New: 1})
		if got := entry(); len(got.Extracts) != 0 {
			t.Errorf("rows that were there before are new: %+v", got.Extracts)
		}
	})
}
