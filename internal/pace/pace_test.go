package pace

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// TestPace: it is that of the last minute, over all labels of a counter.
func TestPace(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		registry := prometheus.NewRegistry()
		counter := prometheus.NewCounterVec(prometheus.CounterOpts{Name: "done_total"}, []string{"by"})
		registry.MustRegister(counter)
		m := New(registry)
		ctx, stop := context.WithCancel(t.Context())
		ended := make(chan struct{})
		go func() {
			m.Run(ctx)
			close(ended)
		}()
		synctest.Wait()
		if got := m.PerSecond("done_total"); got != 0 {
			t.Errorf("at the start: %v", got)
		}
		counter.WithLabelValues("a").Add(200)
		counter.WithLabelValues("b").Add(100)
		time.Sleep(every)
		synctest.Wait()
		if got := m.PerSecond("done_total"); got != 30 {
			t.Errorf("after ten seconds: %v", got)
		}
		time.Sleep(span * every)
		synctest.Wait()
		if got := m.PerSecond("done_total"); got != 0 {
			t.Errorf("after a quiet minute: %v", got)
		}
		if got := m.PerSecond("other_total"); got != 0 {
			t.Errorf("of nothing: %v", got)
		}
		stop()
		<-ended
	})
}
