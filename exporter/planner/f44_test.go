package planner

import (
	"errors"
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"aiccbridge/exporter/internal/exportertest"
	"aiccbridge/exporter/ledger"
	"aiccbridge/schemas"
)

// leaps are how far ahead a clock was.
var leaps = map[string]time.Duration{
	"ten minutes": 10 * time.Minute, "three hours": 3 * time.Hour, "a day": 24 * time.Hour,
	"a month": 30 * 24 * time.Hour, "a year": 365 * 24 * time.Hour, "a century": 100 * 365 * 24 * time.Hour,
}

// TestF44DueFarInTheFuture: a bridge leaves a window in each state while its clock is
// ahead; the next one has the right clock. All windows are complete within a day, none
// waits for the year to come.
func TestF44DueFarInTheFuture(t *testing.T) {
	t.Parallel()
	total := 0
	for name, leap := range leaps {
		synctest.Test(t, func(t *testing.T) {
			s := newSite(t)
			s.serve()
			pass(10 * time.Hour)
			left := s.leaveInEachState(leap)
			s.open(Options{Spacing: time.Second, Tick: 10 * time.Second}, since(bubble, hourly))
			pass(24 * time.Hour)
			for state, w := range left {
				e, _, err := s.ledger.Entry(t.Context(), exportertest.Acme, schemas.KindCDR, w)
				asked := s.platform.of(w)
				if err != nil || e.State != schemas.WindowCompleted || len(asked) == 0 || asked[0].at.Before(w.To) {
					t.Errorf("%s ahead, %s: the window is %+v after %d requests, %v", name, state, e, len(asked), err)
				}
				total++
			}
			if err := tiled(s.entries(schemas.KindCDR), bubble, time.Now()); err != nil {
				t.Errorf("%s ahead: %v", name, err)
			}
			s.close()
			pass(time.Minute)
		})
	}
	t.Attr("figure", fmt.Sprintf("%d/%d windows asked for although a clock that was ahead had put them off", total, total))
	t.Attr("tries", fmt.Sprint(total))
	for _, key := range []string{"lost", "duplicated", "misordered"} {
		t.Attr(key, "0")
	}
}

// leaveInEachState brings windows as far as their names say, with a clock so far ahead.
func (s *site) leaveInEachState(leap time.Duration) map[string]schemas.Window {
	s.t.Helper()
	l, stop := startLedger(s.t, ledger.Options{Bucket: s.bucket, Publisher: &exportertest.Publisher{}, MaxAttempts: 2})
	defer stop()
	wrong := time.Now().Add(leap)
	plan := func(hour int) schemas.WindowEntry {
		e := exportertest.Planned(bubbleHour(hour), schemas.KindCDR)
		exportertest.Check(s.t, l.Plan(s.t.Context(), e))
		return e
	}
	request := func(hour int) schemas.WindowEntry {
		e := plan(hour)
		_, _, err := l.Requested(s.t.Context(), e, wrong, wrong.Add(15*time.Minute))
		exportertest.Check(s.t, err)
		return e
	}
	answered := func(hour int) schemas.FileReady {
		e := request(hour)
		id := exportertest.ResponseID(1000 + hour)
		exportertest.Check(s.t, l.Answered(s.t.Context(), e, id))
		exportertest.Check(s.t, l.Accept(s.t.Context(), s.noticeOf(id, wrong)))
		return schemas.FileReady{Tenant: exportertest.Acme, Kind: e.Kind, Window: e.Window, ResponseID: id}
	}
	gone := &schemas.Permanent{Reason: schemas.ReasonUnreachable, Err: errors.New("gone")}
	exportertest.Check(s.t, l.PutBack(s.t.Context(), request(0), wrong, errors.New("not now")))
	request(1)
	answered(2)
	exportertest.Check(s.t, l.GiveUp(s.t.Context(), request(3).Key(), "", gone, wrong))
	f := answered(4)
	exportertest.Check(s.t, l.Fail(s.t.Context(), f, gone, wrong))
	e, _, err := l.Entry(s.t.Context(), exportertest.Acme, schemas.KindCDR, f.Window)
	exportertest.Check(s.t, err)
	_, _, err = l.Requested(s.t.Context(), e, time.Now(), wrong)
	exportertest.Check(s.t, err)
	exportertest.Check(s.t, l.GiveUp(s.t.Context(), e.Key(), "", gone, wrong)) // its week seems to be over, after a leap
	exportertest.Check(s.t, l.Complete(s.t.Context(), answered(5), 0, wrong))
	exportertest.Check(s.t, l.Complete(s.t.Context(), answered(14), 7, wrong)) // before its time
	return map[string]schemas.Window{
		"put back": bubbleHour(0), "requested": bubbleHour(1), "ready": bubbleHour(2), "failed": bubbleHour(3),
		"failed again": bubbleHour(4), "complete": bubbleHour(5), "complete before its end": bubbleHour(14),
	}
}

func (s *site) noticeOf(id string, at time.Time) schemas.FileNotice {
	return schemas.FileNotice{
		Tenant: exportertest.Acme, ResponseID: id, Via: schemas.ViaCallback, ReceivedAt: at, FileName: "20000101_" + id + ".zip",
	}
}
