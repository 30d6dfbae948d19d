package planner

import (
	"context"
	"errors"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"aiccbridge/exporter/internal/exportertest"
	"aiccbridge/exporter/ledger"
	"aiccbridge/internal/ccfs"
	"aiccbridge/schemas"
)

var hourly = Extract{Kind: schemas.KindCDR, Window: time.Hour, Settle: 15 * time.Minute}

// In a bubble time begins at midnight of 2000-01-01, UTC.
var bubble = time.Date(2000, 1, 1, 0, 0, 0, 0, time.UTC)

func since(t time.Time, x Extract) Extract { x.Since = t; return x }

func bubbleHour(n int) schemas.Window {
	return schemas.Window{From: bubble.Add(time.Duration(n) * time.Hour), To: bubble.Add(time.Duration(n+1) * time.Hour)}
}

func TestPlannerTilesAndAsks(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := newSite(t)
		s.serve()
		s.platform.takes = 3 * time.Second
		operations := Extract{Kind: schemas.KindOperation, Window: 30 * time.Minute, Settle: time.Minute}
		s.open(Options{Tick: 10 * time.Second}, since(bubble.Add(-24*time.Hour), hourly), operations)
		pass(24 * time.Hour)
		for _, k := range []schemas.Kind{schemas.KindCDR, schemas.KindOperation} {
			from := map[schemas.Kind]time.Time{schemas.KindCDR: bubble.Add(-24 * time.Hour), schemas.KindOperation: bubble}[k]
			if err := tiled(s.entries(k), from, time.Now()); err != nil {
				t.Errorf("%s: %v", k, err)
			}
		}
		checkRequests(t, s.platform, map[schemas.Kind]time.Duration{schemas.KindCDR: 15 * time.Minute, schemas.KindOperation: time.Minute})
		// Every window that ended and settled was asked for once, without delay.
		if n := len(s.platform.requests()); n != 24+23+47 {
			t.Errorf("%d requests in the first day", n)
		}
	})
}

// checkRequests reports requests that were too early, too close or at one time.
func checkRequests(t *testing.T, p *platform, settle map[schemas.Kind]time.Duration) {
	t.Helper()
	var last time.Time
	for _, a := range p.requests() {
		if a.at.Before(a.window.To.Add(settle[a.kind])) {
			t.Errorf("window %s was asked for at %s", a.window, a.at)
		}
		if d := a.at.Sub(last); d < 15*time.Second {
			t.Errorf("two requests within %s", d)
		}
		last = a.at
	}
	if p.most > 1 {
		t.Errorf("%d requests at one time", p.most)
	}
}

func TestMostExtractsUnderWay(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newSite(t)
		l, stop := startLedger(t, ledger.Options{Bucket: s.bucket, Publisher: s.pub})
		defer stop()
		s.ledger = l
		from := time.Now().Add(-24 * time.Hour).Truncate(time.Hour)
		o := Options{Ledger: l, Query: s.platform.query, MaxOutstanding: 2, Extracts: []Extract{since(from, hourly)}}
		defer startPlanner(t, o)()
		pass(5 * time.Minute)
		if n := len(s.platform.requests()); n != 2 {
			t.Errorf("%d extracts are under way, want 2", n)
		}
		s.deliver(s.platform.requests()[0])
		pass(time.Minute)
		if n := len(s.platform.requests()); n != 3 {
			t.Errorf("%d requests after one extract was done, want 3", n)
		}
	})
}

