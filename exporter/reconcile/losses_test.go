package reconcile

import (
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"aiccbridge/internal/platformsim/fault"
	"aiccbridge/internal/platformsim/world"
	"aiccbridge/schemas/comparison"
)

// TestNothingLost: a contact centre of which everything is seen and recorded; nothing is found,
// whatever windows calls, states and recordings cross.
func TestNothingLost(t *testing.T) {
	for name, noTimes := range map[string]bool{"with times": false, "without times": true} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := newStage(t)
				s.noTimes = noTimes
				s.works(8, 4, 3)
				for _, f := range s.findings() {
					t.Errorf("found %s", show(f))
				}
				var all comparison.Tally
				for _, r := range s.said() {
					if r.Agents != 8 {
						t.Errorf("%d agents were observed in %s", r.Agents, r.Window)
					}
					all.Add(r.Tally)
				}
				t.Logf("%+v", all)
				if all.Both < 400 || all.Score() != 100 || all.Waiting > 2*8 {
					t.Errorf("all in all %+v", all)
				}
			})
		})
	}
}

// TestFiftyLosses: events that were taken and did not arrive, call detail records and rows of
// the recording index that the platform never writes. All are named, and nothing else.
func TestFiftyLosses(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newStage(t)
		cuts := map[string]int{}
		s.lose = func(agent string, e world.Event) bool {
			if number(agent) > 110 || time.Since(s.start) < 20*time.Minute || cuts[agent] >= 2 || time.Now().UnixMilli()%7 != 0 {
				return false
			}
			cuts[agent]++
			return true
		}
		var rules []fault.Rule
		for _, agent := range []string{"111", "112", "113", "114", "115"} {
			rules = append(rules, fault.Rule{Fault: "sync.never", Next: 3, Kind: "cdr", Agent: agent}, fault.Rule{Fault: "sync.never", Next: 3, Kind: "recording", Agent: agent})
		}
		s.works(16, 5, 5, rules...)
		withheld := s.world.Withheld()
		if len(s.lost) != 20 || len(withheld) != 30 {
			t.Fatalf("%d events are lost, %d rows withheld", len(s.lost), len(withheld))
		}
		found := s.findings()
		for _, r := range withheld {
			what := comparison.CallNoRow
			if r.Kind == world.Record {
				what = comparison.RecordingNoRow
			}
			i := slices.IndexFunc(found, func(f comparison.Finding) bool { return f.What == what && f.Agent == r.AgentID && f.CallID == r.CallID })
			if i < 0 {
				t.Errorf("not named: %v", r.Cells)
				continue
			}
			found = slices.Delete(found, i, i+1)
		}
		told := map[string]int{}
		gaps := map[string]bool{}
		for _, e := range s.lost {
			i := slices.IndexFunc(found, func(f comparison.Finding) bool {
				return f.What == comparison.Gap && f.Agent == e.agent && f.At.Sub(e.At).Abs() < time.Second
			})
			if i < 0 {
				t.Errorf("not named: %s of %s at %s", e.Type, e.agent, e.At)
				continue
			}
			gap := found[i]
			found, gaps[e.agent+show(gap.Gap)] = slices.Delete(found, i, i+1), true
			if slices.ContainsFunc(found, func(f comparison.Finding) bool { // two gaps may be so near that a row fits either
				return f.What != comparison.Gap && f.Agent == e.agent && f.By == comparison.ExplainedByGap && (f.Gap == gap.Gap || f.At.Sub(e.At).Abs() < 2*time.Second)
			}) {
				told[e.Type]++
			} else if strings.HasPrefix(e.Type, "AgentState_") && e.Type != "AgentState_Busy" || e.Type == "AgentMediaEvent_Record" || e.Type == "AgentEvent_Hold" {
				t.Errorf("a file has it, and it is not told: %s of %s at %s", e.Type, e.agent, e.At)
			}
		}
		found = slices.DeleteFunc(found, func(f comparison.Finding) bool { return f.By == comparison.ExplainedByGap && gaps[f.Agent+show(f.Gap)] })
		for _, f := range found {
			t.Errorf("invented: %s", show(f))
		}
		t.Logf("of the lost events, files tell of %v", told)
	})
}
