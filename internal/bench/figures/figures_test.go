package figures

import (
	"math"
	"strings"
	"testing"

	"pgregory.net/rapid"
)

func TestSeries(t *testing.T) {
	for _, c := range []struct {
		s              Series
		median, spread float64
	}{
		{Series{3}, 3, 0},
		{Series{1, 9, 3}, 3, 8.0 / 3},
		{Series{4, 1, 2, 3}, 2.5, 3 / 2.5},
	} {
		if m, s := c.s.Median(), c.s.Spread(); m != c.median || s != c.spread {
			t.Errorf("%v: median %v, spread %v", c.s, m, s)
		}
	}
	if s := (Series{}); !math.IsNaN(s.Median()) || !math.IsNaN(s.Spread()) || !math.IsNaN(s.Quantile(0.5)) {
		t.Error("nothing has a median")
	}
}

func TestMedianIsInTheMiddle(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		s := Series(rapid.SliceOfN(rapid.Float64Range(0, 1e6), 1, 9).Draw(t, "figures"))
		before := append(Series{}, s...)
		m, below, above := s.Median(), 0, 0
		for i, f := range s {
			if f != before[i] {
				t.Fatal("the rounds changed places")
			}
			if f < m {
				below++
			}
			if f > m {
				above++
			}
		}
		if below > len(s)/2 || above > len(s)/2 {
			t.Fatalf("%v has median %v", s, m)
		}
	})
}

// TestRatioIsOfARound: a round at half speed changes no ratio.
func TestRatioIsOfARound(t *testing.T) {
	bridge, raw := Series{90, 45, 90}, Series{100, 50, 100}
	if got := bridge.Over(raw); got.Median() != 0.9 || got.Spread() != 0 {
		t.Errorf("ratios %v", got)
	}
	if got := (Series{1, 2, 3}).Over(Series{2, 2}); len(got) != 2 {
		t.Errorf("ratios %v", got)
	}
	if got := (Series{5, 7}).Minus(Series{1, 2}); got[0] != 4 || got[1] != 5 {
		t.Errorf("differences %v", got)
	}
}

func TestQuantile(t *testing.T) {
	s := Series{}
	for i := range 100 {
		s = append(s, float64(100-i))
	}
	for q, want := range map[float64]float64{0: 1, 0.5: 50, 0.99: 99, 1: 100} {
		if got := s.Quantile(q); got != want {
			t.Errorf("%v: %v, want %v", q, got, want)
		}
	}
}

func TestText(t *testing.T) {
	for f, want := range map[float64]string{0: "0.00", 0.0123: "0.0123", 0.34: "0.34", 9.876: "9.88", 45.04: "45.0", 15400.4: "15400", math.Inf(1): "–"} {
		if got := Text(f); got != want {
			t.Errorf("%v: %s, want %s", f, got, want)
		}
	}
}

func TestVerdict(t *testing.T) {
	good, bad := Claim{"rate", 0.9, true, 0.85}, Claim{"memory", 70, false, 64}
	for want, v := range map[string]Verdict{
		"P1 met: rate 0.90 (≥ 0.85)":                             {1, []Claim{good}},
		"P2 not met: rate 0.90 (≥ 0.85); memory 70.0 (≤ 64.0) ✗": {2, []Claim{good, bad}},
		"P3 not met: not measured":                               {3, nil},
		"P4 not met: rate – (≥ 0.85) ✗; memory – (≤ 64.0) ✗":     {4, []Claim{{"rate", math.NaN(), true, 0.85}, {"memory", math.NaN(), false, 64}}},
		"P5 met: rate 0.85 (≥ 0.85); memory 64.0 (≤ 64.0)":       {5, []Claim{{"rate", 0.85, true, 0.85}, {"memory", 64, false, 64}}},
	} {
		if got := v.String(); got != want || v.Met() == strings.Contains(want, "not met") {
			t.Errorf("%s, want %s (met %v)", got, want, v.Met())
		}
	}
}

func TestTable(t *testing.T) {
	got := Table{Title: "Rows", Note: "A note.", Lines: []Line{
		{"rate", "rows/s", Series{90, 45, 90}, "raw", Series{100, 50, 100}},
		{"alone", "s", Series{2}, "", nil},
		{"nothing", "s", nil, "raw", nil},
	}}.Markdown()
	want := `## Rows

A note.

| what | unit | median | spread | baseline | its median | ratio | rounds |
|---|---|---|---|---|---|---|---|
| rate | rows/s | 90.0 | 50.0 % | raw | 100 | 0.90 | 3 |
| alone | s | 2.00 | 0.00 % | – | – | – | 1 |
| nothing | s | – | – | raw | – | – | 0 |
`
	if got != want {
		t.Errorf("got %s", got)
	}
}
