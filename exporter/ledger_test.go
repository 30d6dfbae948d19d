package exporter

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"aiccbridge/schemas"
)

func TestTenCallbacksAtOnceAreOneFile(t *testing.T) {
	bucket, pub := newMemBucket(), &memPublisher{}
	l, _ := startLedger(t, LedgerOptions{Bucket: bucket, Publisher: pub})
	request(t, l, hour(0), 1)
	var all sync.WaitGroup
	for range 10 {
		all.Go(func() {
			if err := l.Accept(t.Context(), notice(1)); err != nil {
				t.Error(err)
			}
		})
	}
	all.Wait()
	if n := len(pub.of(schemas.TypeFileReady)); n != 1 {
		t.Errorf("%d messages, want 1", n)
	}
	if e := entry(t, l, hour(0)); e.State != schemas.WindowReady || e.FileName != notice(1).FileName || e.ReadyAt != notice(1).ReceivedAt {
		t.Errorf("entry is %+v", e)
	}
}

// TestThousandCallbacksTenTimes gives every callback ten times to two bridges.
// TestF09RepeatedCallbacks gives a thousand callbacks ten times each, at the same
// time and to two bridges.
func TestF09RepeatedCallbacks(t *testing.T) {
	const windows = 1000
	bucket, pub := newMemBucket(), &memPublisher{}
	first, _ := startLedger(t, LedgerOptions{Bucket: bucket, Publisher: pub})
	second, _ := startLedger(t, LedgerOptions{Bucket: bucket, Publisher: pub})
	for i := range windows {
		request(t, first, hour(i), i)
	}
	var answered atomic.Int64
	var all sync.WaitGroup
	for worker := range 10 {
		l := []*Ledger{first, second}[worker%2]
		all.Go(func() {
			for i := range windows {
				if err := l.Accept(t.Context(), notice((i*7+worker*131)%windows)); err != nil {
					t.Error(err)
					continue
				}
				answered.Add(1)
			}
		})
	}
	all.Wait()
	check(t, first.settleNotices(t.Context(), acme, newYear.Add(3*time.Hour)))
	if n := len(pub.of(schemas.TypeFileReady)); n != windows {
		t.Errorf("%d effects of %d callbacks, want %d", n, 10*windows, windows)
	}
	for i := range windows {
		if e := entry(t, first, hour(i)); e.State != schemas.WindowReady {
			t.Fatalf("window %d is %s", i, e.State)
		}
		if bucket.has(schemas.UnmatchedKey(acme, responseID(i))) {
			t.Fatalf("notice %d is still held", i)
		}
	}
	t.Attr("figure", fmt.Sprintf("%d effects, %d answered", len(pub.of(schemas.TypeFileReady)), answered.Load()))
	t.Attr("tries", fmt.Sprint(10*windows))
}

// TestCallbackOvertakesAnswer runs Accept and answered in every order.
func TestCallbackOvertakesAnswer(t *testing.T) {
	held := schemas.UnmatchedKey(acme, responseID(1))
	tests := map[string]func(t *testing.T, b *memBucket, l *Ledger, e schemas.WindowEntry){
		"callback first": func(t *testing.T, _ *memBucket, l *Ledger, e schemas.WindowEntry) {
			check(t, l.Accept(t.Context(), notice(1)))
			check(t, l.answered(t.Context(), e, responseID(1)))
		},
		"answer while the callback is being stored": func(t *testing.T, b *memBucket, l *Ledger, e schemas.WindowEntry) {
			b.intercept(func(op, key string) error {
				if op != "swap" || key != held {
					return nil
				}
				b.intercept(nil)
				return l.answered(t.Context(), e, responseID(1))
			})
			check(t, l.Accept(t.Context(), notice(1)))
		},
		"callback while the answer looks for it": func(t *testing.T, b *memBucket, l *Ledger, e schemas.WindowEntry) {
			b.intercept(func(op, key string) error {
				if op != "get" || key != held {
					return nil
				}
				b.intercept(nil)
				return l.Accept(t.Context(), notice(1))
			})
			check(t, l.answered(t.Context(), e, responseID(1)))
		},
	}
	for name, run := range tests {
		t.Run(name, func(t *testing.T) {
			bucket, pub := newMemBucket(), &memPublisher{}
			l, _ := startLedger(t, LedgerOptions{Bucket: bucket, Publisher: pub})
			run(t, bucket, l, request(t, l, hour(0), -1))
			if e := entry(t, l, hour(0)); e.State != schemas.WindowReady || len(pub.of(schemas.TypeFileReady)) != 1 {
				t.Errorf("window is %s after %d messages", e.State, len(pub.of(schemas.TypeFileReady)))
			}
			if bucket.has(held) {
				t.Error("the notice is still held")
			}
		})
	}
}

