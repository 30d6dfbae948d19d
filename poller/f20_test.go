package poller

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"aiccbridge/internal/ccgateway"
	"aiccbridge/poller/record"
	"aiccbridge/schemas"
)

// F20: however a session ends or its GUID gets lost, polling stops where it must, the
// agent is signed in again where that helps, and what may be lost is said.
func TestF20SessionsThatEnd(t *testing.T) {
	held := func(a answer) answer {
		a.after = 5 * time.Second
		return a
	}
	rotated, lost := gotEmpty(), gotNothing(ccgateway.OutcomeUnknown)
	rotated.guid = "rotated"
	refused := slices.Repeat([]answer{gotNothing(ccgateway.OutcomeNotSent)}, 8)
	cases := map[string]struct {
		script  []answer
		signIns int
		gaps    []schemas.GapCause
		ends    record.Cause // "": the session goes on
	}{
		"signed out during a poll":      {[]answer{held(gotCode("100-006"))}, 2, nil, record.CauseNotSignedIn},
		"shut down by the platform":     {[]answer{held(gotEvent("AgentOther_ShutdownService", ""))}, 2, nil, record.CauseShutdownService},
		"000-001":                       {[]answer{gotCode("000-001")}, 1, nil, record.CauseWrongMode},
		"000-003":                       {[]answer{gotCode("000-003")}, 2, nil, record.CauseAuth},
		"100-006":                       {[]answer{gotCode("100-006")}, 2, nil, record.CauseNotSignedIn},
		"105-001":                       {[]answer{gotCode("105-001")}, 2, nil, record.CauseRecovery},
		"401 twice":                     {[]answer{gotStatus(401), gotStatus(401)}, 2, []schemas.GapCause{schemas.GapSession}, record.CauseAuth},
		"GUID expired while cut off":    {append(refused, gotCode("000-003")), 2, []schemas.GapCause{schemas.GapSession}, record.CauseAuth},
		"new GUID lost, asked for":      {[]answer{rotated, lost, gotEmpty()}, 1, []schemas.GapCause{schemas.GapPollUnknown}, ""},
		"new GUID lost, the old dead":   {[]answer{rotated, lost, gotCode("000-003")}, 2, []schemas.GapCause{schemas.GapPollUnknown, schemas.GapSession}, record.CauseAuth},
		"new GUID in the answer itself": {[]answer{{poll: gotCode("000-003").poll, guid: "newer"}, gotEmpty()}, 1, nil, ""},
	}
	covered := 0
	for name, c := range cases {
		ok := t.Run(name, func(t *testing.T) {
			bubble(t, func(t *testing.T, s *stage) {
				s.agent("291").script, s.agent("291").updated = c.script, "asked-for"
				p := s.start(agent291)
				pass(3 * time.Minute)
				polls := len(s.j.of("ask"))
				pass(time.Minute)
				if stopped := len(s.j.of("ask")) == polls; stopped != (c.ends == record.CauseWrongMode) {
					t.Errorf("polling stopped: %t", stopped)
				}
				var gaps []schemas.GapCause
				for _, g := range bodies[schemas.Gap](s, schemas.TypeGap) {
					gaps = append(gaps, g.Cause)
				}
				ends := record.Cause("")
				for _, e := range bodies[schemas.Event](s, schemas.TypeEvent) {
					if e.Type == schemas.EventSignedOut {
						ends = record.Cause(e.Reason)
					}
				}
				if n := len(s.j.of("sign in")); n != c.signIns || !slices.Equal(gaps, c.gaps) || ends != c.ends {
					t.Errorf("%d sign-ins, gaps %v, ended by %q; stored: %v", n, gaps, ends, s.stored())
				}
				if strings.Contains(name, "asked for") && len(s.j.of("update guid")) != 1 {
					t.Error("no new GUID was asked for")
				}
				p.end()
				checkNumbers(t, s, 7)
			})
		})
		if ok {
			covered++
		}
	}
	t.Attr("figure", fmt.Sprintf("%d/%d states covered", covered, len(cases)))
	t.Attr("tries", fmt.Sprint(len(cases)))
}
