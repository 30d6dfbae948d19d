package planner

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"aiccbridge/exporter/internal/exportertest"
	"aiccbridge/exporter/ledger"
	"aiccbridge/schemas"
)

func TestCoverage(t *testing.T) {
	at := func(h int) time.Time { return exportertest.NewYear.Add(time.Duration(h) * time.Hour) }
	window := func(h int) schemas.Window { return schemas.Window{From: at(h), To: at(h + 1)} }
	done := func(h int) schemas.WindowEntry {
		return schemas.WindowEntry{Window: window(h), State: schemas.WindowCompleted, CompletedAt: at(h + 2)}
	}
	undone := func(h int, s schemas.WindowState, r schemas.Reason) schemas.WindowEntry {
		return schemas.WindowEntry{Window: window(h), State: s, Reason: r}
	}
	again := done(1)
	again.State = schemas.WindowRequested
	hole := func(h int, s schemas.WindowState, r schemas.Reason) schemas.Hole {
		return schemas.Hole{Window: window(h), State: string(s), Reason: string(r)}
	}
	tests := map[string]struct {
		entries []schemas.WindowEntry
		to      int
		holes   []schemas.Hole
	}{
		"nothing complete yet": {[]schemas.WindowEntry{undone(0, schemas.WindowPlanned, "")}, 0, nil},
		"all complete":         {[]schemas.WindowEntry{done(0), done(1)}, 2, nil},
		"swept again":          {[]schemas.WindowEntry{done(0), again, done(2)}, 3, nil},
		"the rest is to come":  {[]schemas.WindowEntry{done(0), undone(1, schemas.WindowRequested, "")}, 1, nil},
		"one failed": {[]schemas.WindowEntry{done(0), undone(1, schemas.WindowFailed, schemas.ReasonDamagedZip), done(2), undone(3, schemas.WindowPlanned, "")},
			1, []schemas.Hole{hole(1, schemas.WindowFailed, schemas.ReasonDamagedZip)}},
		"the first is open": {[]schemas.WindowEntry{undone(0, schemas.WindowReady, ""), done(1), done(2)},
			0, []schemas.Hole{hole(0, schemas.WindowReady, "")}},
	}
	for name, tt := range tests {
		got, ok := coverage(exportertest.Acme, schemas.KindCDR, tt.entries, exportertest.NewYear)
		if !ok || !got.CompleteTo.Equal(at(tt.to)) || !got.From.Equal(exportertest.NewYear) {
			t.Errorf("%s: complete to %s, want %s", name, got.CompleteTo, at(tt.to))
		}
		if diff := cmp.Diff(tt.holes, got.Holes); diff != "" {
			t.Errorf("%s: holes %s", name, diff)
		}
	}
	if _, ok := coverage(exportertest.Acme, schemas.KindCDR, nil, exportertest.NewYear); ok {
		t.Error("a statement about nothing")
	}
}

// TestCoverageIsStatedWhenItMoves: one statement a movement, none in between.
func TestCoverageIsStatedWhenItMoves(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		pub := &exportertest.Publisher{}
		l, _ := startLedger(t, ledger.Options{Bucket: exportertest.NewBucket(), Publisher: pub})
		begun := time.Now()
		startPlanner(t, Options{Ledger: l, Publisher: pub, Query: (&platform{}).query, Extracts: []Extract{{
			Kind: schemas.KindCDR, Window: time.Hour, Since: begun,
		}}})
		statements := func() int { return len(pub.Of(schemas.TypeCoverage)) }
		pass(90 * time.Minute)
		if n := statements(); n != 1 {
			t.Fatalf("%d statements before anything is complete, want the first one", n)
		}
		first := l.Entries(exportertest.Acme, schemas.KindCDR)[0]
		f := schemas.FileReady{Tenant: exportertest.Acme, Kind: schemas.KindCDR, Window: first.Window, ResponseID: first.ResponseID}
		exportertest.Check(t, l.Complete(t.Context(), f, 1, time.Now()))
		pass(10 * time.Minute)
		if n := statements(); n != 2 {
			t.Errorf("%d statements after one window was completed, want 2", n)
		}
	})
}
