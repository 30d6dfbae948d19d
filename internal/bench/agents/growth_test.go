package agents

import (
	"testing"

	"aiccbridge/internal/bench/stage"
)

// TestGrown: every number is beside the first, and in both pictures.
func TestGrown(t *testing.T) {
	g := &Grown{}
	measured := func(of string, memory, poll float64) stage.Measured {
		return stage.Measured{
			of + "memory": {memory}, of + "plain memory": {60_000}, of + "idle CPU": {poll}, of + "plain idle CPU": {90e-6}, of + "resumed": {2},
		}
	}
	g.add(fewAgents, measured("few: ", 40_000, 80e-6))
	g.add(10_000, measured("many: ", 43_000, 70e-6))
	for _, v := range g.Verdicts() {
		if !v.Met() {
			t.Error(v)
		}
	}
	g.add(19_000, measured("many: ", 45_000, 89e-6))
	for _, v := range g.Verdicts() {
		if v.Met() {
			t.Error(v)
		}
	}
	if p := g.Pictures(); len(p) != 2 || p[0].Curves[1].Points[2].Figure != 60_000.0/1024 || p[1].Curves[0].Points[2].Size != 19_000 {
		t.Errorf("%+v", p)
	}
	if lines := g.Tables()[0].Lines; len(lines) != 9 {
		t.Errorf("%d lines", len(lines))
	}
}
