package rows

import (
	"strings"
	"testing"
)

// TestGrown: each size is beside the one before it, and in both pictures.
func TestGrown(t *testing.T) {
	g := &Grown{}
	if len(g.Verdicts()) > 0 {
		t.Error("nothing has a verdict")
	}
	g.add(500_000, grown{first: 80e6, again: 80e6, idle: 40e6, cpu: 20e-6, cpuAgain: 10e-6, raw: 1e-6, rate: 40_000})
	g.add(5_000_000, grown{first: 84e6, again: 85e6, idle: 40e6, cpu: 21e-6, cpuAgain: 11e-6, raw: 1e-6, rate: 39_000})
	if v := g.Verdicts(); len(v) != 1 || !v[0].Met() || !strings.Contains(v[0].String(), "peak memory of 5000000 rows, of that of 500000 1.05") {
		t.Error(v)
	}
	g.all[1].first = 90e6
	if g.Verdicts()[0].Met() {
		t.Error("a tenth more than before is met")
	}
	text := g.Tables()[0].Markdown()
	for _, want := range []string{"| rows, 500000 rows | rows/s | 40000 |", "| CPU, 5000000 rows | µs a row | 21.0 | 0.00 % | raw batches | 1.00 | 21.0 | 1 |"} {
		if !strings.Contains(text, want) {
			t.Errorf("no %s in\n%s", want, text)
		}
	}
	if p := g.Pictures(); len(p) != 2 || len(p[0].Curves) != 3 || p[1].Curves[0].Points[1].Size != 5_000_000 || p[1].Curves[2].Points[0].Figure != 1 {
		t.Errorf("%+v", p)
	}
}
