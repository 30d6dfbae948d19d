package poller

import (
	"errors"
	"strings"
	"testing"
	"time"

	"aiccbridge/schemas"

	"github.com/prometheus/client_golang/prometheus"
)

func TestALongSilenceIsMeasuredAndTold(t *testing.T) {
	bubble(t, func(t *testing.T, s *stage) {
		r := prometheus.NewPedanticRegistry()
		s.options.Metrics = NewMetrics(r)
		other := s.options
		other.Tenant = "other"
		if _, err := New(other); err != nil {
			t.Fatal(err)
		}
		peak := func(tenant string) float64 { return scrape(t, r)["aicc_poller_silence_seconds_max "+tenant] }
		p := s.start(agent291)
		pass(2 * time.Minute)
		if got := peak("acme"); got < 9 || got > 12 {
			t.Errorf("silence of an idle agent: %v s", got)
		}
		s.store.setRefuse(func(schemas.Message) error { return errors.New("stream is full") })
		s.agent("291").then(gotEvent("AgentState_Ready", ""))
		pass(65 * time.Second)
		if got := peak("acme"); got < 45 || got > 65 {
			t.Errorf("silence that goes on: %v s", got)
		}
		pass(35 * time.Second)
		s.store.setRefuse(nil)
		pass(20 * time.Second)
		if got := peak("acme"); got < 80 || got > 110 {
			t.Errorf("silence that is over: %v s", got)
		}
		if said := s.logs.String(); strings.Count(said, "gateway gets no request of the agent;") != 1 || strings.Count(said, "gateway gets requests of the agent again") != 1 {
			t.Errorf("logged: %s", said)
		}
		pass(10 * time.Minute)
		if got := peak("acme"); got > 12 {
			t.Errorf("ten minutes later: %v s", got)
		}
		p.end()
		pass(10 * time.Minute)
		if got := peak("acme"); got != 0 || peak("other") != 0 {
			t.Errorf("without agents: %v s", got)
		}
	})
}
