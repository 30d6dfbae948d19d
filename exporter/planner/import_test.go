package planner

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"aiccbridge/exporter/internal/exportertest"
	"aiccbridge/exporter/ledger"
	"aiccbridge/schemas"
)

// imported is the file of a window that somebody imports now.
func imported(w schemas.Window) schemas.FileReady {
	return schemas.FileReady{
		Tenant: exportertest.Acme, Kind: schemas.KindCDR, Window: w, ResponseID: exportertest.ResponseID(4711),
		FileName: "20000101_" + exportertest.ResponseID(4711) + ".zip", ReceivedAt: time.Now(), Via: schemas.ViaManual,
	}
}

// TestImportedHistoryIsNotPlanned: extraction does not begin where a file of long ago was
// imported, the coverage neither, and the window is not asked for.
func TestImportedHistoryIsNotPlanned(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := newSite(t)
		s.serve()
		x := hourly
		x.SweepAgain = []time.Duration{30 * time.Hour}
		s.open(Options{Tick: 10 * time.Second}, x)
		pass(2 * time.Hour)
		old, recent := bubbleHour(-1000), bubbleHour(-5)
		for _, w := range []schemas.Window{old, recent} {
			_, err := s.ledger.Import(context.Background(), imported(w), time.Now())
			exportertest.Check(t, err)
		}
		exportertest.Check(t, s.ledger.Complete(context.Background(), imported(old), 3, time.Now()))
		pass(26 * time.Hour) // the other one was never completed
		s.close()
		s.open(Options{Tick: 10 * time.Second}, x)
		pass(20 * time.Hour)
		all := s.entries(schemas.KindCDR)
		if all[0].Window != old || all[1].Window != recent || all[1].State != schemas.WindowReady {
			t.Errorf("the first are %+v and %+v", all[0], all[1])
		}
		if err := tiled(all[2:], bubble, time.Now()); err != nil {
			t.Error(err)
		}
		if n := len(s.platform.of(old)) + len(s.platform.of(recent)); n > 0 {
			t.Errorf("they were asked for %d times", n)
		}
		for _, m := range s.pub.Of(schemas.TypeCoverage) {
			var c schemas.Coverage
			if exportertest.Unmarshal(t, m.Body, &c); !c.From.Equal(bubble) {
				t.Errorf("stated %s", m.Body)
			}
		}
		s.close()
	})
}

// TestImportedBeforeTheFirstStart: windows are cut where a file was imported.
func TestImportedBeforeTheFirstStart(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := newSite(t)
		s.serve()
		pass(5 * time.Hour)
		l, stop := startLedger(t, ledger.Options{Bucket: s.bucket, Publisher: s.pub})
		w := schemas.Window{From: bubble.Add(90 * time.Minute), To: bubble.Add(200 * time.Minute)}
		_, err := l.Import(context.Background(), imported(w), time.Now())
		exportertest.Check(t, err)
		exportertest.Check(t, l.Complete(context.Background(), imported(w), 3, time.Now()))
		stop()
		s.open(Options{}, since(bubble, hourly))
		pass(time.Hour)
		if err := tiled(s.entries(schemas.KindCDR), bubble, time.Now()); err != nil {
			t.Error(err)
		}
		if n := len(s.platform.of(w)); n > 0 {
			t.Errorf("it was asked for %d times", n)
		}
		s.close()
	})
}

// TestImportUnderWayIsNoOrphan: workers have nothing to do with the file. An import that
// does not end gives the window back.
func TestImportUnderWayIsNoOrphan(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := newSite(t)
		s.open(Options{Idle: func(context.Context) (bool, error) { return true, nil }}, since(bubble, hourly))
		pass(65 * time.Minute)
		_, err := s.ledger.Import(context.Background(), imported(bubbleHour(0)), time.Now())
		exportertest.Check(t, err)
		pass(115 * time.Minute)
		if e := s.entries(schemas.KindCDR)[0]; e.State != schemas.WindowReady || e.Via != schemas.ViaManual {
			t.Errorf("after two hours less five minutes: %+v", e)
		}
		pass(10 * time.Minute)
		if n := len(s.platform.of(bubbleHour(0))); n != 1 {
			t.Errorf("it was asked for %d times", n)
		}
		s.close()
	})
}
