package truthcheck

import (
	"fmt"
	"testing"

	"aiccbridge/schemas"
)

// BenchmarkDay compares 100,000 events of 100 agents and 200,000 rows of 40
// windows.
func BenchmarkDay(b *testing.B) {
	s := newScene(b)
	for i := range 100_000 {
		agent := fmt.Sprint(101 + i%100)
		if i%3 == 0 {
			s.event(agent, "AgentState_Ready", `null`)
			continue
		}
		s.event(agent, "AgentEvent_Ringing", fmt.Sprintf(
			`{"caller":"5550100","transfer":"","callid":"1714525260-%d","called":"5550199","type":"main","mediaType":"5","mediaAbility":"1","feature":"7"}`, i))
	}
	for n := range 40 {
		s.accept(s.file(schemas.Kinds()[n%4], n/4, s.manyRows(schemas.Kinds()[n%4], 5000*n, 5000*(n+1))...))
	}
	for b.Loop() {
		if r := s.report(); !r.OK || r.Events.Stored != 100_000 || r.Rows.InStream != 200_000 {
			b.Fatalf("%+v", r)
		}
	}
}
