package doctor

import (
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/common/expfmt"

	"github.com/prometheus/client_golang/prometheus/promauto"
)

// measured are the metrics of a bridge as they are served.
func measured(t *testing.T, silence float64, waited, drained []float64) []byte {
	t.Helper()
	r := prometheus.NewRegistry()
	auto, tenant := promauto.With(r), []string{"tenant"}
	buckets := prometheus.ExponentialBuckets(0.1, 2, 12)
	auto.NewGaugeVec(prometheus.GaugeOpts{Name: "aicc_poller_silence_seconds_max"}, tenant).WithLabelValues("acme").Set(silence)
	for name, all := range map[string][]float64{"aicc_poller_lease_wait_seconds": waited, "aicc_poller_drain_seconds": drained} {
		h := auto.NewHistogramVec(prometheus.HistogramOpts{Name: name, Buckets: buckets}, tenant)
		h.WithLabelValues("other").Observe(100)
		for _, v := range all {
			h.WithLabelValues("acme").Observe(v)
		}
	}
	families, err := r.Gather()
	if err != nil {
		t.Fatal(err)
	}
	var b strings.Builder
	for _, f := range families {
		if _, err := expfmt.MetricFamilyToText(&b, f); err != nil {
			t.Fatal(err)
		}
	}
	return []byte(b.String())
}

// TestMeasured: hold and poll_timeout are judged by what a bridge measured, and only what is
// certain of it counts.
func TestMeasured(t *testing.T) {
	for name, c := range map[string]struct {
		silence         float64
		waited, drained []float64
		hold, timeout   time.Duration
		status          Status
		says, cure      string
	}{
		"nothing yet":           {0, nil, nil, 10 * time.Second, 30 * time.Second, OK, "waited for not yet", ""},
		"as it should be":       {12, []float64{0.05, 33}, []float64{9.9}, 10 * time.Second, 30 * time.Second, OK, "silent for 12s at most in the last minutes, leases were waited for at most 51.2s, polls that were given away ended at most 12.8s", ""},
		"a hold that is longer": {22, []float64{1}, []float64{3, 20}, 10 * time.Second, 30 * time.Second, Warning, "ended at most 25.6s", "at least 12.8s"},
		"a long silence":        {113, []float64{1}, nil, 10 * time.Second, 60 * time.Second, Warning, "1m53s", "set gateway.poll_timeout to 1m49.2s at most, now it is 1m0s"},
		"a slow takeover":       {30, []float64{60}, nil, 10 * time.Second, 75 * time.Second, Warning, "at most 1m42.4s", "set gateway.poll_timeout to 58.8s at most, now it is 1m15s"},
		"one that fits":         {30, []float64{60}, nil, 10 * time.Second, 55 * time.Second, OK, "", ""},
		"none that fits":        {30, []float64{500}, nil, 10 * time.Second, 30 * time.Second, Warning, "more than 3m24.8s", "no gateway.poll_timeout is short enough"},
	} {
		all := ReadSwitchovers(measured(t, c.silence, c.waited, c.drained))
		l := worst(t, []Line{all["acme"].Judge("gateway of acme", c.hold, c.timeout)})
		if c.status == OK {
			l = all["acme"].Judge("gateway of acme", c.hold, c.timeout)
		}
		if l.Status != c.status || !strings.Contains(l.Says, c.says) || !strings.Contains(l.Cure, c.cure) {
			t.Errorf("%s: %+v", name, l)
		}
	}
	if found := ReadSwitchovers([]byte("404 page not found\n")); len(found) != 0 {
		t.Errorf("in what are no metrics: %v", found)
	}
}
