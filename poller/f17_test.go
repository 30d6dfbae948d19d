package poller

import (
	"fmt"
	"io"
	"net/http"
	"testing"
	"time"

	"aiccbridge/internal/ccgateway"
	"aiccbridge/schemas"

	"github.com/prometheus/client_golang/prometheus"
)

func withStatus(status int) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Retry-After", "1")
		w.WriteHeader(status)
		io.WriteString(w, "<html>")
	}
}

func withBody(body string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) { io.WriteString(w, body) }
}

// drip sends its body too slowly for any patience.
func drip(w http.ResponseWriter, r *http.Request) {
	for range 100 {
		if _, err := io.WriteString(w, " "); err != nil || http.NewResponseController(w).Flush() != nil {
			return
		}
		select {
		case <-r.Context().Done():
			return
		case <-time.After(5 * time.Second):
		}
	}
}

// F17: whatever the platform answers has a class, leaves a gap record if it may have
// cost an event, and is not asked for again at once.
func TestF17PlatformAnswers(t *testing.T) {
	cases := map[string]struct {
		answer  http.HandlerFunc
		outcome ccgateway.Outcome
		lost    bool
	}{
		"401":          {withStatus(401), ccgateway.OutcomeHTTPError, false},
		"403":          {withStatus(403), ccgateway.OutcomeHTTPError, false},
		"429":          {withStatus(429), ccgateway.OutcomeHTTPError, false},
		"500":          {withStatus(500), ccgateway.OutcomeHTTPError, true},
		"502":          {withStatus(502), ccgateway.OutcomeHTTPError, true},
		"503":          {withStatus(503), ccgateway.OutcomeHTTPError, true},
		"HTML page":    {withBody("<html><body>maintenance</body></html>"), ccgateway.OutcomeUnknown, true},
		"empty":        {withBody(""), ccgateway.OutcomeUnknown, true},
		"slow body":    {drip, ccgateway.OutcomeUnknown, true},
		"no JSON":      {withBody(`{"retcode":"0","event":{`), ccgateway.OutcomeUnknown, true},
		"unknown code": {withBody(`{"retcode":"850-001"}`), ccgateway.OutcomeRefused, false},
	}
	classified, most := 0, 0.0
	for name, c := range cases {
		ok := t.Run(name, func(t *testing.T) {
			bubble(t, func(t *testing.T, s *stage) {
				r := prometheus.NewPedanticRegistry()
				s.options.Metrics = NewMetrics(r)
				network, platform := newPipes(), &platform{answer: c.answer}
				end := s.against(t, platform, network, network, ccgateway.Options{URL: "http://gateway.test"})
				p := s.start(agent291)
				pass(5 * time.Minute)
				p.crash()
				end()
				polls := len(platform.began)
				got := scrape(t, r)["aicc_poller_polls_total acme "+c.outcome.String()]
				if polls < 8 || int(got) < polls-1 {
					t.Errorf("%d polls, %v of them %s", polls, got, c.outcome)
				}
				if gaps := len(bodies[schemas.Gap](s, schemas.TypeGap)) - len(s.gaps(schemas.GapSession)); c.lost != (gaps > 0) || c.lost && gaps < polls-1 {
					t.Errorf("%d gaps of %d polls", gaps, polls)
				}
				for i := 1; i < polls; i++ {
					pause := platform.began[i].Sub(platform.ended[i-1])
					if c.answer != nil && name != "slow body" && pause <= time.Second {
						t.Errorf("poll %d follows after %s", i, pause)
					}
					most = max(most, 1/platform.began[i].Sub(platform.began[i-1]).Seconds())
				}
				if platform.other > 3*polls {
					t.Errorf("%d requests beside %d polls", platform.other, polls)
				}
			})
		})
		if ok {
			classified++
		}
	}
	if most >= 1 {
		t.Errorf("%.2f polls/s of an agent", most)
	}
	t.Attr("figure", fmt.Sprintf("%d/%d classified, fewer than 1 poll/s of an agent", classified, len(cases)))
	t.Attr("measured", fmt.Sprintf("at most %.2f polls/s", most))
	t.Attr("tries", fmt.Sprint(len(cases)))
}
