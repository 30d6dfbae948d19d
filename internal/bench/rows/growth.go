package rows

import (
	"context"
	"fmt"

	"aiccbridge/internal/bench/figures"
	"aiccbridge/internal/bench/rawnats"
	"aiccbridge/internal/bench/stage"
)

// Growth measures files of several sizes, each extracted twice, the server in a second
// process. Sizes must be in ascending order.
type Growth struct {
	stage.Stage
	Sizes []int
}

// Run measures each size once.
func (g Growth) Run(ctx context.Context) (*Grown, error) {
	s, out := &Suite{Stage: g.Stage}, &Grown{}
	for _, n := range g.Sizes {
		s.Say("growth: %d rows", n)
		x, err := s.extract(ctx, "growth", n, true, 2)
		if err != nil {
			return nil, fmt.Errorf("%d rows: %w", n, err)
		}
		d, _, err := s.RawExternal(ctx, rawnats.Job{Mode: "batches", File: s.kept, N: n, Size: batch})
		if err != nil {
			return nil, fmt.Errorf("raw batches of %d rows: %w", n, err)
		}
		size := float64(n)
		out.add(size, grown{
			first: x.first, again: x.peak, idle: x.idle, cpu: x.cpu[0] / size, cpuAgain: x.cpu[1] / size, raw: d.CPU / size,
			rate: size / x.seconds[0],
		})
		s.Say("  %.0f rows/s, peak %.0f MB, extracted again %.0f MB, idle %.0f MB; %.1f CPU-s/M", size/x.seconds[0], x.first/1e6, x.peak/1e6, x.idle/1e6, 1e6*x.cpu[0]/size)
	}
	return out, nil
}

// grown is what one size took: bytes, and seconds of CPU a row.
type grown struct{ first, again, idle, cpu, cpuAgain, raw, rate float64 }

// Grown is how a bridge grows with its files.
type Grown struct {
	sizes []float64
	all   []grown
}

func (g *Grown) add(size float64, of grown) {
	g.sizes, g.all = append(g.sizes, size), append(g.all, of)
}

// Verdicts are that of P4 as far as it is about growth: the largest file beside the one
// before it.
func (g *Grown) Verdicts() []figures.Verdict {
	if len(g.all) < 2 {
		return nil
	}
	large, before := g.all[len(g.all)-1], g.all[len(g.all)-2]
	of := fmt.Sprintf("of that of %.0f", g.sizes[len(g.sizes)-2])
	return []figures.Verdict{{Target: 4, Claims: []figures.Claim{
		stage.AtMost(fmt.Sprintf("peak memory of %.0f rows, %s", g.sizes[len(g.sizes)-1], of), large.first/before.first, 1.1),
		stage.AtMost("extracted again, of its first", large.again/large.first, 1.05),
		stage.AtMost("MB above idle", (before.first-before.idle)/1e6, 64),
	}}}
}

// Tables are for the document.
func (g *Grown) Tables() []figures.Table {
	t := figures.Table{Title: "Growth of files", Note: "Each size once, the server in a second process. The second extraction is of the same rows in another file."}
	for i, of := range g.all {
		with := func(what string) string { return fmt.Sprintf("%s, %.0f rows", what, g.sizes[i]) }
		one := func(f float64) figures.Series { return figures.Series{f} }
		t.Lines = append(t.Lines,
			figures.Line{What: with("rows"), Unit: "rows/s", Figures: one(of.rate)},
			figures.Line{What: with("peak memory"), Figures: one(of.first), Of: "before the file", Baseline: one(of.idle)}.In("MB", 1e-6),
			figures.Line{What: with("peak memory, extracted again"), Figures: one(of.again), Of: "first extraction", Baseline: one(of.first)}.In("MB", 1e-6),
			figures.Line{What: with("CPU"), Figures: one(of.cpu), Of: "raw batches", Baseline: one(of.raw)}.In("µs a row", 1e6),
			figures.Line{What: with("CPU, extracted again"), Figures: one(of.cpuAgain), Of: "first extraction", Baseline: one(of.cpu)}.In("µs a row", 1e6),
		)
	}
	return []figures.Table{t}
}

// Pictures are memory and CPU by size.
func (g *Grown) Pictures() []figures.Picture {
	curve := func(name string, of func(grown) float64) figures.Curve {
		return figures.Along(name, g.sizes, g.all, of)
	}
	return []figures.Picture{
		{Name: "rows-memory", Title: "Peak memory of the bridge, MB", Sizes: "rows of the file", Curves: []figures.Curve{
			curve("first extraction", func(x grown) float64 { return x.first / 1e6 }),
			curve("extracted again", func(x grown) float64 { return x.again / 1e6 }),
			curve("before the file", func(x grown) float64 { return x.idle / 1e6 }),
		}},
		{Name: "rows-cpu", Title: "CPU of a row, µs", Sizes: "rows of the file", Curves: []figures.Curve{
			curve("first extraction", func(x grown) float64 { return 1e6 * x.cpu }),
			curve("extracted again", func(x grown) float64 { return 1e6 * x.cpuAgain }),
			curve("raw batches", func(x grown) float64 { return 1e6 * x.raw }),
		}},
	}
}
