package agents

import (
	"context"
	"fmt"
	"math"
	"time"

	"aiccbridge/internal/bench/figures"
	"aiccbridge/internal/bench/stage"
)

// Growth measures bridges and plain clients with several numbers of agents that wait for
// events. Numbers must be in ascending order, and above a hundred.
type Growth struct {
	stage.Stage
	Numbers []int
	Span    time.Duration // of each look
}

// Run measures each number once.
func (g Growth) Run(ctx context.Context) (*Grown, error) {
	s := &Suite{Stage: g.Stage, Span: g.Span, Memory: true}
	s.Rounds = 1
	base, out := stage.Measured{}, &Grown{}
	if err := s.queues(ctx, base); err != nil {
		return nil, fmt.Errorf("without agents: %w", err)
	}
	for _, n := range g.Numbers {
		m := stage.Measured{"base": base["base"]}
		s.Agents = n
		if err := s.scene(ctx, m, n); err != nil {
			return nil, fmt.Errorf("%d agents: %w", n, err)
		}
		out.add(float64(n), m)
	}
	return out, nil
}

// Grown is how a bridge grows with its agents: by number, what was measured of it.
type Grown struct {
	numbers []float64
	all     []grown
}

// grown are bytes and seconds of CPU, of an agent and of an idle poll.
type grown struct{ memory, plainMemory, poll, plainPoll, resumed float64 }

func (g *Grown) add(n float64, m stage.Measured) {
	of := "many: "
	if int(n) == fewAgents {
		of = "few: "
	}
	g.numbers = append(g.numbers, n)
	g.all = append(g.all, grown{
		memory: last(m[of+"memory"]), plainMemory: last(m[of+"plain memory"]),
		poll: last(m[of+"idle CPU"]), plainPoll: last(m[of+"plain idle CPU"]), resumed: last(m[of+"resumed"]),
	})
}

// Verdicts are those of P5 and P6 as far as they are about growth: every number beside the
// first.
func (g *Grown) Verdicts() []figures.Verdict {
	var memory, poll float64
	for _, x := range g.all[1:] {
		memory = max(memory, math.Abs(x.memory/g.all[0].memory-1))
		poll = max(poll, x.poll/g.all[0].poll)
	}
	of := fmt.Sprintf("up to %.0f agents", g.numbers[len(g.numbers)-1])
	return []figures.Verdict{
		{Target: 5, Claims: []figures.Claim{stage.AtMost("change of an agent's memory "+of, memory, 0.10)}},
		{Target: 6, Claims: []figures.Claim{stage.AtMost("CPU of an idle poll "+of+", of the first", poll, 1.1)}},
	}
}

// Tables are for the document.
func (g *Grown) Tables() []figures.Table {
	t := figures.Table{Title: "Growth of agents", Note: "Each number once, the server in the bridge."}
	for i, x := range g.all {
		with := func(what string) string { return fmt.Sprintf("%s, %.0f agents", what, g.numbers[i]) }
		one := func(f float64) figures.Series { return figures.Series{f} }
		t.Lines = append(t.Lines,
			figures.Line{What: with("memory of an agent"), Figures: one(x.memory), Of: "plain client", Baseline: one(x.plainMemory)}.In("KiB", 1.0/1024),
			figures.Line{What: with("CPU of an idle poll"), Figures: one(x.poll), Of: "plain client", Baseline: one(x.plainPoll)}.In("µs", 1e6),
			figures.Line{What: with("all resumed agents polled after"), Unit: "s", Figures: one(x.resumed)},
		)
	}
	return []figures.Table{t}
}

// Pictures are memory and CPU by number.
func (g *Grown) Pictures() []figures.Picture {
	of, n := figures.Along[grown], g.numbers
	memory := []figures.Curve{
		of("bridge", n, g.all, func(x grown) float64 { return x.memory / 1024 }),
		of("plain net/http client", n, g.all, func(x grown) float64 { return x.plainMemory / 1024 }),
	}
	poll := []figures.Curve{
		of("bridge", n, g.all, func(x grown) float64 { return 1e6 * x.poll }),
		of("plain net/http client", n, g.all, func(x grown) float64 { return 1e6 * x.plainPoll }),
	}
	return []figures.Picture{
		{Name: "agents-memory", Title: "Memory of an agent, KiB", Sizes: "agents", Curves: memory},
		{Name: "agents-cpu", Title: "CPU of an idle poll, µs", Sizes: "agents", Curves: poll},
	}
}
