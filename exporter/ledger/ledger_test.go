package ledger

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

	"aiccbridge/exporter/internal/exportertest"
	"aiccbridge/schemas"
)

func TestTenCallbacksAtOnceAreOneFile(t *testing.T) {
	bucket, pub := exportertest.NewBucket(), &exportertest.Publisher{}
	l, _ := running(t, Options{Bucket: bucket, Publisher: pub})
	exportertest.Request(t, l, exportertest.Hour(0), 1)
	var all sync.WaitGroup
	for range 10 {
		all.Go(func() {
			if err := l.Accept(t.Context(), exportertest.Notice(1)); err != nil {
				t.Error(err)
			}
		})
	}
	all.Wait()
	if n := len(pub.Of(schemas.TypeFileReady)); n != 1 {
		t.Errorf("%d messages, want 1", n)
	}
	if e := exportertest.Entry(t, l, exportertest.Hour(0)); e.State != schemas.WindowReady || e.FileName != exportertest.Notice(1).FileName || e.ReadyAt != exportertest.Notice(1).ReceivedAt {
		t.Errorf("entry is %+v", e)
	}
}

// TestF09RepeatedCallbacks gives a thousand callbacks ten times each, at the same
// time and to two bridges.
// TestF09RepeatedCallbacks gives every callback ten times to two bridges.
func TestF09RepeatedCallbacks(t *testing.T) {
	const windows = 1000
	bucket, pub := exportertest.NewBucket(), &exportertest.Publisher{}
	first, _ := running(t, Options{Bucket: bucket, Publisher: pub})
	second, _ := running(t, Options{Bucket: bucket, Publisher: pub})
	for i := range windows {
		exportertest.Request(t, first, exportertest.Hour(i), i)
	}
	var answered atomic.Int64
	var all sync.WaitGroup
	for worker := range 10 {
		l := []*Ledger{first, second}[worker%2]
		all.Go(func() {
			for i := range windows {
				if err := l.Accept(t.Context(), exportertest.Notice((i*7+worker*131)%windows)); err != nil {
					t.Error(err)
					continue
				}
				answered.Add(1)
			}
		})
	}
	all.Wait()
	exportertest.Check(t, first.SettleNotices(t.Context(), exportertest.Acme, exportertest.NewYear.Add(3*time.Hour)))
	if n := len(pub.Of(schemas.TypeFileReady)); n != windows {
		t.Errorf("%d effects of %d callbacks, want %d", n, 10*windows, windows)
	}
	for i := range windows {
		if e := exportertest.Entry(t, first, exportertest.Hour(i)); e.State != schemas.WindowReady {
			t.Fatalf("window %d is %s", i, e.State)
		}
		if bucket.Has(schemas.UnmatchedKey(exportertest.Acme, exportertest.ResponseID(i))) {
			t.Fatalf("notice %d is still held", i)
		}
	}
	t.Attr("figure", fmt.Sprintf("%d effects, %d answered", len(pub.Of(schemas.TypeFileReady)), answered.Load()))
	t.Attr("tries", fmt.Sprint(10*windows))
}