// TestRefusals shows what becomes of a window whose request is refused.
func TestRefusals(t *testing.T) {
	tests := []struct {
		name     string
		err      error
		state    schemas.WindowState // right after the refusal
		reason   schemas.Reason
		attempts int
		quiet    time.Duration // no request for at least
		most     time.Duration // but one after at most
	}{
		{"flow control", exportertest.RefusedWith(ccfs.FlowControl, "0300009"), schemas.WindowPlanned, "", 0, time.Minute, 2 * time.Minute},
		{"401", exportertest.RefusedWith(ccfs.Auth, ""), schemas.WindowPlanned, "", 0, time.Minute, 2 * time.Minute},
		{"403", exportertest.RefusedWith(ccfs.Locked, ""), schemas.WindowPlanned, "", 0, time.Minute, 2 * time.Minute},
		{"firewall", exportertest.RefusedWith(ccfs.Firewall, ""), schemas.WindowPlanned, "", 0, time.Minute, 2 * time.Minute},
		{"locked for long", &ccfs.Error{Class: ccfs.Locked, Local: true, RetryAfter: 30 * time.Minute}, schemas.WindowPlanned, "", 0, 30 * time.Minute, 31 * time.Minute},
		{"not sent", &ccfs.Error{Class: ccfs.Again, Local: true}, schemas.WindowPlanned, "", 0, time.Second, time.Minute},
		{"permanent code", exportertest.RefusedWith(ccfs.Permanent, "0300004"), schemas.WindowFailed, schemas.ReasonRefused, 1, time.Minute, 2 * time.Minute},
		{"answer lost", exportertest.RefusedWith(ccfs.Again, ""), schemas.WindowFailed, schemas.ReasonUnreachable, 1, time.Minute, 2 * time.Minute},
		{"answer garbled", exportertest.RefusedWith(ccfs.Broken, ""), schemas.WindowFailed, schemas.ReasonUnreachable, 1, time.Minute, 2 * time.Minute},
		{"foreign error", exportertest.ErrBus, schemas.WindowFailed, schemas.ReasonUnreachable, 1, time.Minute, 2 * time.Minute},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := newSite(t)
				s.platform.answer = func(_ context.Context, n int, _ schemas.Kind, _ schemas.Window) error {
					if n == 0 {
						return tt.err
					}
					return nil
				}
				pass(80 * time.Minute) // one window is due
				s.open(Options{}, hourly)
				synctest.Wait()
				e := s.entries(schemas.KindCDR)[0]
				if e.State != tt.state || e.Attempts != tt.attempts {
					t.Errorf("window is %s after %d attempts, want %s after %d", e.State, e.Attempts, tt.state, tt.attempts)
				}
				if e.Error != tt.err.Error() || e.Reason != tt.reason {
					t.Errorf("window says %q: %q", e.Reason, e.Error)
				}
				pass(32 * time.Minute)
				seen := s.platform.of(bubbleHour(0))
				if len(seen) < 2 {
					t.Fatal("it was not asked for again")
				}
				if d := seen[1].at.Sub(seen[0].at); d < tt.quiet || d > tt.most {
					t.Errorf("asked for again after %s, want %s to %s", d, tt.quiet, tt.most)
				}
			})
		})
	}
}

// TestOverdueCallback: the file is tried by its predicted name, and asked for
// again when the platform has none.
func TestOverdueCallback(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newSite(t)
		s.zone = exportertest.Location(t, "Asia/Shanghai")
		pass(18 * time.Hour) // 02:00 of the next day there
		midnight := bubble.Add(16 * time.Hour)
		s.open(Options{}, Extract{Kind: schemas.KindCDR, Window: 24 * time.Hour, Since: midnight.Add(-24 * time.Hour)})
		pass(14 * time.Minute)
		if n := len(s.pub.Of(schemas.TypeFileReady)); n != 0 {
			t.Errorf("%d files were handed over before the callback was overdue", n)
		}
		pass(2 * time.Minute)
		ready := s.pub.Of(schemas.TypeFileReady)
		if len(ready) != 1 {
			t.Fatalf("%d files were handed over, want 1", len(ready))
		}
		var f schemas.FileReady
		exportertest.Unmarshal(t, ready[0].Body, &f)
		if f.Via != schemas.ViaPredicted || f.FileName != "20000102_"+exportertest.ResponseID(1)+".zip" {
			t.Errorf("handed over %s via %s", f.FileName, f.Via)
		}
		// The callback after all has no second effect.
		n := s.notice(s.platform.requests()[0])
		exportertest.Check(t, s.ledger.Accept(t.Context(), n))
		exportertest.Check(t, s.ledger.Fail(t.Context(), f, &schemas.Permanent{Reason: schemas.ReasonFileMissing, Err: errors.New("no such file")}, time.Now()))
		pass(2 * time.Minute)
		seen := s.platform.requests()
		if len(seen) != 2 || seen[1].window != seen[0].window {
			t.Fatalf("%d requests, want a second one for the same window", len(seen))
		}
		s.deliver(seen[1])
		if e := s.entries(schemas.KindCDR)[0]; e.State != schemas.WindowCompleted || e.Attempts != 0 || e.Reason != "" {
			t.Errorf("the window is %+v", e)
		}
		if n := len(s.pub.Of(schemas.TypeFileReady)); n != 2 {
			t.Errorf("%d files were handed over in all, want 2", n)
		}
	})
}