func TestCallbackAfterRestart(t *testing.T) {
	bucket, pub := newMemBucket(), &memPublisher{}
	restart := func() *Ledger {
		l, stop := startLedger(t, LedgerOptions{Bucket: bucket, Publisher: pub})
		t.Cleanup(stop)
		return l
	}
	l := restart()
	request(t, l, hour(0), 1)
	waiting := request(t, l, hour(1), -1)
	check(t, restart().Accept(t.Context(), notice(1)))
	check(t, restart().Accept(t.Context(), notice(2))) // its answer is still to come
	l = restart()
	check(t, l.answered(t.Context(), waiting, responseID(2)))
	for i := range 2 {
		if e := entry(t, l, hour(i)); e.State != schemas.WindowReady {
			t.Errorf("window %d is %s", i, e.State)
		}
	}
	// A crash after the answer was written and before its callback was looked for.
	crashed := request(t, l, hour(2), -1)
	check(t, l.Accept(t.Context(), notice(3)))
	bucket.intercept(func(op, key string) error {
		if op == "get" && strings.Contains(key, "unmatched") {
			return errBus
		}
		return nil
	})
	if err := l.answered(t.Context(), crashed, responseID(3)); !errors.Is(err, errBus) {
		t.Fatalf("answered: %v", err)
	}
	bucket.intercept(nil)
	l = restart()
	check(t, l.settleNotices(t.Context(), acme, newYear))
	if e := entry(t, l, hour(2)); e.State != schemas.WindowReady || len(pub.of(schemas.TypeFileReady)) != 3 {
		t.Errorf("window is %s after %d messages", e.State, len(pub.of(schemas.TypeFileReady)))
	}
}

func TestCallbackOfAbandonedExtract(t *testing.T) {
	bucket, pub := newMemBucket(), &memPublisher{}
	l, _ := startLedger(t, LedgerOptions{Bucket: bucket, Publisher: pub})
	e := request(t, l, hour(0), 1)
	check(t, l.fail(t.Context(), e.Key(), e.ResponseID, refusal(errBus), newYear))
	e = request(t, l, hour(0), 2)
	check(t, l.Accept(t.Context(), notice(1)))
	if got := entry(t, l, hour(0)); got.State != e.State || got.ResponseID != responseID(2) || len(got.Past) != 1 || got.Past[0] != responseID(1) {
		t.Errorf("the entry is %+v", got)
	}
	if pub.count() != 0 || bucket.has(schemas.UnmatchedKey(acme, responseID(1))) {
		t.Error("the callback of a given-up extract had an effect")
	}
	if !l.Knows(acme, responseID(1)) || !l.Knows(acme, responseID(2)) || l.Knows("other", responseID(2)) || l.Knows(acme, responseID(3)) {
		t.Error("want to know the newest extract and the given-up one, of this tenant")
	}
}

func TestUnknownCallbackIsParked(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		bucket, pub := newMemBucket(), &memPublisher{}
		l, _ := startLedger(t, LedgerOptions{Bucket: bucket, Publisher: pub})
		startPlanner(t, PlannerOptions{Ledger: l, Query: (&platform{}).query})
		n := notice(9)
		n.ReceivedAt = time.Now()
		check(t, l.Accept(t.Context(), n))
		key := schemas.UnmatchedKey(acme, responseID(9))
		pass(holdUnmatched - time.Minute)
		if !bucket.has(key) || pub.count() != 0 {
			t.Error("the notice was parked early")
		}
		pass(2 * time.Minute)
		parked := pub.of(schemas.TypeDeadLetter)
		if len(parked) != 1 || !strings.HasSuffix(parked[0].Subject, ".unknown_response") || bucket.has(key) {
			t.Errorf("parked %d notices, still held %v", len(parked), bucket.has(key))
		}
	})
}

// TestOldNoticeIsMatchedNotParked: a bridge that was away for days finds the
// notice and the answer that belongs to it.
func TestOldNoticeIsMatchedNotParked(t *testing.T) {
	bucket, pub := newMemBucket(), &memPublisher{}
	l, _ := startLedger(t, LedgerOptions{Bucket: bucket, Publisher: pub})
	e := request(t, l, hour(0), -1)
	check(t, l.Accept(t.Context(), notice(1)))
	check(t, l.change(t.Context(), e.Key(), func(e *schemas.WindowEntry) bool {
		e.ResponseID = responseID(1)
		return true
	}))
	restarted, _ := startLedger(t, LedgerOptions{Bucket: bucket, Publisher: pub})
	check(t, restarted.settleNotices(t.Context(), acme, newYear.Add(100*time.Hour)))
	if n := len(pub.of(schemas.TypeDeadLetter)); n != 0 || entry(t, restarted, hour(0)).State != schemas.WindowReady {
		t.Errorf("%d dead letters, window %s", n, entry(t, restarted, hour(0)).State)
	}
}

