package main

import (
	"bytes"
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
)

// TestWatch: an alarm is raised within its period, logged once, and taken back.
func TestWatch(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var log bytes.Buffer
		var full, weak atomic.Bool
		gauge := func() prometheus.Gauge { return prometheus.NewGauge(prometheus.GaugeOpts{Name: "alarm"}) }
		w := &watch{
			health: func() error {
				if full.Load() {
					return errors.New("no space left on device")
				}
				return nil
			},
			settings: func(ctx context.Context) error {
				if weak.Load() {
					return errors.New("AICC_EVENTS.max_age: is 1h")
				}
				return nil
			},
			store:   &alarm{gauge: gauge(), log: zerolog.New(&log), raised: "store", over: "store again"},
			streams: &alarm{gauge: gauge(), log: zerolog.New(&log), raised: "streams", over: "streams again"},
		}
		intake, stop := context.WithCancel(t.Context())
		done := make(chan error, 1)
		go func() { done <- w.Run(intake, intake) }()
		pass := func(d time.Duration) {
			time.Sleep(d)
			synctest.Wait()
		}
		status := func() int {
			answer := httptest.NewRecorder()
			w.ServeHTTP(answer, nil)
			return answer.Code
		}
		pass(2 * settingsEvery)
		if log.Len() != 0 || status() != 200 {
			t.Errorf("alarm while all is well: %d, %s", status(), &log)
		}
		full.Store(true)
		weak.Store(true)
		pass(healthEvery)
		if testutil.ToFloat64(w.store.gauge) != 1 || status() != 503 {
			t.Error("a store that fails is not noticed within its period")
		}
		pass(2 * settingsEvery)
		if testutil.ToFloat64(w.streams.gauge) != 1 || strings.Count(log.String(), "\n") != 2 {
			t.Errorf("want two alarms, each logged once:\n%s", &log)
		}
		full.Store(false)
		pass(healthEvery)
		if status() != 503 {
			t.Error("weaker streams are no alarm for /healthz")
		}
		weak.Store(false)
		pass(settingsEvery)
		if status() != 200 || testutil.ToFloat64(w.store.gauge)+testutil.ToFloat64(w.streams.gauge) != 0 || strings.Count(log.String(), "\n") != 4 {
			t.Errorf("alarms are not taken back: %d\n%s", status(), &log)
		}
		stop()
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
}
