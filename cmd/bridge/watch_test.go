package main

import (
	"context"
	"errors"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"
	"github.com/rs/zerolog"

	"aiccbridge/bus"
)

// TestWatch: an alarm is raised within its period, logged once, and taken back.
func TestWatch(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var log journal // the checks run beside each other
		var full, low, weak, downloads atomic.Bool
		when := func(wrong *atomic.Bool, text string) func(context.Context) error {
			return func(context.Context) error {
				if wrong.Load() {
					return errors.New(text)
				}
				return nil
			}
		}
		named := func(name string, fatal bool) *alarm {
			return &alarm{
				name: name, fatal: fatal, gauge: prometheus.NewGauge(prometheus.GaugeOpts{Name: "alarm"}),
				log: zerolog.New(&log), raised: name, over: name + " again",
			}
		}
		store, disk, streams := named("store", true), named("disk", false), named("streams", true)
		w := &watch{checks: []check{
			{alarm: store, every: healthEvery, find: when(&full, "no space left on device")},
			{alarm: disk, every: healthEvery, find: when(&low, "5 MiB free"), then: func(wrong bool) { downloads.Store(!wrong) }},
			{alarm: streams, every: settingsEvery, find: when(&weak, "AICC_EVENTS.max_age: is 1h")},
		}}
		intake, stop := context.WithCancel(t.Context())
		done := make(chan error, 1)
		go func() { done <- w.Run(intake, intake) }()
		pass := func(d time.Duration) {
			time.Sleep(d)
			synctest.Wait()
		}
		expect := func(status, lines int, body string) {
			t.Helper()
			answer := httptest.NewRecorder()
			w.ServeHTTP(answer, httptest.NewRequest("GET", "/healthz", nil))
			if answer.Code != status || answer.Body.String() != body {
				t.Errorf("answers %d %q, want %d %q", answer.Code, answer.Body, status, body)
			}
			if got := strings.Count(log.String(), "\n"); got != lines {
				t.Errorf("%d lines are logged, want %d:\n%s", got, lines, log.String())
			}
		}
		pass(2 * settingsEvery)
		expect(200, 0, "ok\n")
		low.Store(true)
		pass(healthEvery)
		expect(200, 1, "disk: 5 MiB free\n")
		if downloads.Load() {
			t.Error("downloads go on while the disk is low")
		}
		full.Store(true)
		weak.Store(true)
		pass(healthEvery)
		expect(503, 2, "store: no space left on device\ndisk: 5 MiB free\n")
		pass(2 * settingsEvery)
		if sum := testutil.ToFloat64(store.gauge) + testutil.ToFloat64(disk.gauge) + testutil.ToFloat64(streams.gauge); sum != 3 {
			t.Errorf("%v alarms, want 3", sum)
		}
		full.Store(false)
		low.Store(false)
		pass(healthEvery)
		expect(503, 5, "streams: AICC_EVENTS.max_age: is 1h\n")
		weak.Store(false)
		pass(settingsEvery)
		expect(200, 6, "ok\n")
		if !downloads.Load() {
			t.Error("downloads do not go on")
		}
		stop()
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
}

// TestWatchOfWhatDoesNotAnswer: no answer in time is no finding.
func TestWatchOfWhatDoesNotAnswer(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a := &alarm{gauge: prometheus.NewGauge(prometheus.GaugeOpts{Name: "alarm"})}
		c := check{alarm: a, every: settingsEvery, find: func(ctx context.Context) error {
			<-ctx.Done()
			return ctx.Err()
		}, then: func(bool) { t.Error("something followed from it") }}
		c.look(t.Context())
		if err := a.current(); err != nil {
			t.Errorf("it is an alarm: %v", err)
		}
	})
}

func TestSpoolLevel(t *testing.T) {
	for bytes, want := range map[int64]string{0: "", 49: "", 50: "50 %", 80: "80 %", 94: "80 %", 95: "95 %", 100: "95 %"} {
		err := spoolLevel(bus.SpoolState{Bytes: bytes, MaxBytes: 100})
		if (err == nil) != (want == "") || err != nil && !strings.Contains(err.Error(), want) {
			t.Errorf("%d of 100: %v, want %q", bytes, err, want)
		}
	}
	if err := spoolLevel(bus.SpoolState{Bytes: 10}); err != nil {
		t.Errorf("without a limit: %v", err)
	}
}
