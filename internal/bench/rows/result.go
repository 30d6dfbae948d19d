package rows

import (
	"fmt"

	"aiccbridge/internal/bench/figures"
)

// Result is what was measured.
type Result struct {
	Rows, Large int
	m           measured
}

// Verdicts are those of P1, P3, P4 and P12.
func (r *Result) Verdicts() []figures.Verdict {
	m := r.m
	ratio := func(name, baseline string) float64 { return m[name].Over(m[baseline]).Median() }
	atLeast := func(what string, f, limit float64) figures.Claim {
		return figures.Claim{What: what, Figure: f, AtLeast: true, Limit: limit}
	}
	atMost := func(what string, f, limit float64) figures.Claim {
		return figures.Claim{What: what, Figure: f, Limit: limit}
	}
	path := m["external: CPU"].Minus(m["raw external: CPU"]).Over(m["unzip: CPU"])
	const mb = 1e6
	p4 := []figures.Claim{atMost("a second extraction's peak, of the first's", m["again: peak over first"].Median(), 1.05)}
	if r.Large > 0 {
		p4 = append(p4, atMost(fmt.Sprintf("MB above idle at %d rows", r.Large), m["large: peak above idle"].Median()/mb, 64))
	}
	return []figures.Verdict{
		{Target: 1, Claims: []figures.Claim{
			atLeast("rows of raw batches, server in a second process", ratio("external: rows/s", "raw external: rows/s"), 0.85),
			atLeast("in the process", ratio("embedded: rows/s", "raw embedded: rows/s"), 0.80),
		}},
		{Target: 3, Claims: []figures.Claim{
			atMost("CPU without what raw publishing costs, of stdlib unzip", path.Median(), 4),
			atMost("CPU-s per million rows, publishing included", m["external: CPU"].Median(), 10),
		}},
		{Target: 4, Claims: p4},
		{Target: 12, Claims: []figures.Claim{
			atMost("extraction of the same rows, of the first", ratio("unchanged", "first"), 0.25),
			atMost("of the identical file", ratio("identical", "first"), 0.05),
		}},
	}
}

// Tables are for the document.
func (r *Result) Tables() []figures.Table {
	m := r.m
	line := func(what, unit, name, of, baseline string) figures.Line {
		return figures.Line{What: what, Unit: unit, Figures: m[name], Of: of, Baseline: m[baseline]}
	}
	const perMillion, second = "CPU-s/M", "server in a second process"
	t := figures.Table{
		Title: "Rows",
		Note: fmt.Sprintf("A file of %d call detail records of 38 columns, from the begin of its download until the bridge says that its window is complete. "+
			"The raw client stores the same messages, read back from the bridge's stream, in the same atomic batches of %d; each commit is awaited before the next batch is sent.", r.Rows, batch),
		Lines: []figures.Line{
			line("bridge, "+second, "rows/s", "external: rows/s", "raw batches", "raw external: rows/s"),
			line("bridge, server in it", "rows/s", "embedded: rows/s", "raw batches", "raw embedded: rows/s"),
			line("bridge's CPU, "+second, perMillion, "external: CPU", "raw client's", "raw external: CPU"),
			line("the server's CPU meanwhile", perMillion, "external: server CPU", "under raw batches", "raw external: server CPU"),
			line("CPU, server in it", perMillion, "embedded: CPU", "raw batches", "raw embedded: CPU"),
			{What: "bridge's CPU without the raw client's", Unit: perMillion, Figures: m["external: CPU"].Minus(m["raw external: CPU"]), Of: "stdlib unzip", Baseline: m["unzip: CPU"]},
			line("a row in the stream, compressed by the server", "bytes", "bytes a row", "", ""),
			line("memory before the file", "bytes", "external: idle", "", ""),
			line("peak memory of the first extraction above that", "bytes", "external: peak above idle", "", ""),
			line("the same rows in another file", "s", "unchanged", "first extraction", "first"),
			line("the identical file", "s", "identical", "first extraction", "first"),
		},
	}
	if r.Large > 0 {
		t.Lines = append(t.Lines, line(fmt.Sprintf("peak memory above idle with %d rows", r.Large), "bytes", "large: peak above idle", "", ""))
	}
	return []figures.Table{t}
}
