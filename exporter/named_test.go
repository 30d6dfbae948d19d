package exporter

import (
	"context"
	"testing"
	"time"

	"aiccbridge/schemas"
)

// named is the n-th notice with the request for a window that it came for.
func named(n int, r schemas.WindowRequest) schemas.FileNotice {
	notice := notice(n)
	notice.Request = &r
	return notice
}

// TestNamedCallback: a callback whose address names its request is taken for its
// window at once, although the answer of the query is not there, or never comes.
func TestNamedCallback(t *testing.T) {
	unreachable := &schemas.Permanent{Reason: schemas.ReasonUnreachable, Err: errBus}
	at := func(l *Ledger) schemas.WindowRequest { return requestOf(entry(t, l, hour(0))) }
	tests := []struct {
		name  string
		do    func(t *testing.T, l *Ledger)
		state schemas.WindowState
		id    int // -1: none
		files int
		held  int // id of a notice that is held, 0 for none
	}{
		{"before the answer", func(t *testing.T, l *Ledger) {
			e := request(t, l, hour(0), -1)
			check(t, l.Accept(t.Context(), named(1, at(l))))
			check(t, l.answered(t.Context(), e, responseID(1)))
		}, schemas.WindowReady, 1, 1, 0},
		{"the answer is lost", func(t *testing.T, l *Ledger) {
			request(t, l, hour(0), -1)
			r := at(l)
			check(t, l.Accept(t.Context(), named(1, r)))
			check(t, l.Accept(t.Context(), named(1, r)))
			check(t, l.fail(t.Context(), schemas.WindowKey(acme, schemas.KindCDR, hour(0)), "", unreachable, newYear))
		}, schemas.WindowReady, 1, 1, 0},
		{"the answer was given up", func(t *testing.T, l *Ledger) {
			request(t, l, hour(0), -1)
			r := at(l)
			check(t, l.fail(t.Context(), schemas.WindowKey(acme, schemas.KindCDR, hour(0)), "", unreachable, newYear))
			check(t, l.Accept(t.Context(), named(1, r)))
		}, schemas.WindowReady, 1, 1, 0},
		{"the answer was a refusal", func(t *testing.T, l *Ledger) {
			e := request(t, l, hour(0), -1)
			r := at(l)
			check(t, l.putBack(t.Context(), e, newYear, errBus))
			check(t, l.Accept(t.Context(), named(1, r)))
		}, schemas.WindowReady, 1, 1, 0},
		{"of an earlier request", func(t *testing.T, l *Ledger) {
			request(t, l, hour(0), -1)
			r := at(l)
			check(t, l.fail(t.Context(), schemas.WindowKey(acme, schemas.KindCDR, hour(0)), "", unreachable, newYear))
			e := entry(t, l, hour(0))
			_, ok, err := l.requested(t.Context(), e, e.RequestedAt.Add(time.Hour), newYear)
			check(t, err)
			check(t, l.Accept(t.Context(), named(1, r)))
			if !ok || at(l) == r {
				t.Error("the second request has the name of the first")
			}
		}, schemas.WindowRequested, -1, 0, 0},
		{"with another id than the answer's", func(t *testing.T, l *Ledger) {
			request(t, l, hour(0), 2)
			check(t, l.Accept(t.Context(), named(1, at(l))))
		}, schemas.WindowRequested, 2, 0, 1},
		{"of a window that is not there", func(t *testing.T, l *Ledger) {
			request(t, l, hour(0), -1)
			r := at(l)
			r.Window = hour(9)
			check(t, l.Accept(t.Context(), named(1, r)))
		}, schemas.WindowRequested, -1, 0, 1},
		{"after it was completed", func(t *testing.T, l *Ledger) {
			request(t, l, hour(0), 1)
			r := at(l)
			check(t, l.Accept(t.Context(), named(1, r)))
			check(t, l.Accept(t.Context(), named(1, r)))
		}, schemas.WindowReady, 1, 1, 0},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			bucket, pub := newMemBucket(), &memPublisher{}
			l, _ := startLedger(t, LedgerOptions{Bucket: bucket, Publisher: pub})
			tt.do(t, l)
			e, want := entry(t, l, hour(0)), ""
			if tt.id >= 0 {
				want = responseID(tt.id)
			}
			if n := len(pub.of(schemas.TypeFileReady)); e.State != tt.state || e.ResponseID != want || n != tt.files {
				t.Errorf("the window is %s with id %q, %d files were handed over", e.State, e.ResponseID, n)
			}
			if held := bucket.has(schemas.UnmatchedKey(acme, responseID(1))); held != (tt.held == 1) {
				t.Errorf("notice held: %v", held)
			}
		})
	}
}

func TestRequestOfNothing(t *testing.T) {
	l, _ := startLedger(t, LedgerOptions{Bucket: newMemBucket(), Publisher: &memPublisher{}})
	if r := requestOf(entry(t, l, hour(0))); !r.At.IsZero() || r.Validate() == nil {
		t.Errorf("the request for a window that nobody asked for is %+v", r)
	}
}

// forgetful is a bus whose deduplication window has passed: it stores what it has
// once more, but can say what it has.
type forgetful struct{ *memPublisher }

func (f forgetful) Publish(ctx context.Context, m schemas.Message) error {
	f.mu.Lock()
	f.ids = nil
	f.mu.Unlock()
	return f.memPublisher.Publish(ctx, m)
}

type looking struct{ forgetful }

func (p looking) Stored(_ context.Context, m schemas.Message, since time.Time) (bool, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, s := range p.stored {
		if s.MsgID() == m.MsgID() && !s.Time.Before(since) {
			return true, nil
		}
	}
	return false, nil
}

// TestRedoAfterTheDedupeWindow: the bridge dies between a file's message and the
// ledger, and comes back long after.
func TestRedoAfterTheDedupeWindow(t *testing.T) {
	for _, looks := range []bool{true, false} {
		bucket, pub := newMemBucket(), &memPublisher{}
		var publisher Publisher = forgetful{pub}
		if looks {
			publisher = looking{forgetful{pub}}
		}
		l, _ := startLedger(t, LedgerOptions{Bucket: bucket, Publisher: publisher})
		request(t, l, hour(0), 1)
		bucket.intercept(func(op, _ string) error {
			if op == "swap" {
				return errBus
			}
			return nil
		})
		if l.Accept(t.Context(), notice(1)) == nil {
			t.Fatal("the ledger was written")
		}
		bucket.intercept(nil)
		check(t, l.Accept(t.Context(), notice(1)))
		if n := len(pub.of(schemas.TypeFileReady)); (n == 1) != looks {
			t.Errorf("looking %v: %d messages", looks, n)
		}
	}
}
