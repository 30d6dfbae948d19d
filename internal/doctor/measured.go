package doctor

import (
	"bytes"
	"fmt"
	"math"
	"time"

	dto "github.com/prometheus/client_model/go"
	"github.com/prometheus/common/expfmt"
	"github.com/prometheus/common/model"
)

// Switchover is what a bridge has measured of how agents pass from one bridge to another. The
// longest of many is known to lie in a span only.
type Switchover struct {
	Silence time.Duration // longest time without a request of a session, in the last minutes
	Waited  Span          // for the lease of a partition
	Drained Span          // until the polls of one that was given away had ended
}

// Span holds the longest of what was measured; zero: nothing was. To is 0 where it has no end.
type Span struct{ From, To time.Duration }

func (s Span) String() string {
	switch {
	case s == Span{}:
		return "not yet"
	case s.To == 0:
		return "more than " + s.From.String()
	}
	return "at most " + s.To.String()
}

// ReadSwitchovers reads the metrics of a bridge, by tenant. What are no metrics hold none.
func ReadSwitchovers(metrics []byte) map[string]Switchover {
	parser, found := expfmt.NewTextParser(model.UTF8Validation), map[string]Switchover{}
	families, err := parser.TextToMetricFamilies(bytes.NewReader(metrics))
	if err != nil {
		return found
	}
	for name, note := range map[string]func(s *Switchover, m *dto.Metric){
		"aicc_poller_silence_seconds_max": func(s *Switchover, m *dto.Metric) { s.Silence = seconds(m.GetGauge().GetValue()) },
		"aicc_poller_lease_wait_seconds":  func(s *Switchover, m *dto.Metric) { s.Waited = longest(m.GetHistogram()) },
		"aicc_poller_drain_seconds":       func(s *Switchover, m *dto.Metric) { s.Drained = longest(m.GetHistogram()) },
	} {
		for _, m := range families[name].GetMetric() {
			for _, l := range m.GetLabel() {
				if l.GetName() == "tenant" {
					s := found[l.GetValue()]
					note(&s, m)
					found[l.GetValue()] = s
				}
			}
		}
	}
	return found
}

func seconds(s float64) time.Duration {
	return time.Duration(s * float64(time.Second)).Round(100 * time.Millisecond)
}

// longest is where the longest time of a histogram lies.
func longest(h *dto.Histogram) (s Span) {
	before, below := uint64(0), 0.0
	for _, b := range h.GetBucket() {
		if b.GetCumulativeCount() > before && !math.IsInf(b.GetUpperBound(), 1) {
			s = Span{seconds(below), seconds(b.GetUpperBound())}
		}
		if !math.IsInf(b.GetUpperBound(), 1) {
			before, below = b.GetCumulativeCount(), b.GetUpperBound()
		}
	}
	if h.GetSampleCount() > before {
		s = Span{From: seconds(below)}
	}
	return s
}

// spare is what should be left of the time until the platform signs an agent out.
const spare = 10 * time.Second

// Judge holds hold and poll_timeout against what was measured.
func (s Switchover) Judge(about string, hold, pollTimeout time.Duration) Line {
	p := patient{about}
	says := fmt.Sprintf("a session was silent for %s at most in the last minutes, leases were waited for %s, polls that were given away ended %s; the platform signs out after %s", s.Silence, s.Waited, s.Drained, signOut)
	switch most := signOut - spare - s.Waited.From; {
	case s.Drained.From > hold+2*time.Second:
		return p.warning("measured", says, fmt.Sprintf("the gateway holds polls for longer than gateway.hold, %s: set it to what the gateway has (WAIT_TIMES x WAIT_INTERVAL), at least %s, and leave poll_timeout out; unless NATS was away then", hold, s.Drained.From))
	case s.Silence > signOut-spare:
		return p.warning("measured", says, fmt.Sprintf("set gateway.poll_timeout to %s at most, now it is %s; if it is so, look what keeps the bridge from polling: NATS that stores nothing, or a machine with too much to do", max(most, hold+5*time.Second), pollTimeout))
	case pollTimeout > most && most >= hold+5*time.Second:
		return p.warning("measured", says, fmt.Sprintf("set gateway.poll_timeout to %s at most, now it is %s: an agent whose bridge dies with a poll under way is signed out before another polls", most, pollTimeout))
	case pollTimeout > most:
		return p.warning("measured", says, fmt.Sprintf("no gateway.poll_timeout is short enough for a gateway.hold of %s: find out why leases are waited for %s, and shorten the hold at the gateway", hold, s.Waited))
	}
	return p.ok("measured", says+fmt.Sprintf("; a hold of %s and a poll_timeout of %s fit", hold, pollTimeout))
}
