package planner

import (
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"aiccbridge/exporter/internal/exportertest"
	"aiccbridge/exporter/ledger"
	"aiccbridge/schemas"
)

func TestUnknownCallbackIsADeadLetter(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		bucket, pub := exportertest.NewBucket(), &exportertest.Publisher{}
		l, _ := startLedger(t, ledger.Options{Bucket: bucket, Publisher: pub})
		startPlanner(t, Options{Ledger: l, Query: (&platform{}).query})
		n := exportertest.Notice(9)
		n.ReceivedAt, n.AccountID = time.Now(), strings.Repeat("<", 12<<10) // six bytes each as JSON
		exportertest.Check(t, l.Accept(t.Context(), n))
		key := schemas.UnmatchedKey(exportertest.Acme, exportertest.ResponseID(9))
		pass(24*time.Hour - time.Minute)
		if !bucket.Has(key) || pub.Count() != 0 {
			t.Error("the notice was given up early")
		}
		pass(2 * time.Minute)
		letters := pub.Of(schemas.TypeDeadLetter)
		if len(letters) != 1 || !strings.HasSuffix(letters[0].Subject, ".unknown_response") || bucket.Has(key) {
			t.Fatalf("%d dead letters, still held %v", len(letters), bucket.Has(key))
		}
		var d schemas.DeadLetter
		var kept schemas.FileNotice
		exportertest.Unmarshal(t, letters[0].Body, &d)
		exportertest.Unmarshal(t, d.Original, &kept)
		if kept.AccountID != n.AccountID || !d.FirstAt.Equal(n.ReceivedAt) || d.LastAt.Sub(d.FirstAt) < 24*time.Hour {
			t.Errorf("from %s to %s, %d bytes of the notice are kept", d.FirstAt, d.LastAt, len(d.Original))
		}
	})
}
