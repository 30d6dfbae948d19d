package planner

import (
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"

	"aiccbridge/exporter/internal/exportertest"
	"aiccbridge/schemas"
)

// TestGauges: how far a tenant is complete, what is open for how long, and what a backfill has
// before it.
func TestGauges(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, registry := newSite(t), prometheus.NewRegistry()
		s.platform.onAnswer = func(a asked) {
			if a.window != bubbleHour(1) { // whose callback is lost
				go func() {
					time.Sleep(time.Second)
					s.deliver(a)
				}()
			}
		}
		s.open(Options{Registerer: registry}, since(bubble, hourly))
		pass(4*time.Hour + 30*time.Minute)
		s.close()
		s.order([]schemas.Kind{schemas.KindCDR}, bubble, 3)
		// One that failed for good is a hole, and does not come any more.
		hole := schemas.Window{From: bubble.Add(-5 * time.Hour), To: bubble.Add(-4 * time.Hour)}
		exportertest.Check(t, s.ledger.Plan(t.Context(), schemas.WindowEntry{Tenant: exportertest.Acme, Kind: schemas.KindCDR, Window: hole, State: schemas.WindowFailed}))
		want := `
			# HELP aicc_windows_coverage_age_seconds How long ago the time ended up to which everything is complete, without a hole.
			# TYPE aicc_windows_coverage_age_seconds gauge
			aicc_windows_coverage_age_seconds{kind="cdr",tenant="acme"} 34200
			# HELP aicc_windows_oldest_open_seconds How long the oldest window that is still to come has been due; 0: none is.
			# TYPE aicc_windows_oldest_open_seconds gauge
			aicc_windows_oldest_open_seconds{kind="cdr",tenant="acme"} 8100
			# HELP aicc_windows_backfill_waiting Windows of backfills that are not complete.
			# TYPE aicc_windows_backfill_waiting gauge
			aicc_windows_backfill_waiting{kind="cdr",tenant="acme"} 3
		`
		if err := testutil.GatherAndCompare(registry, strings.NewReader(want), "aicc_windows_coverage_age_seconds", "aicc_windows_oldest_open_seconds", "aicc_windows_backfill_waiting"); err != nil {
			t.Error(err)
		}
	})
}
