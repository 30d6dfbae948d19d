package ledger

import (
	"testing"

	"aiccbridge/exporter/internal/exportertest"
	"aiccbridge/schemas"
)

func TestPurged(t *testing.T) {
	bucket := exportertest.NewBucket()
	l, stop := running(t, Options{Bucket: bucket, Publisher: &exportertest.Publisher{}})
	check := func(what string, want bool) {
		t.Helper()
		if err := l.Purged(t.Context()); (err != nil) != want {
			t.Errorf("%s: %v", what, err)
		}
	}
	check("no window", false)
	for i := range 3 {
		exportertest.Check(t, l.Plan(t.Context(), exportertest.Planned(exportertest.Hour(i), schemas.KindCDR)))
	}
	check("windows", false)
	bucket.Intercept(func(string, string) error { return exportertest.ErrBus })
	check("bucket away", false)
	bucket.Intercept(nil)
	stop() // a purge tells nobody
	for i := range 3 {
		exportertest.Check(t, bucket.Delete(t.Context(), schemas.WindowKey(exportertest.Acme, schemas.KindCDR, exportertest.Hour(i))))
	}
	check("purged", true)
	exportertest.Check(t, l.Plan(t.Context(), exportertest.Planned(exportertest.Hour(3), schemas.KindCDR)))
	check("purged, and planned since", true)
}
