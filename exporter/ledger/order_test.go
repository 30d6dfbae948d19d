package ledger

import (
	"testing"
	"testing/synctest"
	"time"

	"aiccbridge/exporter/internal/exportertest"
	"aiccbridge/schemas"
)

// TestOrder: a window that is not there, one that failed and one that is complete are ordered;
// what comes by itself is left alone. Withdrawn, each is as it was; what is under way is
// finished.
func TestOrder(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		bucket := exportertest.NewBucket()
		l, _ := running(t, Options{Bucket: bucket, Publisher: &exportertest.Publisher{}, MaxAttempts: 1})
		now := time.Now().UTC()
		order := func(n int) bool {
			t.Helper()
			e := schemas.WindowEntry{Tenant: exportertest.Acme, Kind: schemas.KindCDR, Window: exportertest.Hour(n), Unplanned: n == 0}
			done, err := l.Order(t.Context(), e, "o1", now)
			exportertest.Check(t, err)
			return done
		}
		withdraw := func(n int, id string) bool {
			t.Helper()
			done, err := l.Withdraw(t.Context(), schemas.WindowKey(exportertest.Acme, schemas.KindCDR, exportertest.Hour(n)), id)
			exportertest.Check(t, err)
			return done
		}
		entry := func(n int) schemas.WindowEntry { return exportertest.Entry(t, l, exportertest.Hour(n)) }
		fail := func(n, id int) {
			t.Helper()
			exportertest.Check(t, l.GiveUp(t.Context(), entry(n).Key(), exportertest.ResponseID(id), refused, now))
		}
		exportertest.Request(t, l, exportertest.Hour(1), 1) // fails
		fail(1, 1)
		exportertest.Request(t, l, exportertest.Hour(2), 2) // complete
		exportertest.Check(t, l.Accept(t.Context(), exportertest.Notice(2)))
		f := schemas.FileReady{Tenant: exportertest.Acme, Kind: schemas.KindCDR, Window: exportertest.Hour(2), ResponseID: exportertest.ResponseID(2)}
		exportertest.Check(t, l.Complete(t.Context(), f, 7, now))
		exportertest.Request(t, l, exportertest.Hour(3), 3) // under way
		before := []schemas.WindowEntry{1: entry(1), 2: entry(2), 3: entry(3)}

		for n, want := range []bool{true, true, true, false} {
			if done := order(n); done != want || want != (entry(n).Backfill == "o1") || want && (!entry(n).DueAt.Equal(now) || entry(n).Attempts != 0) {
				t.Errorf("window %d: ordered is %t; %+v", n, done, entry(n))
			}
		}
		if e := entry(0); e.State != schemas.WindowPlanned || !e.Unplanned || !e.Backfilling() {
			t.Errorf("a window that was not there: %+v", e)
		}
		if entry(3).State != schemas.WindowRequested || entry(3).DueAt != before[3].DueAt {
			t.Errorf("under way: %+v", entry(3))
		}
		if withdraw(2, "o2") || withdraw(3, "o1") {
			t.Error("another order's window is withdrawn, or one that is under way")
		}
		for n := range 3 {
			if !withdraw(n, "o1") {
				t.Errorf("window %d is not withdrawn", n)
			}
		}
		synctest.Wait()
		if _, there, err := l.Entry(t.Context(), exportertest.Acme, schemas.KindCDR, exportertest.Hour(0)); err != nil || there {
			t.Errorf("a window that was not there is: %t, %v", there, err)
		}
		if e := entry(1); e.State != schemas.WindowFailed || !e.DueAt.IsZero() || e.Reason != before[1].Reason || e.Backfill != "" {
			t.Errorf("failed: %+v", e)
		}
		if e := entry(2); e.State != schemas.WindowCompleted || !e.DueAt.IsZero() || e.Rows != 7 || e.Backfill != "" {
			t.Errorf("complete: %+v", e)
		}
	})
}

// TestWithdrawFailed: what failed before an order or under it has failed for good without it,
// also when its request was put back in between; what has a time of its next extract is never
// ordered; a complete window stays complete.
func TestWithdrawFailed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l, _ := running(t, Options{Bucket: exportertest.NewBucket(), Publisher: &exportertest.Publisher{}, MaxAttempts: 2})
		now := time.Now().UTC()
		entry := func(n int) schemas.WindowEntry { return exportertest.Entry(t, l, exportertest.Hour(n)) }
		order := func(n int) bool {
			t.Helper()
			done, err := l.Order(t.Context(), schemas.WindowEntry{Tenant: exportertest.Acme, Kind: schemas.KindCDR, Window: exportertest.Hour(n)}, "o1", now)
			exportertest.Check(t, err)
			return done
		}
		try := func(n int, end func(e schemas.WindowEntry) error) {
			t.Helper()
			_, ok, err := l.Requested(t.Context(), entry(n), now, now.Add(time.Hour))
			if err != nil || !ok {
				t.Fatal(ok, err)
			}
			exportertest.Check(t, end(entry(n)))
		}
		fail := func(e schemas.WindowEntry) error { return l.GiveUp(t.Context(), e.Key(), "", refused, now) }
		putBack := func(e schemas.WindowEntry) error { return l.PutBack(t.Context(), e, now, refused.Err) }
		plan := schemas.WindowEntry{Tenant: exportertest.Acme, Kind: schemas.KindCDR, State: schemas.WindowPlanned, DueAt: now}
		for n := range 2 {
			plan.Window = exportertest.Hour(n)
			exportertest.Check(t, l.Plan(t.Context(), plan))
			try(n, fail)
		}
		if order(0) {
			t.Error("a window that is asked for again by itself is ordered")
		}
		try(0, fail) // for good
		try(1, fail)
		if !order(0) || !order(1) || !order(2) {
			t.Fatal("not ordered")
		}
		try(0, putBack)
		try(1, fail)
		try(2, fail)
		for n := range 3 {
			done, err := l.Withdraw(t.Context(), entry(n).Key(), "o1")
			if e := entry(n); err != nil || !done || e.State != schemas.WindowFailed || !e.DueAt.IsZero() || e.Reason != schemas.ReasonRefused || e.Backfill != "" {
				t.Errorf("window %d: %t, %v, %+v", n, done, err, e)
			}
		}
	})
}