// TestCallbackOvertakesAnswer runs Accept and answered in every order.
func TestCallbackOvertakesAnswer(t *testing.T) {
	held := schemas.UnmatchedKey(exportertest.Acme, exportertest.ResponseID(1))
	tests := map[string]func(t *testing.T, b *exportertest.Bucket, l *Ledger, e schemas.WindowEntry){
		"callback first": func(t *testing.T, _ *exportertest.Bucket, l *Ledger, e schemas.WindowEntry) {
			exportertest.Check(t, l.Accept(t.Context(), exportertest.Notice(1)))
			exportertest.Check(t, l.Answered(t.Context(), e, exportertest.ResponseID(1)))
		},
		"answer while the callback is being stored": func(t *testing.T, b *exportertest.Bucket, l *Ledger, e schemas.WindowEntry) {
			b.Intercept(func(op, key string) error {
				if op != "swap" || key != held {
					return nil
				}
				b.Intercept(nil)
				return l.Answered(t.Context(), e, exportertest.ResponseID(1))
			})
			exportertest.Check(t, l.Accept(t.Context(), exportertest.Notice(1)))
		},
		"callback while the answer looks for it": func(t *testing.T, b *exportertest.Bucket, l *Ledger, e schemas.WindowEntry) {
			b.Intercept(func(op, key string) error {
				if op != "get" || key != held {
					return nil
				}
				b.Intercept(nil)
				return l.Accept(t.Context(), exportertest.Notice(1))
			})
			exportertest.Check(t, l.Answered(t.Context(), e, exportertest.ResponseID(1)))
		},
	}
	for name, run := range tests {
		t.Run(name, func(t *testing.T) {
			bucket, pub := exportertest.NewBucket(), &exportertest.Publisher{}
			l, _ := running(t, Options{Bucket: bucket, Publisher: pub})
			run(t, bucket, l, exportertest.Request(t, l, exportertest.Hour(0), -1))
			if e := exportertest.Entry(t, l, exportertest.Hour(0)); e.State != schemas.WindowReady || len(pub.Of(schemas.TypeFileReady)) != 1 {
				t.Errorf("window is %s after %d messages", e.State, len(pub.Of(schemas.TypeFileReady)))
			}
			if bucket.Has(held) {
				t.Error("the notice is still held")
			}
		})
	}
}

func TestCallbackAfterRestart(t *testing.T) {
	bucket, pub := exportertest.NewBucket(), &exportertest.Publisher{}
	restart := func() *Ledger {
		l, stop := running(t, Options{Bucket: bucket, Publisher: pub})
		t.Cleanup(stop)
		return l
	}
	l := restart()
	exportertest.Request(t, l, exportertest.Hour(0), 1)
	waiting := exportertest.Request(t, l, exportertest.Hour(1), -1)
	exportertest.Check(t, restart().Accept(t.Context(), exportertest.Notice(1)))
	exportertest.Check(t, restart().Accept(t.Context(), exportertest.Notice(2))) // its answer is still to come
	l = restart()
	exportertest.Check(t, l.Answered(t.Context(), waiting, exportertest.ResponseID(2)))
	for i := range 2 {
		if e := exportertest.Entry(t, l, exportertest.Hour(i)); e.State != schemas.WindowReady {
			t.Errorf("window %d is %s", i, e.State)
		}
	}
	// A crash after the answer was written and before its callback was looked for.
	crashed := exportertest.Request(t, l, exportertest.Hour(2), -1)
	exportertest.Check(t, l.Accept(t.Context(), exportertest.Notice(3)))
	bucket.Intercept(func(op, key string) error {
		if op == "get" && strings.Contains(key, "unmatched") {
			return exportertest.ErrBus
		}
		return nil
	})
	if err := l.Answered(t.Context(), crashed, exportertest.ResponseID(3)); !errors.Is(err, exportertest.ErrBus) {
		t.Fatalf("answered: %v", err)
	}
	bucket.Intercept(nil)
	l = restart()
	exportertest.Check(t, l.SettleNotices(t.Context(), exportertest.Acme, exportertest.NewYear))
	if e := exportertest.Entry(t, l, exportertest.Hour(2)); e.State != schemas.WindowReady || len(pub.Of(schemas.TypeFileReady)) != 3 {
		t.Errorf("window is %s after %d messages", e.State, len(pub.Of(schemas.TypeFileReady)))
	}
}

