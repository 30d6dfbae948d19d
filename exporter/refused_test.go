package exporter

import (
	"bytes"
	"context"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"
	"github.com/rs/zerolog"

	"aiccbridge/exporter/internal/exportertest"
	"aiccbridge/internal/ccfs"
	"aiccbridge/schemas"
)

// TestRefusedForHours: while the platform refuses the key, the log says so once,
// whatever else the errors say each time, and a metric says why nothing is extracted.
func TestRefusedForHours(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newSite(t)
		begin := time.Now()
		s.platform.answer = func(_ context.Context, n int, _ schemas.Kind, _ schemas.Window) error {
			switch {
			case time.Since(begin) > 8*time.Hour:
				return nil
			case n%2 == 0:
				return &ccfs.Error{Operation: "queryBillData", Class: ccfs.Auth, Status: 401, Skew: 10*time.Minute + time.Duration(n)*time.Second}
			}
			wait := time.Duration(n) * time.Second
			return &ccfs.Error{Class: ccfs.Auth, Local: true, RetryAfter: wait, Message: "calls are stopped"}
		}
		var log bytes.Buffer
		s.open(PlannerOptions{Logger: zerolog.New(&log)}, hourly)
		pass(8 * time.Hour)
		counter := func(result string) float64 {
			return testutil.ToFloat64(s.ledger.requests.WithLabelValues(exportertest.Acme, string(schemas.KindCDR), result))
		}
		if refused := counter(string(ccfs.Auth)); refused < 10 || refused != float64(len(s.platform.requests())) || counter("taken") != 0 {
			t.Errorf("%v of %d requests counted as refused, %v as taken", refused, len(s.platform.requests()), counter("taken"))
		}
		pass(time.Hour)
		if counter("taken") == 0 {
			t.Error("no request is counted as taken")
		}
		s.close()
		for message, want := range map[string]int{"extract not requested; it is tried again": 1, "extracts are requested again": 1} {
			if n := strings.Count(log.String(), message); n != want {
				t.Errorf("%q is logged %d times, want %d:\n%s", message, n, want, log.String())
			}
		}
	})
}

func TestLedgerRegistersItsMetrics(t *testing.T) {
	registry := prometheus.NewRegistry()
	o := LedgerOptions{Names: exportertest.Names(t), Bucket: exportertest.NewBucket(), Publisher: &exportertest.Publisher{}, Registerer: registry}
	l, err := NewLedger(o)
	exportertest.Check(t, err)
	l.requests.WithLabelValues(exportertest.Acme, "cdr", "taken").Inc()
	if n, err := testutil.GatherAndCount(registry, "aicc_extract_requests_total"); n != 1 || err != nil {
		t.Errorf("%d metrics, %v", n, err)
	}
	if _, err := NewLedger(o); err == nil {
		t.Error("a second ledger is taken")
	}
}
