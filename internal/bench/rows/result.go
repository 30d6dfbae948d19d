package rows

import (
	"fmt"

	"aiccbridge/internal/bench/figures"
	"aiccbridge/internal/bench/stage"
)

// Result is what was measured.
type Result struct {
	Rows, Large int
	m           stage.Measured
}

// Verdicts are those of P1, P3, P4 and P12.
func (r *Result) Verdicts() []figures.Verdict {
	m := r.m
	path := m["external: CPU"].Minus(m["raw external: CPU"]).Over(m["unzip: CPU"])
	const mb = 1e6
	p4 := []figures.Claim{stage.AtMost("a second extraction's peak, of the first's", m["again: peak over first"].Median(), 1.05)}
	if r.Large > 0 {
		p4 = append(p4, stage.AtMost(fmt.Sprintf("MB above idle at %d rows", r.Large), m["large: peak above idle"].Median()/mb, 64))
	}
	return []figures.Verdict{
		{Target: 1, Claims: []figures.Claim{
			stage.AtLeast("rows of raw batches, server in a second process", m.Ratio("external: rows/s", "raw external: rows/s"), 0.85),
			stage.AtLeast("in the process", m.Ratio("embedded: rows/s", "raw embedded: rows/s"), 0.80),
		}},
		{Target: 3, Claims: []figures.Claim{
			stage.AtMost("CPU without what raw publishing costs, of stdlib unzip", path.Median(), 4),
			stage.AtMost("CPU-s per million rows, publishing included", m["external: CPU"].Median(), 10),
		}},
		{Target: 4, Claims: p4},
		{Target: 12, Claims: []figures.Claim{
			stage.AtMost("extraction of the same rows, of the first", m.Ratio("unchanged", "first"), 0.25),
			stage.AtMost("of the identical file", m.Ratio("identical", "first"), 0.05),
		}},
	}
}

// Tables are for the document.
func (r *Result) Tables() []figures.Table {
	m := r.m
	const perMillion, second = "CPU-s/M", "server in a second process"
	t := figures.Table{
		Title: "Rows",
		Note: fmt.Sprintf("A file of %d call detail records of 38 columns, from the begin of its download until the bridge says that its window is complete. "+
			"The raw client stores the same messages, read back from the bridge's stream, in the same atomic batches of %d; each commit is awaited before the next batch is sent.", r.Rows, batch),
		Lines: []figures.Line{
			m.Line("bridge, "+second, "rows/s", "external: rows/s", "raw batches", "raw external: rows/s"),
			m.Line("bridge, server in it", "rows/s", "embedded: rows/s", "raw batches", "raw embedded: rows/s"),
			m.Line("bridge's CPU, "+second, perMillion, "external: CPU", "raw client's", "raw external: CPU"),
			m.Line("the server's CPU meanwhile", perMillion, "external: server CPU", "under raw batches", "raw external: server CPU"),
			m.Line("CPU, server in it", perMillion, "embedded: CPU", "raw batches", "raw embedded: CPU"),
			{What: "bridge's CPU without the raw client's", Unit: perMillion, Figures: m["external: CPU"].Minus(m["raw external: CPU"]), Of: "stdlib unzip", Baseline: m["unzip: CPU"]},
			m.Line("a row in the stream, compressed by the server", "bytes", "bytes a row", "", ""),
			m.Line("memory before the file", "bytes", "external: idle", "", "").In("MB", 1e-6),
			m.Line("peak memory of the first extraction above that", "bytes", "external: peak above idle", "", "").In("MB", 1e-6),
			m.Line("the same rows in another file", "s", "unchanged", "first extraction", "first"),
			m.Line("the identical file", "s", "identical", "first extraction", "first"),
		},
	}
	if r.Large > 0 {
		t.Lines = append(t.Lines, m.Line(fmt.Sprintf("peak memory above idle with %d rows", r.Large), "bytes", "large: peak above idle", "", "").In("MB", 1e-6))
	}
	return []figures.Table{t}
}