func TestCallbackOfAbandonedExtract(t *testing.T) {
	bucket, pub := exportertest.NewBucket(), &exportertest.Publisher{}
	l, _ := running(t, Options{Bucket: bucket, Publisher: pub})
	e := exportertest.Request(t, l, exportertest.Hour(0), 1)
	exportertest.Check(t, l.GiveUp(t.Context(), e.Key(), e.ResponseID, refused, exportertest.NewYear))
	e = exportertest.Request(t, l, exportertest.Hour(0), 2)
	exportertest.Check(t, l.Accept(t.Context(), exportertest.Notice(1)))
	if got := exportertest.Entry(t, l, exportertest.Hour(0)); got.State != e.State || got.ResponseID != exportertest.ResponseID(2) || len(got.Past) != 1 || got.Past[0] != exportertest.ResponseID(1) {
		t.Errorf("the entry is %+v", got)
	}
	if pub.Count() != 0 || bucket.Has(schemas.UnmatchedKey(exportertest.Acme, exportertest.ResponseID(1))) {
		t.Error("the callback of a given-up extract had an effect")
	}
	if !l.Knows(exportertest.Acme, exportertest.ResponseID(1)) || !l.Knows(exportertest.Acme, exportertest.ResponseID(2)) || l.Knows("other", exportertest.ResponseID(2)) || l.Knows(exportertest.Acme, exportertest.ResponseID(3)) {
		t.Error("want to know the newest extract and the given-up one, of this tenant")
	}
}

// TestOldNoticeIsMatched: a bridge that was away for days finds the
// notice and the answer that belongs to it.
func TestOldNoticeIsMatched(t *testing.T) {
	bucket, pub := exportertest.NewBucket(), &exportertest.Publisher{}
	l, _ := running(t, Options{Bucket: bucket, Publisher: pub})
	e := exportertest.Request(t, l, exportertest.Hour(0), -1)
	exportertest.Check(t, l.Accept(t.Context(), exportertest.Notice(1)))
	exportertest.Check(t, l.change(t.Context(), e.Key(), func(e *schemas.WindowEntry) bool {
		e.ResponseID = exportertest.ResponseID(1)
		return true
	}))
	restarted, _ := running(t, Options{Bucket: bucket, Publisher: pub})
	exportertest.Check(t, restarted.SettleNotices(t.Context(), exportertest.Acme, exportertest.NewYear.Add(100*time.Hour)))
	if n := len(pub.Of(schemas.TypeDeadLetter)); n != 0 || exportertest.Entry(t, restarted, exportertest.Hour(0)).State != schemas.WindowReady {
		t.Errorf("%d dead letters, window %s", n, exportertest.Entry(t, restarted, exportertest.Hour(0)).State)
	}
}

// acceptAfterCrash gives a callback to a ledger whose publisher or bucket fails
// in the middle, then again to a new one, and reports what is missing.
func acceptAfterCrash(t *testing.T, crash func(*exportertest.Bucket, *exportertest.Publisher)) error {
	bucket, pub := exportertest.NewBucket(), &exportertest.Publisher{}
	l, _ := running(t, Options{Bucket: bucket, Publisher: pub})
	exportertest.Request(t, l, exportertest.Hour(0), 1)
	crash(bucket, pub)
	if l.Accept(t.Context(), exportertest.Notice(1)) == nil {
		return errors.New("the callback was answered with success before it was stored")
	}
	again, _ := running(t, Options{Bucket: bucket, Publisher: pub})
	if err := again.Accept(t.Context(), exportertest.Notice(1)); err != nil {
		return err
	}
	if n := len(pub.Of(schemas.TypeFileReady)); n != 1 {
		return errors.New("the file was not handed over once")
	}
	if exportertest.Entry(t, again, exportertest.Hour(0)).State != schemas.WindowReady {
		return errors.New("the window is not ready")
	}
	return nil
}

func TestCrashBetweenMessageAndLedger(t *testing.T) {
	noMessage := func(_ *exportertest.Bucket, p *exportertest.Publisher) {
		f := exportertest.Failing(1, exportertest.ErrBus)
		p.Before = func(schemas.Message) error { return f() }
	}
	noAnswer := func(_ *exportertest.Bucket, p *exportertest.Publisher) {
		f := exportertest.Failing(1, exportertest.ErrBus)
		p.After = func(schemas.Message) error { return f() }
	}
	noLedger := func(b *exportertest.Bucket, _ *exportertest.Publisher) {
		f := exportertest.Failing(1, exportertest.ErrBus)
		b.Intercept(func(op, _ string) error {
			if op == "swap" {
				return f()
			}
			return nil
		})
	}
	for name, crash := range map[string]func(*exportertest.Bucket, *exportertest.Publisher){"message": noMessage, "answer": noAnswer, "ledger": noLedger} {
		if err := acceptAfterCrash(t, crash); err != nil {
			t.Errorf("%s fails: %v", name, err)
		}
	}
}

