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
