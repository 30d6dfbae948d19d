package partition

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/prometheus/client_golang/prometheus/testutil"
)

// TestStates: a partition counts in one state at a time, and in none while it is another's.
func TestStates(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := NewMetrics(nil)
		s := &state{counts: m.of("acme")}
		are := func(what string, want map[string]float64) {
			t.Helper()
			for _, name := range []string{waiting, held, leaving} {
				if got := testutil.ToFloat64(m.partitions.WithLabelValues("acme", name)); got != want[name] {
					t.Errorf("%s: %g partitions are %s, want %g", what, got, name, want[name])
				}
			}
			if s.waitingSince().IsZero() != (want[waiting] == 0) {
				t.Errorf("%s: waiting since %s", what, s.waitingSince())
			}
		}
		are("another's", nil)
		s.waits()
		are("wanted", map[string]float64{waiting: 1})
		time.Sleep(time.Second) // virtual
		s.holds()
		are("ours", map[string]float64{held: 1})
		s.leaves()
		are("given back", map[string]float64{leaving: 1})
		s.rests()
		are("another's again", nil)
		s.waits()
		s.rests()
		are("given up", nil)
		if n := testutil.ToFloat64(m.takeovers.WithLabelValues("acme")); n != 1 {
			t.Errorf("%g leases were got, want 1", n)
		}
	})
}
