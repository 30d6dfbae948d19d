package ledger

import (
	"testing"
	"testing/synctest"
	"time"

	"aiccbridge/exporter/internal/exportertest"
	"aiccbridge/schemas"
)

// TestRectify: what a clock that was ahead wrote is put right; what the present one can
// have written stays.
func TestRectify(t *testing.T) {
	const asked, year = 15 * time.Minute, 365 * 24 * time.Hour
	w := exportertest.Hour(0)
	now := w.To.Add(time.Hour)
	fresh := w.To.Add(10 * time.Minute)
	overdue, refused := schemas.ReasonOverdue, schemas.ReasonRefused
	for name, tc := range map[string]struct {
		state    schemas.WindowState
		attempts int
		reason   schemas.Reason
		asked    time.Time
		due      time.Time // zero: none
		wantDue  time.Time // as due: nothing changes
		want     schemas.WindowState
	}{
		"planned":                        {schemas.WindowPlanned, 0, "", time.Time{}, fresh, fresh, schemas.WindowPlanned},
		"planned, put back just now":     {schemas.WindowPlanned, 0, "", now, now, now, schemas.WindowPlanned},
		"planned for next year":          {schemas.WindowPlanned, 0, "", time.Time{}, now.Add(year), now, schemas.WindowPlanned},
		"requested":                      {schemas.WindowRequested, 1, "", now, now.Add(asked), now.Add(asked), schemas.WindowRequested},
		"requested, another's clock":     {schemas.WindowRequested, 1, "", now, now.Add(asked + time.Second), now.Add(asked + time.Second), schemas.WindowRequested},
		"requested, due next year":       {schemas.WindowRequested, 1, "", now, now.Add(year), now.Add(asked), schemas.WindowRequested},
		"ready":                          {schemas.WindowReady, 1, "", now, now.Add(2 * time.Hour), now.Add(2 * time.Hour), schemas.WindowReady},
		"ready, due tomorrow":            {schemas.WindowReady, 1, "", now, now.Add(24 * time.Hour), now.Add(2 * time.Hour), schemas.WindowReady},
		"failed":                         {schemas.WindowFailed, 1, overdue, now, now.Add(time.Minute), now.Add(time.Minute), schemas.WindowFailed},
		"failed, due in an hour":         {schemas.WindowFailed, 1, overdue, now, now.Add(time.Hour), now.Add(time.Minute), schemas.WindowFailed},
		"failed often":                   {schemas.WindowFailed, 5, overdue, now, now.Add(6 * time.Hour), now.Add(6 * time.Hour), schemas.WindowFailed},
		"failed often, due next year":    {schemas.WindowFailed, 5, overdue, now, now.Add(year), now.Add(6 * time.Hour), schemas.WindowFailed},
		"failed often, given up":         {schemas.WindowFailed, 5, overdue, now, time.Time{}, now, schemas.WindowFailed},
		"refused, given up":              {schemas.WindowFailed, 5, refused, now, time.Time{}, time.Time{}, schemas.WindowFailed},
		"failed, asked for next year":    {schemas.WindowFailed, 5, refused, now.Add(year), time.Time{}, fresh, schemas.WindowPlanned},
		"complete":                       {schemas.WindowCompleted, 0, "", now, time.Time{}, time.Time{}, schemas.WindowCompleted},
		"complete, asked for next month": {schemas.WindowCompleted, 0, "", now.Add(year / 12), time.Time{}, fresh, schemas.WindowPlanned},
	} {
		t.Run(name, func(t *testing.T) {
			l, _ := running(t, Options{Bucket: exportertest.NewBucket(), Publisher: &exportertest.Publisher{}})
			e := exportertest.Planned(w, schemas.KindCDR)
			exportertest.Check(t, l.Plan(t.Context(), e))
			exportertest.Check(t, l.change(t.Context(), e.Key(), func(e *schemas.WindowEntry) bool {
				e.State, e.Attempts, e.Reason, e.RequestedAt, e.DueAt = tc.state, tc.attempts, tc.reason, tc.asked, tc.due
				e.ResponseID, e.FileName = exportertest.ResponseID(1), "20260101_"+exportertest.ResponseID(1)+".zip"
				return true
			}))
			before := exportertest.Entry(t, l, w)
			if amiss := l.Amiss(before, now, asked, fresh); amiss != !tc.wantDue.Equal(tc.due) {
				t.Errorf("amiss: %t", amiss)
			}
			exportertest.Check(t, l.Rectify(t.Context(), before, now, asked, fresh))
			e = exportertest.Entry(t, l, w)
			if e.State != tc.want || !e.DueAt.Equal(tc.wantDue) {
				t.Errorf("%s due %s, want %s due %s", e.State, e.DueAt, tc.want, tc.wantDue)
			}
			if l.Amiss(e, now, asked, fresh) {
				t.Error("it is amiss still")
			}
		})
	}
}

// TestRectifyBeforeTheEnd: a window that was complete before its end was not, and what its extracts
// brought is not known.
func TestRectifyBeforeTheEnd(t *testing.T) {
	w := exportertest.Hour(0)
	e := exportertest.Planned(w, schemas.KindCDR)
	e.State, e.RequestedAt, e.CompletedAt, e.Rows = schemas.WindowCompleted, w.To.Add(time.Minute), w.To.Add(time.Minute), 5
	e.Extracts = []schemas.Extracted{{RequestedAt: e.RequestedAt, New: 5}}
	l, _ := running(t, Options{Bucket: exportertest.NewBucket(), Publisher: &exportertest.Publisher{}})
	if !l.rectify(&e, w.From, time.Minute, w.To) || !e.CompletedAt.IsZero() || e.Rows != 0 || e.Extracts != nil {
		t.Errorf("it is %+v", e)
	}
}

// TestNoticeFromTheFuture: a notice without a request is held for a day from now, not until
// the year that a wrong clock wrote.
func TestNoticeFromTheFuture(t *testing.T) { synctest.Test(t, noticeFromTheFuture) }

func noticeFromTheFuture(t *testing.T) {
	pub := &exportertest.Publisher{}
	l, _ := running(t, Options{Bucket: exportertest.NewBucket(), Publisher: pub})
	n := exportertest.Notice(1)
	now := n.ReceivedAt
	n.ReceivedAt = now.Add(365 * 24 * time.Hour)
	exportertest.Check(t, l.Accept(t.Context(), n))
	follows := func(at time.Time) { // the copy in memory
		synctest.Wait()
		if held := l.held(exportertest.Acme)[schemas.UnmatchedKey(exportertest.Acme, n.ResponseID)]; !held.ReceivedAt.Equal(at) {
			t.Fatalf("held since %s, want %s", held.ReceivedAt, at)
		}
	}
	follows(n.ReceivedAt)
	for _, wait := range []time.Duration{0, time.Hour, 23 * time.Hour, 25 * time.Hour} {
		exportertest.Check(t, l.SettleNotices(t.Context(), exportertest.Acme, now.Add(wait)))
		if wait == 0 {
			follows(now)
		}
		if n := len(pub.Of(schemas.TypeDeadLetter)); n != 0 && wait < 24*time.Hour || n != 1 && wait > 24*time.Hour {
			t.Errorf("after %s there are %d dead letters", wait, n)
		}
	}
}