// acceptAfterCrash gives a callback to a ledger whose publisher or bucket fails
// in the middle, then again to a new one, and reports what is missing.
func acceptAfterCrash(t *testing.T, crash func(*memBucket, *memPublisher)) error {
	bucket, pub := newMemBucket(), &memPublisher{}
	l, _ := startLedger(t, LedgerOptions{Bucket: bucket, Publisher: pub})
	request(t, l, hour(0), 1)
	crash(bucket, pub)
	if l.Accept(t.Context(), notice(1)) == nil {
		return errors.New("the callback was answered with success before it was stored")
	}
	again, _ := startLedger(t, LedgerOptions{Bucket: bucket, Publisher: pub})
	if err := again.Accept(t.Context(), notice(1)); err != nil {
		return err
	}
	if n := len(pub.of(schemas.TypeFileReady)); n != 1 {
		return errors.New("the file was not handed over once")
	}
	if entry(t, again, hour(0)).State != schemas.WindowReady {
		return errors.New("the window is not ready")
	}
	return nil
}

func TestCrashBetweenMessageAndLedger(t *testing.T) {
	noMessage := func(_ *memBucket, p *memPublisher) {
		f := failing(1, errBus)
		p.before = func(schemas.Message) error { return f() }
	}
	noAnswer := func(_ *memBucket, p *memPublisher) {
		f := failing(1, errBus)
		p.after = func(schemas.Message) error { return f() }
	}
	noLedger := func(b *memBucket, _ *memPublisher) {
		f := failing(1, errBus)
		b.intercept(func(op, _ string) error {
			if op == "swap" {
				return f()
			}
			return nil
		})
	}
	for name, crash := range map[string]func(*memBucket, *memPublisher){"message": noMessage, "answer": noAnswer, "ledger": noLedger} {
		if err := acceptAfterCrash(t, crash); err != nil {
			t.Errorf("%s fails: %v", name, err)
		}
	}
}

func TestLedgerSurvivesConflicts(t *testing.T) {
	bucket, pub := newMemBucket(), &memPublisher{}
	first, _ := startLedger(t, LedgerOptions{Bucket: bucket, Publisher: pub})
	second, _ := startLedger(t, LedgerOptions{Bucket: bucket, Publisher: pub})
	e := request(t, first, hour(0), 1)
	f := schemas.FileReady{Tenant: acme, Kind: schemas.KindCDR, Window: hour(0), ResponseID: responseID(1)}
	conflicts := 0
	bucket.intercept(func(op, key string) error {
		if op != "swap" || conflicts == 5 {
			return nil
		}
		conflicts++
		bucket.mu.Lock()
		bucket.write(key, bucket.keys[key].value) // somebody was faster
		bucket.mu.Unlock()
		return nil
	})
	check(t, second.Complete(t.Context(), f, 7, newYear))
	bucket.intercept(nil)
	if got := entry(t, first, hour(0)); got.State != schemas.WindowCompleted || got.Rows != 7 || conflicts != 5 {
		t.Errorf("after %d conflicts the entry is %+v", conflicts, got)
	}
	// What came too late, or belongs to another extract, changes nothing.
	check(t, first.fail(t.Context(), e.Key(), responseID(1), refusal(errBus), newYear))
	check(t, first.Accept(t.Context(), notice(1)))
	check(t, second.Complete(t.Context(), f, 8, newYear))
	if got := entry(t, first, hour(0)); got.State != schemas.WindowCompleted || got.Rows != 7 || pub.count() != 0 {
		t.Errorf("late outcomes changed the entry to %+v", got)
	}
	e = request(t, first, hour(0), 2)
	check(t, second.Complete(t.Context(), f, 9, newYear))
	check(t, second.Fail(t.Context(), f, refusal(errBus), newYear))
	if got := entry(t, first, hour(0)); got.State != schemas.WindowRequested || got.Rows != 7 || got.ResponseID != e.ResponseID {
		t.Errorf("the outcome of an earlier extract changed the entry to %+v", got)
	}
}