// TestOrdersEnd: a window that is swept again is no part of the order that made it complete, and
// one that was withdrawn, or has gone, while it was picked is not asked for.
func TestOrdersEnd(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l, _ := running(t, Options{Bucket: exportertest.NewBucket(), Publisher: &exportertest.Publisher{}})
		now, w := time.Now().UTC(), exportertest.Hour(0)
		e := schemas.WindowEntry{Tenant: exportertest.Acme, Kind: schemas.KindCDR, Window: w}
		order := func() schemas.WindowEntry {
			t.Helper()
			if done, err := l.Order(t.Context(), e, "o1", now); err != nil || !done {
				t.Fatal(done, err)
			}
			return exportertest.Entry(t, l, w)
		}
		request := func(picked schemas.WindowEntry) bool {
			t.Helper()
			_, ok, err := l.Requested(t.Context(), picked, now, now.Add(time.Hour))
			exportertest.Check(t, err)
			return ok
		}
		picked := order()
		if done, err := l.Withdraw(t.Context(), picked.Key(), "o1"); err != nil || !done {
			t.Fatal(done, err)
		}
		if request(picked) {
			t.Error("a window that has gone is asked for")
		}
		if !request(order()) {
			t.Fatal("not asked for")
		}
		exportertest.Check(t, l.Answered(t.Context(), exportertest.Entry(t, l, w), exportertest.ResponseID(1)))
		exportertest.Check(t, l.Accept(t.Context(), exportertest.Notice(1)))
		f := schemas.FileReady{Tenant: exportertest.Acme, Kind: schemas.KindCDR, Window: w, ResponseID: exportertest.ResponseID(1)}
		exportertest.Check(t, l.Complete(t.Context(), f, 7, now))
		if e := exportertest.Entry(t, l, w); e.Backfill != "o1" || e.Backfilling() {
			t.Errorf("complete: %+v", e)
		}
		picked = order()
		if done, err := l.Withdraw(t.Context(), picked.Key(), "o1"); err != nil || !done {
			t.Fatal(done, err)
		}
		if request(picked) {
			t.Error("a window that was withdrawn is asked for")
		}
		order()
		if !request(exportertest.Entry(t, l, w)) || exportertest.Entry(t, l, w).Backfill != "o1" {
			t.Error("not asked for by its order")
		}
		exportertest.Check(t, l.Answered(t.Context(), exportertest.Entry(t, l, w), exportertest.ResponseID(2)))
		exportertest.Check(t, l.Accept(t.Context(), exportertest.Notice(2)))
		f.ResponseID = exportertest.ResponseID(2)
		exportertest.Check(t, l.Complete(t.Context(), f, 7, now))
		if !request(exportertest.Entry(t, l, w)) || exportertest.Entry(t, l, w).Backfill != "" { // a re-sweep
			t.Errorf("swept again: %+v", exportertest.Entry(t, l, w))
		}
	})
}

// TestWithdrawRefused: an ordered window whose request the platform did not take is planned; it
// is as it was all the same when the order is withdrawn.
func TestWithdrawRefused(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l, _ := running(t, Options{Bucket: exportertest.NewBucket(), Publisher: &exportertest.Publisher{}})
		now, w := time.Now().UTC(), exportertest.Hour(0)
		exportertest.Request(t, l, w, 1)
		exportertest.Check(t, l.Accept(t.Context(), exportertest.Notice(1)))
		f := schemas.FileReady{Tenant: exportertest.Acme, Kind: schemas.KindCDR, Window: w, ResponseID: exportertest.ResponseID(1)}
		exportertest.Check(t, l.Complete(t.Context(), f, 7, now))
		e := exportertest.Entry(t, l, w)
		if done, err := l.Order(t.Context(), e, "o1", now); err != nil || !done {
			t.Fatal(done, err)
		}
		e = exportertest.Entry(t, l, w)
		_, ok, err := l.Requested(t.Context(), e, now, now.Add(time.Hour))
		if err != nil || !ok {
			t.Fatal(ok, err)
		}
		exportertest.Check(t, l.PutBack(t.Context(), e, now, refused.Err))
		if done, err := l.Withdraw(t.Context(), e.Key(), "o1"); err != nil || !done {
			t.Fatal(done, err)
		}
		if e := exportertest.Entry(t, l, w); e.State != schemas.WindowCompleted || e.Rows != 7 || e.Attempts != 0 || !e.DueAt.IsZero() {
			t.Errorf("%+v", e)
		}
	})
}