func TestLedgerSurvivesConflicts(t *testing.T) {
	bucket, pub := exportertest.NewBucket(), &exportertest.Publisher{}
	first, _ := running(t, Options{Bucket: bucket, Publisher: pub})
	second, _ := running(t, Options{Bucket: bucket, Publisher: pub})
	e := exportertest.Request(t, first, exportertest.Hour(0), 1)
	f := schemas.FileReady{Tenant: exportertest.Acme, Kind: schemas.KindCDR, Window: exportertest.Hour(0), ResponseID: exportertest.ResponseID(1)}
	conflicts := 0
	bucket.Intercept(func(op, key string) error {
		if op != "swap" || conflicts == 5 {
			return nil
		}
		conflicts++
		bucket.Touch(key) // somebody was faster
		return nil
	})
	exportertest.Check(t, second.Complete(t.Context(), f, 7, exportertest.NewYear))
	bucket.Intercept(nil)
	if got := exportertest.Entry(t, first, exportertest.Hour(0)); got.State != schemas.WindowCompleted || got.Rows != 7 || conflicts != 5 {
		t.Errorf("after %d conflicts the entry is %+v", conflicts, got)
	}
	// What came too late, or belongs to another extract, changes nothing.
	exportertest.Check(t, first.GiveUp(t.Context(), e.Key(), exportertest.ResponseID(1), refused, exportertest.NewYear))
	exportertest.Check(t, first.Accept(t.Context(), exportertest.Notice(1)))
	exportertest.Check(t, second.Complete(t.Context(), f, 8, exportertest.NewYear))
	if got := exportertest.Entry(t, first, exportertest.Hour(0)); got.State != schemas.WindowCompleted || got.Rows != 7 || pub.Count() != 0 {
		t.Errorf("late outcomes changed the entry to %+v", got)
	}
	e = exportertest.Request(t, first, exportertest.Hour(0), 2)
	exportertest.Check(t, second.Complete(t.Context(), f, 9, exportertest.NewYear))
	exportertest.Check(t, second.Fail(t.Context(), f, refused, exportertest.NewYear))
	if got := exportertest.Entry(t, first, exportertest.Hour(0)); got.State != schemas.WindowRequested || got.Rows != 7 || got.ResponseID != e.ResponseID {
		t.Errorf("the outcome of an earlier extract changed the entry to %+v", got)
	}
}

func TestTwoPlannersAskOnce(t *testing.T) {
	bucket := exportertest.NewBucket()
	first, _ := running(t, Options{Bucket: bucket, Publisher: &exportertest.Publisher{}})
	e := exportertest.Planned(exportertest.Hour(0), schemas.KindCDR)
	exportertest.Check(t, first.Plan(t.Context(), e))
	second, _ := running(t, Options{Bucket: bucket, Publisher: &exportertest.Publisher{}})
	asked := 0
	for _, l := range []*Ledger{first, second} { // both picked the entry as it was
		r, ok, err := l.Requested(t.Context(), e, exportertest.NewYear.Add(2*time.Hour), exportertest.NewYear.Add(3*time.Hour))
		exportertest.Check(t, err)
		if ok {
			asked++
		}
		if named := r.Validate() == nil; named != ok {
			t.Errorf("a request that is to be sent: %t, is named %+v", ok, r)
		}
	}
	if got := exportertest.Entry(t, first, exportertest.Hour(0)); asked != 1 || got.Attempts != 1 {
		t.Errorf("asked %d times, entry %+v", asked, got)
	}
}

