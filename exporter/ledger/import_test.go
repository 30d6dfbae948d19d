package ledger

import (
	"errors"
	"sync/atomic"
	"testing"
	"time"

	"aiccbridge/exporter/internal/exportertest"
	"aiccbridge/schemas"
)

// manual is the n-th file that somebody imports into the first hour.
func manual(n int) schemas.FileReady {
	return schemas.FileReady{
		Tenant: exportertest.Acme, Kind: schemas.KindCDR, Window: exportertest.Hour(0), ResponseID: exportertest.ResponseID(n),
		FileName: "20260101_" + exportertest.ResponseID(n) + ".zip", ReceivedAt: time.Now(), Via: schemas.ViaManual,
	}
}

// firstKey is that of the first hour.
var firstKey = schemas.WindowKey(exportertest.Acme, schemas.KindCDR, exportertest.Hour(0))

// TestImport brings windows of every state to ready and complete, but for those whose own
// extract is under way.
func TestImport(t *testing.T) {
	w, ctx := exportertest.Hour(0), t.Context()
	fail := func(t *testing.T, l *Ledger, id int) {
		exportertest.Check(t, l.GiveUp(ctx, firstKey, exportertest.ResponseID(id), refused, time.Now()))
	}
	for name, tt := range map[string]struct {
		stage     func(t *testing.T, l *Ledger)
		deadline  time.Duration // of what is under way, from now
		state     schemas.WindowState
		underWay  bool
		unplanned bool
		past      int
	}{
		"not there": {func(*testing.T, *Ledger) {}, 0, "", false, true, 0},
		"planned": {func(t *testing.T, l *Ledger) {
			exportertest.Check(t, l.Plan(ctx, exportertest.Planned(w, schemas.KindCDR)))
		}, 0, schemas.WindowPlanned, false, false, 0},
		"requested":   {func(t *testing.T, l *Ledger) { exportertest.Request(t, l, w, 7) }, time.Hour, schemas.WindowRequested, true, false, 0},
		"overdue":     {func(t *testing.T, l *Ledger) { exportertest.Request(t, l, w, 7) }, -time.Second, schemas.WindowRequested, false, false, 1},
		"never taken": {func(t *testing.T, l *Ledger) { exportertest.Request(t, l, w, -1) }, -time.Second, schemas.WindowRequested, false, false, 0},
		"another's": {func(t *testing.T, l *Ledger) {
			_, err := l.Import(ctx, manual(2), time.Now())
			exportertest.Check(t, err)
		}, time.Hour, schemas.WindowReady, true, true, 0},
		"its own, ours": {func(t *testing.T, l *Ledger) {
			_, err := l.Import(ctx, manual(1), time.Now())
			exportertest.Check(t, err)
		}, time.Hour, schemas.WindowReady, false, true, 0},
		"failed": {func(t *testing.T, l *Ledger) { exportertest.Request(t, l, w, 7); fail(t, l, 7) }, 0, schemas.WindowFailed, false, false, 1},
		"complete": {func(t *testing.T, l *Ledger) {
			exportertest.Request(t, l, w, 7)
			f := manual(7)
			exportertest.Check(t, l.Complete(ctx, f, 3, time.Now()))
		}, 0, schemas.WindowCompleted, false, false, 1},
	} {
		t.Run(name, func(t *testing.T) {
			l, _ := running(t, Options{Bucket: exportertest.NewBucket(), Publisher: &exportertest.Publisher{}})
			tt.stage(t, l)
			if tt.deadline != 0 {
				exportertest.Check(t, l.change(ctx, firstKey, func(e *schemas.WindowEntry) bool { e.DueAt = time.Now().Add(tt.deadline); return true }))
			}
			there := exportertest.Entry(t, l, w)
			before, err := l.Import(ctx, manual(1), time.Now())
			if before.State != tt.state {
				t.Errorf("it was %q", before.State)
			}
			got := exportertest.Entry(t, l, w)
			if under := (*UnderWay)(nil); errors.As(err, &under) != tt.underWay || tt.underWay && (got.State != there.State || got.ResponseID != there.ResponseID) {
				t.Fatalf("%v; the window is %+v", err, got)
			}
			if tt.underWay {
				return
			}
			exportertest.Check(t, err)
			if got.State != schemas.WindowReady || got.Via != schemas.ViaManual || got.ResponseID != manual(1).ResponseID || got.Unplanned != tt.unplanned ||
				len(got.Past) != tt.past || !got.DueAt.After(time.Now()) || !got.CompletedAt.Equal(before.CompletedAt) {
				t.Errorf("the window is %+v", got)
			}
			exportertest.Check(t, l.Accept(ctx, exportertest.Notice(7))) // what it had comes late
			exportertest.Check(t, l.Complete(ctx, manual(1), 5, time.Now()))
			if got := exportertest.Entry(t, l, w); got.State != schemas.WindowCompleted || got.Rows != 5 || got.Via != schemas.ViaManual {
				t.Errorf("the window is %+v in the end", got)
			}
		})
	}
}

// TestImportIsByCompareAndSet: who writes meanwhile is not overwritten.
func TestImportIsByCompareAndSet(t *testing.T) {
	bucket := exportertest.NewBucket()
	l, _ := running(t, Options{Bucket: bucket, Publisher: &exportertest.Publisher{}})
	exportertest.Check(t, l.Plan(t.Context(), exportertest.Planned(exportertest.Hour(0), schemas.KindCDR)))
	var swaps atomic.Int64
	bucket.Intercept(func(op, key string) error {
		if op == "swap" && swaps.Add(1) == 1 {
			bucket.Touch(key)
		}
		return nil
	})
	if _, err := l.Import(t.Context(), manual(1), time.Now()); err != nil || swaps.Load() != 2 {
		t.Errorf("%d tries: %v", swaps.Load(), err)
	}
	bucket.Intercept(func(string, string) error { return exportertest.ErrBus })
	if _, err := l.Import(t.Context(), manual(2), time.Now()); !errors.Is(err, exportertest.ErrBus) {
		t.Errorf("without the bus: %v", err)
	}
}

func TestOverlapping(t *testing.T) {
	l, _ := running(t, Options{Bucket: exportertest.NewBucket(), Publisher: &exportertest.Publisher{}})
	for n := range 4 {
		exportertest.Check(t, l.Plan(t.Context(), exportertest.Planned(exportertest.Hour(n), schemas.KindCDR)))
	}
	minutes := func(from, to int) schemas.Window {
		at := func(m int) time.Time { return exportertest.NewYear.Add(time.Duration(m) * time.Minute) }
		return schemas.Window{From: at(from), To: at(to)}
	}
	for _, tt := range []struct{ from, to, want int }{{60, 120, 1}, {59, 120, 2}, {60, 121, 2}, {30, 40, 1}, {-60, 0, 0}, {240, 300, 0}, {-60, 300, 4}} {
		if got := l.Overlapping(exportertest.Acme, schemas.KindCDR, minutes(tt.from, tt.to)); len(got) != tt.want {
			t.Errorf("from minute %d to %d: %d windows, want %d", tt.from, tt.to, len(got), tt.want)
		}
	}
	if got := l.Overlapping(exportertest.Acme, schemas.KindSkill, minutes(0, 60)); len(got) != 0 {
		t.Errorf("%d windows of another kind", len(got))
	}
}
