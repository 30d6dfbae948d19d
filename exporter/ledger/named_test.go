package ledger

import (
	"testing"
	"time"

	"aiccbridge/exporter/internal/exportertest"
	"aiccbridge/schemas"
)

// named is the n-th notice with the request for a window that it came for.
func named(n int, r schemas.WindowRequest) schemas.FileNotice {
	notice := exportertest.Notice(n)
	notice.Request = &r
	return notice
}

// TestNamedCallback: a callback whose address names its request is taken for its
// window at once, although the answer of the query is not there, or never comes.
func TestNamedCallback(t *testing.T) {
	unreachable := &schemas.Permanent{Reason: schemas.ReasonUnreachable, Err: exportertest.ErrBus}
	at := func(l *Ledger) schemas.WindowRequest {
		return requestOf(exportertest.Entry(t, l, exportertest.Hour(0)))
	}
	tests := []struct {
		name  string
		do    func(t *testing.T, l *Ledger)
		state schemas.WindowState
		id    int // -1: none
		files int
		held  int // id of a notice that is held, 0 for none
	}{
		{"before the answer", func(t *testing.T, l *Ledger) {
			e := exportertest.Request(t, l, exportertest.Hour(0), -1)
			exportertest.Check(t, l.Accept(t.Context(), named(1, at(l))))
			exportertest.Check(t, l.Answered(t.Context(), e, exportertest.ResponseID(1)))
		}, schemas.WindowReady, 1, 1, 0},
		{"the answer is lost", func(t *testing.T, l *Ledger) {
			exportertest.Request(t, l, exportertest.Hour(0), -1)
			r := at(l)
			exportertest.Check(t, l.Accept(t.Context(), named(1, r)))
			exportertest.Check(t, l.Accept(t.Context(), named(1, r)))
			exportertest.Check(t, l.GiveUp(t.Context(), schemas.WindowKey(exportertest.Acme, schemas.KindCDR, exportertest.Hour(0)), "", unreachable, exportertest.NewYear))
		}, schemas.WindowReady, 1, 1, 0},
		{"the answer was given up", func(t *testing.T, l *Ledger) {
			exportertest.Request(t, l, exportertest.Hour(0), -1)
			r := at(l)
			exportertest.Check(t, l.GiveUp(t.Context(), schemas.WindowKey(exportertest.Acme, schemas.KindCDR, exportertest.Hour(0)), "", unreachable, exportertest.NewYear))
			exportertest.Check(t, l.Accept(t.Context(), named(1, r)))
		}, schemas.WindowReady, 1, 1, 0},
		{"the answer was a refusal", func(t *testing.T, l *Ledger) {
			e := exportertest.Request(t, l, exportertest.Hour(0), -1)
			r := at(l)
			exportertest.Check(t, l.PutBack(t.Context(), e, exportertest.NewYear, exportertest.ErrBus))
			exportertest.Check(t, l.Accept(t.Context(), named(1, r)))
		}, schemas.WindowReady, 1, 1, 0},
		{"of an earlier request", func(t *testing.T, l *Ledger) {
			exportertest.Request(t, l, exportertest.Hour(0), -1)
			r := at(l)
			exportertest.Check(t, l.GiveUp(t.Context(), schemas.WindowKey(exportertest.Acme, schemas.KindCDR, exportertest.Hour(0)), "", unreachable, exportertest.NewYear))
			e := exportertest.Entry(t, l, exportertest.Hour(0))
			_, ok, err := l.Requested(t.Context(), e, e.RequestedAt.Add(time.Hour), exportertest.NewYear)
			exportertest.Check(t, err)
			exportertest.Check(t, l.Accept(t.Context(), named(1, r)))
			if !ok || at(l) == r {
				t.Error("the second request has the name of the first")
			}
		}, schemas.WindowRequested, -1, 0, 0},
		{"with another id than the answer's", func(t *testing.T, l *Ledger) {
			exportertest.Request(t, l, exportertest.Hour(0), 2)
			exportertest.Check(t, l.Accept(t.Context(), named(1, at(l))))
		}, schemas.WindowRequested, 2, 0, 1},
		{"of a window that is not there", func(t *testing.T, l *Ledger) {
			exportertest.Request(t, l, exportertest.Hour(0), -1)
			r := at(l)
			r.Window = exportertest.Hour(9)
			exportertest.Check(t, l.Accept(t.Context(), named(1, r)))
		}, schemas.WindowRequested, -1, 0, 1},
		{"after it was completed", func(t *testing.T, l *Ledger) {
			exportertest.Request(t, l, exportertest.Hour(0), 1)
			r := at(l)
			exportertest.Check(t, l.Accept(t.Context(), named(1, r)))
			exportertest.Check(t, l.Accept(t.Context(), named(1, r)))
		}, schemas.WindowReady, 1, 1, 0},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			bucket, pub := exportertest.NewBucket(), &exportertest.Publisher{}
			l, _ := running(t, Options{Bucket: bucket, Publisher: pub})
			tt.do(t, l)
			e, want := exportertest.Entry(t, l, exportertest.Hour(0)), ""
			if tt.id >= 0 {
				want = exportertest.ResponseID(tt.id)
			}
			if n := len(pub.Of(schemas.TypeFileReady)); e.State != tt.state || e.ResponseID != want || n != tt.files {
				t.Errorf("the window is %s with id %q, %d files were handed over", e.State, e.ResponseID, n)
			}
			if held := bucket.Has(schemas.UnmatchedKey(exportertest.Acme, exportertest.ResponseID(1))); held != (tt.held == 1) {
				t.Errorf("notice held: %v", held)
			}
		})
	}
}

func TestRequestOfNothing(t *testing.T) {
	l, _ := running(t, Options{Bucket: exportertest.NewBucket(), Publisher: &exportertest.Publisher{}})
	if r := requestOf(exportertest.Entry(t, l, exportertest.Hour(0))); !r.At.IsZero() || r.Validate() == nil {
		t.Errorf("the request for a window that nobody asked for is %+v", r)
	}
}

// TestRedoAfterTheDedupeWindow: the bridge dies between a file's message and the
// ledger, and comes back long after.
func TestRedoAfterTheDedupeWindow(t *testing.T) {
	for _, looks := range []bool{true, false} {
		bucket, pub := exportertest.NewBucket(), &exportertest.Publisher{Forgets: true, Knows: looks}
		l, _ := running(t, Options{Bucket: bucket, Publisher: pub})
		exportertest.Request(t, l, exportertest.Hour(0), 1)
		bucket.Intercept(func(op, _ string) error {
			if op == "swap" {
				return exportertest.ErrBus
			}
			return nil
		})
		if l.Accept(t.Context(), exportertest.Notice(1)) == nil {
			t.Fatal("the ledger was written")
		}
		bucket.Intercept(nil)
		exportertest.Check(t, l.Accept(t.Context(), exportertest.Notice(1)))
		if n := len(pub.Of(schemas.TypeFileReady)); (n == 1) != looks {
			t.Errorf("looking %v: %d messages", looks, n)
		}
	}
}