// TestStaleReadDoesNotLoseCallback: a replica answers with the entry as it was
// before the response id was known.
func TestStaleReadDoesNotLoseCallback(t *testing.T) {
	bucket, pub := exportertest.NewBucket(), &exportertest.Publisher{}
	l, _ := running(t, Options{Bucket: bucket, Publisher: pub})
	exportertest.Request(t, l, exportertest.Hour(0), 1)
	reads := 0
	bucket.AnswerStale(func(string) bool { reads++; return reads < 3 })
	exportertest.Check(t, l.Accept(t.Context(), exportertest.Notice(1)))
	if e := exportertest.Entry(t, l, exportertest.Hour(0)); e.State != schemas.WindowReady || pub.Count() != 1 {
		t.Errorf("the window is %s, %d messages", e.State, pub.Count())
	}
}

func TestCallbackOfDeletedWindowIsHeld(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		bucket := exportertest.NewBucket()
		l, _ := running(t, Options{Bucket: bucket, Publisher: &exportertest.Publisher{}})
		e := exportertest.Request(t, l, exportertest.Hour(0), 1)
		exportertest.Check(t, bucket.Delete(t.Context(), e.Key()))
		synctest.Wait()
		exportertest.Check(t, l.Accept(t.Context(), exportertest.Notice(1)))
		if !bucket.Has(schemas.UnmatchedKey(exportertest.Acme, exportertest.ResponseID(1))) {
			t.Error("the notice is gone")
		}
		if all := l.Entries(exportertest.Acme, schemas.KindCDR); len(all) != 0 {
			t.Errorf("the deleted window is still listed: %v", all)
		}
	})
}

func TestAcceptRefusesBadNotices(t *testing.T) {
	l, _ := running(t, Options{Bucket: exportertest.NewBucket(), Publisher: &exportertest.Publisher{}})
	tests := map[string]func(*schemas.FileNotice){
		"no tenant":            func(n *schemas.FileNotice) { n.Tenant = "" },
		"no id":                func(n *schemas.FileNotice) { n.ResponseID = "" },
		"path":                 func(n *schemas.FileNotice) { n.FileName = "../" + n.FileName },
		"another extract's id": func(n *schemas.FileNotice) { n.FileName = exportertest.Notice(2).FileName },
		"date":                 func(n *schemas.FileNotice) { n.FileName = "20261341_" + n.ResponseID + ".zip" },
	}
	for name, spoil := range tests {
		n := exportertest.Notice(1)
		spoil(&n)
		var p *schemas.Permanent
		if err := l.Accept(t.Context(), n); !errors.As(err, &p) || p.Reason != schemas.ReasonInvalid {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestAcceptWaitsForTheLedger(t *testing.T) {
	l, err := New(Options{Names: exportertest.Names(t), Bucket: exportertest.NewBucket(), Publisher: &exportertest.Publisher{}})
	exportertest.Check(t, err)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := l.Accept(ctx, exportertest.Notice(1)); !errors.Is(err, context.Canceled) {
		t.Errorf("Accept before the ledger was read: %v", err)
	}
}

func TestLedgerOptions(t *testing.T) {
	good := Options{Names: exportertest.Names(t), Bucket: exportertest.NewBucket(), Publisher: &exportertest.Publisher{}}
	for name, spoil := range map[string]func(*Options){
		"names":     func(o *Options) { o.Names = schemas.Names{} },
		"bucket":    func(o *Options) { o.Bucket = nil },
		"publisher": func(o *Options) { o.Publisher = nil },
		"retry":     func(o *Options) { o.Retry = -1 },
	} {
		o := good
		spoil(&o)
		if _, err := New(o); err == nil {
			t.Errorf("%s: no error", name)
		}
	}
}

func TestDelayDoublesUpToAnHour(t *testing.T) {
	l := &Ledger{o: Options{Retry: time.Minute}}
	for attempts, want := range map[int]time.Duration{0: time.Minute, 1: time.Minute, 2: 2 * time.Minute, 4: 8 * time.Minute, 7: time.Hour, 1000: time.Hour} {
		if got := l.delay(attempts); got != want {
			t.Errorf("delay after %d failures is %s, want %s", attempts, got, want)
		}
	}
}
