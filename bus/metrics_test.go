package bus

import (
	"strings"
	"testing"

	"github.com/prometheus/client_golang/prometheus"

	"aiccbridge/bus/internal/bustest"
)

func TestMetricNames(t *testing.T) {
	t.Parallel()
	r := prometheus.NewRegistry()
	open(t, bustest.Server(t), func(o *Options) { o.Registerer = r }).metrics.verdicts.WithLabelValues("x").Inc()
	families, err := r.Gather()
	if err != nil || len(families) == 0 {
		t.Fatal(err)
	}
	for _, f := range families {
		if !strings.HasPrefix(f.GetName(), "aicc_bus_") {
			t.Errorf("metric %s", f.GetName())
		}
	}
}
