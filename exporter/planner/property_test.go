package planner

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"testing"
	"testing/synctest"
	"time"

	"pgregory.net/rapid"

	"aiccbridge/exporter/internal/exportertest"
	"aiccbridge/internal/ccfs"
	"aiccbridge/schemas"
)

// weather is what a run of the property test is drawn from.
type weather struct {
	seed     uint64
	zone     string
	first    Extract
	second   Extract // settings after the restart
	start    time.Duration
	chaos    time.Duration // how long everything goes wrong
	restarts int
}

func drawWeather(t *rapid.T) weather {
	extract := func(name string) Extract {
		return Extract{
			Kind:       schemas.KindCDR,
			Window:     time.Duration(rapid.IntRange(90, 30*60).Draw(t, name+" window, minutes")) * time.Minute,
			Settle:     time.Duration(rapid.IntRange(0, 30).Draw(t, name+" settle, minutes")) * time.Minute,
			SweepAgain: [][]time.Duration{nil, {6 * time.Hour}, {time.Hour, 7 * time.Hour}}[rapid.IntRange(0, 2).Draw(t, name+" sweeps")],
		}
	}
	return weather{
		seed:     rapid.Uint64().Draw(t, "seed"),
		zone:     rapid.SampledFrom(zones).Draw(t, "zone"),
		first:    extract("first"),
		second:   extract("second"),
		start:    time.Duration(rapid.IntRange(0, 400*24*60).Draw(t, "start, minutes")) * time.Minute,
		chaos:    time.Duration(rapid.IntRange(5, 14).Draw(t, "chaos, hours")) * time.Hour,
		restarts: rapid.IntRange(0, 4).Draw(t, "restarts"),
	}
}

// TestNoWindowIsSkipped lets queries, callbacks, workers and the bus fail at
// random for a day or so, with restarts, and then be well: every window must be
// complete in the end, or failed with a reason and no attempt left.
func TestNoWindowIsSkipped(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(rt *rapid.T) {
		w := drawWeather(rt)
		var err error
		synctest.Test(t, func(t *testing.T) { err = w.run(t) })
		if err != nil {
			rt.Fatal(err)
		}
	})
}

func (w weather) run(t *testing.T) error {
	s := newSite(t)
	s.zone = exportertest.Location(t, w.zone)
	dice := rand.New(rand.NewPCG(w.seed, 0)) // used by one goroutine at a time: each draw holds the lock
	roll := func(n int) int {
		s.platform.mu.Lock()
		defer s.platform.mu.Unlock()
		return dice.IntN(n)
	}
	pass(w.start)
	begin := time.Now().Add(-5 * time.Hour)
	w.first.Since = begin
	calm := time.Now().Add(w.chaos)
	s.platform.answer = func(context.Context, int, schemas.Kind, schemas.Window) error {
		if time.Now().After(calm) {
			return nil
		}
		return queryOutcomes[roll(len(queryOutcomes))]
	}
	s.platform.onAnswer = func(a asked) { w.callback(s, a, calm, roll) }
	s.pub.After = func(m schemas.Message) error { return w.work(s, m, calm, roll) }
	s.bucket.Intercept(func(op, _ string) error {
		if op == "swap" && time.Now().Before(calm) && roll(50) == 0 {
			return exportertest.ErrBus
		}
		return nil
	})
	o := Options{Tick: time.Minute, MaxOutstanding: 3}
	s.open(o, w.first)
	for range w.restarts {
		pass(w.chaos / time.Duration(w.restarts+1))
		s.close()
		pass(time.Duration(roll(120)) * time.Minute)
		w.second.Since = begin
		s.open(o, w.second)
	}
	pass(time.Until(calm))
	pass(16 * time.Hour)
	s.close()
	pass(3 * time.Hour) // the last timers
	return w.verdict(s, begin, calm)
}

var queryOutcomes = []error{
	nil, nil, nil, nil, nil, nil, nil,
	exportertest.RefusedWith(ccfs.Again, ""), exportertest.RefusedWith(ccfs.FlowControl, "0300009"), exportertest.RefusedWith(ccfs.Permanent, "0300004"),
	exportertest.RefusedWith(ccfs.Auth, ""), exportertest.RefusedWith(ccfs.Broken, ""), exportertest.ErrBus,
}

// callback gives the callback of a request: before the answer, later, twice, or
// never.
func (w weather) callback(s *site, a asked, calm time.Time, roll func(int) int) {
	give := func() {
		// It may be refused while the bus is away; the platform repeats it.
		for range 6 {
			if s.current().Accept(context.Background(), s.notice(a)) == nil {
				return
			}
			time.Sleep(10 * time.Minute)
		}
	}
	switch n := roll(10); {
	case n < 2 || time.Now().After(calm):
		give()
	case n < 5:
		time.AfterFunc(time.Duration(roll(600))*time.Second, give)
	case n < 6:
		time.AfterFunc(time.Duration(roll(90))*time.Minute, give)
	case n < 8:
		time.AfterFunc(time.Minute, give)
		time.AfterFunc(time.Duration(1+roll(3))*time.Minute, give)
	}
}

// work does with a ready file what a worker does: complete it, find it damaged,
// or vanish with it.
func (w weather) work(s *site, m schemas.Message, calm time.Time, roll func(int) int) error {
	var f schemas.FileReady
	if m.Type != schemas.TypeFileReady {
		return nil
	}
	exportertest.Unmarshal(s.t, m.Body, &f)
	n, delay := roll(10), time.Duration(roll(1200))*time.Second
	if time.Now().After(calm) {
		n, delay = 0, time.Second
	}
	outcome := func() error {
		if n < 6 {
			return s.current().Complete(context.Background(), f, 1, time.Now())
		}
		return s.current().Fail(context.Background(), f, &schemas.Permanent{Reason: schemas.ReasonDamagedZip, Err: errors.New("damaged")}, time.Now())
	}
	if n < 9 {
		time.AfterFunc(delay, func() {
			for outcome() != nil { // as the bus delivers the file again
				time.Sleep(time.Minute)
			}
		})
	}
	if roll(20) == 0 && time.Now().Before(calm) {
		return exportertest.ErrBus // its acknowledgement is lost
	}
	return nil
}

// verdict reports what must not be.
func (w weather) verdict(s *site, begin, calm time.Time) error {
	entries := s.entries(schemas.KindCDR)
	if err := tiled(entries, begin, calm.Add(15*time.Hour)); err != nil {
		return err
	}
	for _, e := range entries {
		if e.Window.To.After(calm) {
			break
		}
		settled := e.State == schemas.WindowCompleted || e.State == schemas.WindowFailed && e.Reason != "" && e.DueAt.IsZero() && e.Attempts >= 5
		if !settled {
			return fmt.Errorf("window %s is %s (%s), due %s, after %d attempts", e.Window, e.State, e.Reason, e.DueAt, e.Attempts)
		}
	}
	settle := min(w.first.Settle, w.second.Settle)
	var last asked
	for i, a := range s.platform.requests() {
		if a.at.Before(a.window.To.Add(settle)) {
			return fmt.Errorf("window %s was asked for at %s", a.window, a.at)
		}
		if d := a.at.Sub(last.at); i > 0 && d < 15*time.Second && d > 0 && w.restarts == 0 {
			return fmt.Errorf("windows %s and %s were asked for within %s", last.window, a.window, d)
		}
		last = a
	}
	if s.platform.most > 1 {
		return fmt.Errorf("%d requests at one time", s.platform.most)
	}
	return nil
}
