package poller

import (
	"fmt"
	"testing"
	"time"

	"aiccbridge/internal/ccgateway"
	"aiccbridge/poller/session"

	"github.com/prometheus/client_golang/prometheus"
)

// F25: everybody starts at once, and later loses the gateway and finds it again at
// once. Nobody may be silent for a minute, half of what signs an agent out.
func TestF25ManyAgentsAtOnce(t *testing.T) {
	const agents = 2000
	bubble(t, func(t *testing.T, s *stage) {
		s.options.StartSpread = 0 // the default
		r := prometheus.NewPedanticRegistry()
		s.options.Metrics = NewMetrics(r)
		var wanted []session.Agent
		for i := range agents {
			a := session.Agent{ID: fmt.Sprint(10000 + i), Phone: "1", Password: "p"}
			wanted = append(wanted, a)
			for range 3 {
				s.agent(a.ID).script = append(s.agent(a.ID).script, answer{after: 10 * time.Second, poll: gotEmpty().poll})
			}
			for range 3 {
				s.agent(a.ID).script = append(s.agent(a.ID).script, gotNothing(ccgateway.OutcomeNotSent))
			}
		}
		begun := time.Now()
		p := s.start(wanted...)
		pass(75 * time.Second)
		silence := scrape(t, r)["aicc_poller_silence_seconds_max acme"]
		if polling := scrape(t, r)["aicc_poller_agents acme polling"]; polling != agents {
			t.Errorf("%v of %d agents poll", polling, agents)
		}
		p.end()
		starts := map[int]int{}
		for _, e := range s.j.of("sign in") {
			starts[int(e.at.Sub(begun)/time.Second)]++
		}
		most, first := 0, 0
		for _, n := range starts {
			most, first = max(most, n), first+n
		}
		if first != agents || most > agents/10*3/2 {
			t.Errorf("%d sign-ins, up to %d in a second", first, most)
		}
		if silence < 10 || silence >= 60 {
			t.Errorf("an agent was silent for %v s", silence)
		}
		t.Attr("figure", fmt.Sprintf("%d agents, never more than %d sign-ins/s, nobody silent for 60 s", agents, agents/10*3/2))
		t.Attr("measured", fmt.Sprintf("at most %d sign-ins/s, longest silence %.1f s", most, silence))
	})
	t.Attr("tries", fmt.Sprint(agents))
}

// A restart: sessions that go on are polled at once, with nobody waiting for the spread of
// sign-ins, and the silence is measured from the last sign of life before it.
func TestSessionsThatGoOnAreNotSpread(t *testing.T) {
	const agents, down = 1000, 30 * time.Second
	for name, stop := range map[string]func(*play){"stopped": (*play).end, "killed": (*play).crash} {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(t *testing.T, s *stage) {
				var wanted []session.Agent
				for i := range agents {
					wanted = append(wanted, session.Agent{ID: fmt.Sprint(10000 + i), Phone: "1", Password: "p"})
				}
				p := s.start(wanted...)
				pass(90 * time.Second)
				stop(p)
				stopped := time.Now()
				pass(down)
				r := prometheus.NewPedanticRegistry()
				s.options.Epoch, s.options.StartSpread, s.options.Metrics = 8, time.Minute, NewMetrics(r)
				begun := time.Now()
				p = s.start(wanted...)
				pass(time.Second)
				first := map[string]time.Duration{}
				for _, e := range s.j.of("ask") {
					if _, known := first[e.who]; !known && e.at.After(stopped) {
						first[e.who] = e.at.Sub(begun)
					}
				}
				if len(first) != agents || len(s.j.of("sign in")) != agents {
					t.Errorf("%d of %d agents polled within a second, %d sign-ins", len(first), agents, len(s.j.of("sign in")))
				}
				pass(15 * time.Second) // the silence is over when the answers come
				silence := scrape(t, r)["aicc_poller_silence_seconds_max acme"]
				if silence < down.Seconds() || silence >= 120 {
					t.Errorf("longest silence %v s, want that of the restart", silence)
				}
				p.end()
			})
		})
	}
}