// TestSlowPlatformIsWaitedForLonger: callbacks take 50 minutes each.
func TestSlowPlatformIsWaitedForLonger(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newSite(t)
		s.platform.onAnswer = func(a asked) {
			time.AfterFunc(50*time.Minute, func() {
				if err := s.ledger.Accept(context.Background(), s.notice(a)); err != nil {
					t.Error(err)
				}
			})
		}
		s.pub.After = func(m schemas.Message) error {
			if m.Type != schemas.TypeFileReady {
				return nil
			}
			var f schemas.FileReady
			exportertest.Unmarshal(t, m.Body, &f)
			if f.Via == schemas.ViaPredicted {
				time.AfterFunc(time.Second, func() {
					err := s.ledger.Fail(context.Background(), f, &schemas.Permanent{Reason: schemas.ReasonFileMissing, Err: exportertest.ErrBus}, time.Now())
					if err != nil {
						t.Error(err)
					}
				})
				return nil
			}
			return s.ledger.Complete(context.Background(), f, 1, time.Now())
		}
		pass(26 * time.Hour)
		s.open(Options{}, Extract{Kind: schemas.KindCDR, Window: 24 * time.Hour, Since: bubble})
		pass(3 * time.Hour)
		if e := s.entries(schemas.KindCDR)[0]; e.State != schemas.WindowCompleted {
			t.Errorf("the window is %s after %d attempts", e.State, e.Attempts)
		}
		s.close()
		pass(time.Hour) // the last timers
	})
}

func TestReadyWindowIsOverdue(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newSite(t)
		pass(80 * time.Minute)
		s.open(Options{}, hourly)
		pass(time.Minute)
		first := s.platform.of(bubbleHour(0))[0]
		exportertest.Check(t, s.ledger.Accept(t.Context(), s.notice(first)))
		pass(2*time.Hour - 2*time.Minute)
		if e := s.entries(schemas.KindCDR)[0]; e.State != schemas.WindowReady {
			t.Fatalf("the window is %s", e.State)
		}
		pass(5 * time.Minute)
		seen := s.platform.of(bubbleHour(0))
		if e := s.entries(schemas.KindCDR)[0]; len(seen) != 2 || e.State != schemas.WindowRequested || e.Reason != schemas.ReasonOverdue {
			t.Errorf("%d requests, the window is %s because %s", len(seen), e.State, e.Reason)
		}
	})
}

func TestAttemptsEndUntilTheNextSweep(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newSite(t)
		s.platform.answer = func(_ context.Context, _ int, _ schemas.Kind, w schemas.Window) error {
			if w == bubbleHour(0) {
				return exportertest.RefusedWith(ccfs.Permanent, "0300004")
			}
			return nil
		}
		s.serve()
		x := hourly
		x.SweepAgain = []time.Duration{6 * time.Hour}
		s.open(Options{Tick: 10 * time.Second}, x)
		pass(6 * time.Hour)
		e := s.entries(schemas.KindCDR)[0]
		if n := len(s.platform.of(bubbleHour(0))); n != 5 || e.State != schemas.WindowFailed || e.Reason != schemas.ReasonRefused || !e.DueAt.IsZero() || !strings.Contains(e.Error, "0300004") {
			t.Errorf("after %d requests the window is %+v", n, e)
		}
		pass(90 * time.Minute)
		if n := len(s.platform.of(bubbleHour(0))); n != 6 {
			t.Errorf("%d requests after the re-sweep, want 6", n)
		}
		pass(24 * time.Hour)
		if n := len(s.platform.of(bubbleHour(0))); n != 6 {
			t.Errorf("%d requests in the end, want 6", n)
		}
	})
}

func TestSweeps(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := newSite(t)
		s.serve()
		x := hourly
		x.SweepAgain = []time.Duration{6 * time.Hour, 24 * time.Hour}
		s.open(Options{Tick: 10 * time.Second}, x)
		pass(5 * time.Hour)
		s.close() // sweeps survive a restart
		s.open(Options{Tick: 10 * time.Second}, x)
		pass(60 * time.Hour)
		for n := range 24 {
			w := bubbleHour(n)
			seen := s.platform.of(w)
			if len(seen) != 3 {
				t.Fatalf("window %s was asked for %d times, want 3", w, len(seen))
			}
			for i, age := range []time.Duration{15 * time.Minute, 6 * time.Hour, 24 * time.Hour} {
				if late := seen[i].at.Sub(w.To.Add(age)); late < 0 || late > 2*time.Minute {
					t.Errorf("window %s: request %d at %s", w, i+1, seen[i].at)
				}
			}
		}
	})
}