func TestTwoPlannersAskOnce(t *testing.T) {
	bucket := newMemBucket()
	first, _ := startLedger(t, LedgerOptions{Bucket: bucket, Publisher: &memPublisher{}})
	e := planned(hour(0), schemas.KindCDR)
	check(t, first.plan(t.Context(), e))
	second, _ := startLedger(t, LedgerOptions{Bucket: bucket, Publisher: &memPublisher{}})
	asked := 0
	for _, l := range []*Ledger{first, second} { // both picked the entry as it was
		r, ok, err := l.requested(t.Context(), e, newYear.Add(2*time.Hour), newYear.Add(3*time.Hour))
		check(t, err)
		if ok {
			asked++
		}
		if named := r.Validate() == nil; named != ok {
			t.Errorf("a request that is to be sent: %t, is named %+v", ok, r)
		}
	}
	if got := entry(t, first, hour(0)); asked != 1 || got.Attempts != 1 {
		t.Errorf("asked %d times, entry %+v", asked, got)
	}
}

// TestStaleReadDoesNotLoseCallback: a replica answers with the entry as it was
// before the response id was known.
func TestStaleReadDoesNotLoseCallback(t *testing.T) {
	bucket, pub := newMemBucket(), &memPublisher{}
	l, _ := startLedger(t, LedgerOptions{Bucket: bucket, Publisher: pub})
	request(t, l, hour(0), 1)
	bucket.mu.Lock()
	reads := 0
	bucket.stale = func(string) bool { reads++; return reads < 3 }
	bucket.mu.Unlock()
	check(t, l.Accept(t.Context(), notice(1)))
	if e := entry(t, l, hour(0)); e.State != schemas.WindowReady || pub.count() != 1 {
		t.Errorf("the window is %s, %d messages", e.State, pub.count())
	}
}

func TestCallbackOfDeletedWindowIsHeld(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		bucket := newMemBucket()
		l, _ := startLedger(t, LedgerOptions{Bucket: bucket, Publisher: &memPublisher{}})
		e := request(t, l, hour(0), 1)
		check(t, bucket.Delete(t.Context(), e.Key()))
		synctest.Wait()
		check(t, l.Accept(t.Context(), notice(1)))
		if !bucket.has(schemas.UnmatchedKey(acme, responseID(1))) {
			t.Error("the notice is gone")
		}
		if all := l.Entries(acme, schemas.KindCDR); len(all) != 0 {
			t.Errorf("the deleted window is still listed: %v", all)
		}
	})
}

func TestAcceptRefusesBadNotices(t *testing.T) {
	l, _ := startLedger(t, LedgerOptions{Bucket: newMemBucket(), Publisher: &memPublisher{}})
	tests := map[string]func(*schemas.FileNotice){
		"no tenant":            func(n *schemas.FileNotice) { n.Tenant = "" },
		"no id":                func(n *schemas.FileNotice) { n.ResponseID = "" },
		"path":                 func(n *schemas.FileNotice) { n.FileName = "../" + n.FileName },
		"another extract's id": func(n *schemas.FileNotice) { n.FileName = notice(2).FileName },
		"date":                 func(n *schemas.FileNotice) { n.FileName = "20261341_" + n.ResponseID + ".zip" },
	}
	for name, spoil := range tests {
		n := notice(1)
		spoil(&n)
		var p *schemas.Permanent
		if err := l.Accept(t.Context(), n); !errors.As(err, &p) || p.Reason != schemas.ReasonInvalid {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestAcceptWaitsForTheLedger(t *testing.T) {
	l, err := NewLedger(LedgerOptions{Names: names(t), Bucket: newMemBucket(), Publisher: &memPublisher{}})
	check(t, err)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := l.Accept(ctx, notice(1)); !errors.Is(err, context.Canceled) {
		t.Errorf("Accept before the ledger was read: %v", err)
	}
}

func TestLedgerOptions(t *testing.T) {
	good := LedgerOptions{Names: names(t), Bucket: newMemBucket(), Publisher: &memPublisher{}}
	for name, spoil := range map[string]func(*LedgerOptions){
		"names":     func(o *LedgerOptions) { o.Names = schemas.Names{} },
		"bucket":    func(o *LedgerOptions) { o.Bucket = nil },
		"publisher": func(o *LedgerOptions) { o.Publisher = nil },
		"retry":     func(o *LedgerOptions) { o.Retry = -1 },
	} {
		o := good
		spoil(&o)
		if _, err := NewLedger(o); err == nil {
			t.Errorf("%s: no error", name)
		}
	}
}

func TestDelayDoublesUpToAnHour(t *testing.T) {
	l := &Ledger{o: LedgerOptions{Retry: time.Minute}}
	for attempts, want := range map[int]time.Duration{0: time.Minute, 1: time.Minute, 2: 2 * time.Minute, 4: 8 * time.Minute, 7: time.Hour, 1000: time.Hour} {
		if got := l.delay(attempts); got != want {
			t.Errorf("delay after %d failures is %s, want %s", attempts, got, want)
		}
	}
}
