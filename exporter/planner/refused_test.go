package planner

import (
	"bytes"
	"context"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"
	"github.com/prometheus/common/expfmt"
	"github.com/rs/zerolog"

	"aiccbridge/exporter/internal/exportertest"
	"aiccbridge/exporter/ledger"
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
		s.open(Options{Logger: zerolog.New(&log)}, hourly)
		pass(8 * time.Hour)
		counter := func(result string) float64 {
			return testutil.ToFloat64(s.planner.requests.WithLabelValues(string(schemas.KindCDR), result))
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

// TestAnotherRefusalIsSaid: another code or status is another refusal, other numbers in
// its text are none.
func TestAnotherRefusalIsSaid(t *testing.T) {
	l, _ := startLedger(t, ledger.Options{Bucket: exportertest.NewBucket(), Publisher: &exportertest.Publisher{}})
	var log bytes.Buffer
	p := newTestPlanner(t, Options{Ledger: l, Query: (&platform{}).query, Logger: zerolog.New(&log)})
	again := func(code string, status int, text string) error {
		return &ccfs.Error{Operation: "queryBillData", Class: ccfs.Again, Code: code, Status: status, Message: text}
	}
	for i, c := range []struct {
		err  error
		said bool
	}{
		{again("0100001", 200, "failure"), true},
		{again("0100001", 200, "failure"), false},
		{again("0100999", 200, "failure"), true},
		{again("", 500, "failure"), true},
		{again("", 503, "failure"), true},
		{again("", 503, "failure at 10:59:01"), true},
		{again("", 503, "failure at 11:07:12"), false},
		{exportertest.RefusedWith(ccfs.FlowControl, "0300008"), true},
		{exportertest.RefusedWith(ccfs.FlowControl, "0300009"), true},
		{exportertest.ErrBus, true},
		{exportertest.ErrBus, false},
	} {
		log.Reset()
		p.holdOff(p.live, c.err)
		if said := log.Len() > 0; said != c.said {
			t.Errorf("%d, %v: said %v, want %v", i, c.err, said, c.said)
		}
	}
}

// TestPlannersRegisterTheirMetrics: the planners of several tenants count side by side.
func TestPlannersRegisterTheirMetrics(t *testing.T) {
	registry := prometheus.NewRegistry()
	l, _ := startLedger(t, ledger.Options{Bucket: exportertest.NewBucket(), Publisher: &exportertest.Publisher{}})
	o := Options{
		Zone: time.UTC, Names: exportertest.Names(t), Ledger: l, Publisher: &exportertest.Publisher{}, Query: (&platform{}).query,
		Registerer: registry,
	}
	for n, tenant := range []string{exportertest.Acme, "other"} {
		o.Tenant = tenant
		p, err := New(o)
		exportertest.Check(t, err)
		p.requests.WithLabelValues("cdr", "taken").Inc()
		if got, err := testutil.GatherAndCount(registry, "aicc_extract_requests_total"); got != n+1 || err != nil {
			t.Errorf("%d metrics, %v", got, err)
		}
	}
	want := `aicc_extract_requests_total{kind="cdr",result="taken",tenant="other"} 1`
	var text bytes.Buffer
	families, err := registry.Gather()
	exportertest.Check(t, err)
	for _, f := range families {
		_, err := expfmt.MetricFamilyToText(&text, f)
		exportertest.Check(t, err)
	}
	if !strings.Contains(text.String(), want) {
		t.Errorf("no %s in\n%s", want, text.String())
	}
	defer func() {
		if recover() == nil {
			t.Error("a second planner of one tenant is taken")
		}
	}()
	_, _ = New(o)
}