func TestPlannerOptions(t *testing.T) {
	l, err := ledger.New(ledger.Options{Names: exportertest.Names(t), Bucket: exportertest.NewBucket(), Publisher: &exportertest.Publisher{}})
	exportertest.Check(t, err)
	good := Options{Tenant: exportertest.Acme, Zone: time.UTC, Names: exportertest.Names(t), Ledger: l, Publisher: &exportertest.Publisher{}, Query: (&platform{}).query, Extracts: []Extract{hourly}}
	if _, err := New(good); err != nil {
		t.Fatal(err)
	}
	with := func(f func(*Extract)) func(*Options) {
		return func(o *Options) {
			x := hourly
			f(&x)
			o.Extracts = []Extract{x}
		}
	}
	for name, spoil := range map[string]func(*Options){
		"tenant":     func(o *Options) { o.Tenant = "" },
		"zone":       func(o *Options) { o.Zone = nil },
		"names":      func(o *Options) { o.Names = schemas.Names{} },
		"ledger":     func(o *Options) { o.Ledger = nil },
		"publisher":  func(o *Options) { o.Publisher = nil },
		"query":      func(o *Options) { o.Query = nil },
		"spacing":    func(o *Options) { o.Spacing = -1 },
		"twice":      func(o *Options) { o.Extracts = []Extract{hourly, hourly} },
		"kind":       with(func(x *Extract) { x.Kind = "voice" }),
		"too long":   with(func(x *Extract) { x.Window = 73 * time.Hour }),
		"fraction":   with(func(x *Extract) { x.Window += time.Millisecond }),
		"settle":     with(func(x *Extract) { x.Settle = -1 }),
		"descending": with(func(x *Extract) { x.SweepAgain = []time.Duration{2, 1} }),
		"no age":     with(func(x *Extract) { x.SweepAgain = []time.Duration{0, 1} }),
	} {
		o := good
		spoil(&o)
		if _, err := New(o); err == nil {
			t.Errorf("%s: no error", name)
		}
	}
}

// TestLongOutage: the file store is away for two days. Nothing is given up.
func TestLongOutage(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newSite(t)
		back := time.Now().Add(48 * time.Hour)
		s.platform.answer = func(context.Context, int, schemas.Kind, schemas.Window) error {
			if time.Now().Before(back) {
				return exportertest.RefusedWith(ccfs.Again, "")
			}
			return nil
		}
		s.serve()
		pass(80 * time.Minute)
		s.open(Options{}, Extract{Kind: schemas.KindCDR, Window: 24 * time.Hour, Since: bubble})
		pass(72 * time.Hour)
		for _, e := range s.entries(schemas.KindCDR)[:3] {
			if e.State != schemas.WindowCompleted {
				t.Errorf("window %s is %s: %s", e.Window, e.State, e.Reason)
			}
		}
	})
}

// TestLateCallbackIsWelcome: a window failed because its callback did not come and
// its file was not there under the predicted name. Then the callback comes.
func TestLateCallbackIsWelcome(t *testing.T) {
	bucket, pub := exportertest.NewBucket(), &exportertest.Publisher{}
	l, _ := startLedger(t, ledger.Options{Bucket: bucket, Publisher: pub})
	e := exportertest.Request(t, l, exportertest.Hour(0), 1)
	exportertest.Check(t, l.Predict(t.Context(), e, time.UTC, exportertest.NewYear))
	f := schemas.FileReady{Tenant: exportertest.Acme, Kind: e.Kind, Window: e.Window, ResponseID: e.ResponseID}
	exportertest.Check(t, l.Fail(t.Context(), f, &schemas.Permanent{Reason: schemas.ReasonFileMissing, Err: exportertest.ErrBus}, exportertest.NewYear))
	exportertest.Check(t, l.Accept(t.Context(), exportertest.Notice(1)))
	if got := exportertest.Entry(t, l, exportertest.Hour(0)); got.State != schemas.WindowReady {
		t.Errorf("the window is %s", got.State)
	}
	ready := pub.Of(schemas.TypeFileReady)
	if len(ready) != 2 || ready[0].MsgID() == ready[1].MsgID() {
		t.Errorf("%d files handed over, want a guessed and a named one with ids of their own", len(ready))
	}
}
