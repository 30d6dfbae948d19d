package poller

import (
	"errors"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"aiccbridge/internal/ccgateway"
	"aiccbridge/poller/session"
	"aiccbridge/schemas"
)

// TestStanding: an agent fails as long as it has no good poll, however often it is signed
// in meanwhile; one that is halted is told from one that is tried again.
func TestStanding(t *testing.T) {
	always := func(a answer) func(*fakeSession) {
		return func(f *fakeSession) { f.forever = &a }
	}
	refused := func(code string) func(*fakeSession) {
		return func(f *fakeSession) { f.signIns = slices.Repeat([]error{refusal(code)}, 200) }
	}
	for name, c := range map[string]struct {
		script          func(f *fakeSession)
		halted, failing int // of one agent, beside one that is polled
		why             string
	}{
		"polled":                       {func(*fakeSession) {}, 0, 0, ""},
		"every poll cut":               {always(gotNothing(ccgateway.OutcomeUnknown)), 0, 1, ""},
		"every poll not sent":          {always(gotNothing(ccgateway.OutcomeNotSent)), 0, 1, ""},
		"every poll a page":            {always(gotStatus(503)), 0, 1, ""},
		"signed in, denied at once":    {always(gotStatus(401)), 0, 1, ""},
		"signed in, not signed in":     {always(gotCode("100-006")), 0, 1, "100-006"},
		"a code nobody knows":          {always(gotCode("199-123")), 0, 1, "199-123"},
		"signed in elsewhere":          {refused("100-015"), 0, 1, "100-015"},
		"a wrong password":             {refused("110-016"), 1, 0, "110-016"},
		"the wrong mode of polling":    {always(gotCode("000-001")), 1, 0, "000-001"},
		"cut for a while, then polled": {func(f *fakeSession) { f.script = slices.Repeat([]answer{gotNothing(ccgateway.OutcomeUnknown)}, 5) }, 0, 0, ""},
	} {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(t *testing.T, s *stage) {
				s.options.Metrics = NewMetrics(nil)
				c.script(s.agent("291"))
				other := agent291
				other.ID = "292"
				p := s.start(agent291, other)
				pass(30 * time.Second)
				if got := s.options.Metrics.Standing("acme", time.Minute); got.Failing != 0 {
					t.Errorf("after half a minute: %+v", got)
				}
				pass(5 * time.Minute)
				got := s.options.Metrics.Standing("acme", time.Minute)
				if got.Halted != c.halted || got.Failing != c.failing || got.Tried != 2-c.halted {
					t.Errorf("stands %+v", got)
				}
				for _, err := range []error{got.Why, got.Cause} {
					if err != nil && !strings.Contains(err.Error(), c.why) {
						t.Errorf("because %v, want %s", err, c.why)
					}
				}
				polled, want := got.Polled, []string{"291", "292"}
				if slices.Sort(polled); !slices.Equal(polled, want[c.halted+c.failing:]) {
					t.Errorf("%v are polled", polled)
				}
				if (got.Why != nil) != (c.halted > 0) || (got.Cause != nil) != (c.failing > 0) {
					t.Errorf("because %v, %v", got.Why, got.Cause)
				}
				p.end()
				if got := s.options.Metrics.Standing("acme", time.Minute); !reflect.DeepEqual(got, session.Standing{}) {
					t.Errorf("after the end: %+v", got)
				}
			})
		})
	}
}

// TestStandingWhileNothingIsStored: what can't be stored is not the gateway's fault.
func TestStandingWhileNothingIsStored(t *testing.T) {
	bubble(t, func(t *testing.T, s *stage) {
		s.options.Metrics = NewMetrics(nil)
		p := s.start(agent291)
		pass(time.Minute)
		s.agent("291").then(gotEvent("AgentState_Busy", ""))
		s.store.setRefuse(func(schemas.Message) error { return errors.New("full") })
		pass(5 * time.Minute)
		if got := s.options.Metrics.Standing("acme", time.Minute); got.Tried != 1 || got.Failing != 0 {
			t.Errorf("stands %+v", got)
		}
		s.store.setRefuse(nil)
		p.end()
	})
}
