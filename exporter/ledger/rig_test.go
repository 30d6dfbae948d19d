package ledger

import (
	"testing"

	"aiccbridge/exporter/internal/exportertest"
	"aiccbridge/schemas"
)

// running runs a ledger and waits until it has loaded.
func running(t testing.TB, o Options) (l *Ledger, stop func()) {
	t.Helper()
	o.Names = exportertest.Names(t)
	l, err := New(o)
	if err != nil {
		t.Fatal(err)
	}
	stop = exportertest.Start(t, l.Run)
	exportertest.Check(t, l.Await(t.Context()))
	return l, stop
}

var refused = &schemas.Permanent{Reason: schemas.ReasonRefused, Err: exportertest.ErrBus}
