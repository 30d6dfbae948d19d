package exporter

import (
	"testing"
	"time"

	"aiccbridge/exporter/internal/exportertest"
	"aiccbridge/schemas"
)

// startLedger runs a ledger and waits until it has loaded.
func startLedger(t testing.TB, o LedgerOptions) (l *Ledger, stop func()) {
	t.Helper()
	o.Names = exportertest.Names(t)
	l, err := NewLedger(o)
	if err != nil {
		t.Fatal(err)
	}
	stop = exportertest.Start(t, l.Run)
	<-l.loaded
	return l, stop
}

// request brings a window as far as "requested"; id < 0 leaves the answer out.
func request(t testing.TB, l *Ledger, w schemas.Window, id int) schemas.WindowEntry {
	t.Helper()
	ctx := t.Context()
	e := entry(t, l, w)
	if e.State == "" {
		e = exportertest.Planned(w, schemas.KindCDR)
		exportertest.Check(t, l.plan(ctx, e))
	}
	_, ok, err := l.requested(ctx, e, w.To.Add(time.Hour), w.To.Add(2*time.Hour))
	exportertest.Check(t, err)
	if !ok {
		t.Fatalf("window %s was not there to be requested", w)
	}
	if id >= 0 {
		exportertest.Check(t, l.answered(ctx, e, exportertest.ResponseID(id)))
	}
	return entry(t, l, w)
}

func entry(t testing.TB, l *Ledger, w schemas.Window) schemas.WindowEntry {
	t.Helper()
	e, _, err := l.Entry(t.Context(), exportertest.Acme, schemas.KindCDR, w)
	exportertest.Check(t, err)
	return e
}
