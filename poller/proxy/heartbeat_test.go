package proxy_test

import (
	"net/http"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"aiccbridge/poller/proxy"
)

// TestProxyHeartbeatsOnly: the agent of a client that is heard of and fetches no events stays signed
// in, what is old is dropped for that client, and it goes on with what is new; the stream has all.
func TestProxyHeartbeatsOnly(t *testing.T) {
	t.Parallel()
	s := newScene(t, still(1))
	s.learn()
	registry := prometheus.NewRegistry()
	s.change = func(o *proxy.Options) { o.Forget, o.Metrics = 3*time.Second, proxy.NewMetrics(registry) }
	b := s.start("")
	p := s.phone("101", b.addr)
	p.signIn("", "")
	dropped := func() (n float64) {
		families, err := registry.Gather()
		if err != nil {
			t.Fatal(err)
		}
		for _, f := range families {
			for _, m := range f.GetMetric() {
				for _, l := range m.GetLabel() {
					if l.GetName() == "what" && l.GetValue() == "dropped" {
						n += m.GetCounter().GetValue()
					}
				}
			}
		}
		return n
	}
	s.await("both events are dropped", func() bool {
		p.do(http.MethodPut, "onlineagent/101/heartbeat", "0")
		return dropped() == 2
	})
	p.do(http.MethodPost, "onlineagent/101/saybusy", "0")
	if got := s.until(p, "AgentState_SetNotReady_Success"); got != "State_SetNotReady_Success" {
		t.Errorf("the client sees %s", got)
	}
	if i := same(s.given("101"), s.stored("101")); i >= 0 || len(s.given("101")) != 3 {
		t.Errorf("the stream differs at %d: %v", i, s.stored("101"))
	}
}
