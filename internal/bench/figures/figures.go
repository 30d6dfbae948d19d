// Package figures is the arithmetic of the benchmarks: medians, spread, ratios within a
// round, verdicts and tables. It does no I/O.
//
// Invariants:
//   - A ratio is taken inside a round, between a figure and its baseline, and the median
//     is taken of the ratios: what disturbs a whole round disturbs no ratio.
//   - What was not measured is never met.
package figures

import (
	"fmt"
	"math"
	"slices"
)

// Series are the figures of one thing, a round each, in the order of the rounds.
type Series []float64

// Median is the middle figure, or the mean of the two in the middle; NaN without figures.
func (s Series) Median() float64 {
	if len(s) == 0 {
		return math.NaN()
	}
	sorted := slices.Sorted(slices.Values(s))
	n := len(sorted)
	return (sorted[(n-1)/2] + sorted[n/2]) / 2
}

// Spread is the distance of the extremes, as a share of the median; NaN without figures.
func (s Series) Spread() float64 {
	if len(s) == 0 {
		return math.NaN()
	}
	return (slices.Max(s) - slices.Min(s)) / s.Median()
}

// Over are the ratios to a baseline, round by round; a round that one of them lacks has none.
func (s Series) Over(baseline Series) Series {
	var ratios Series
	for i := range min(len(s), len(baseline)) {
		ratios = append(ratios, s[i]/baseline[i])
	}
	return ratios
}

// Minus are the differences to a baseline, round by round.
func (s Series) Minus(baseline Series) Series {
	var differences Series
	for i := range min(len(s), len(baseline)) {
		differences = append(differences, s[i]-baseline[i])
	}
	return differences
}

// Quantile is the figure below which the share q of all lies, by the nearest rank; NaN
// without figures.
func (s Series) Quantile(q float64) float64 {
	if len(s) == 0 {
		return math.NaN()
	}
	sorted := slices.Sorted(slices.Values(s))
	rank := int(math.Ceil(q * float64(len(sorted))))
	return sorted[min(max(rank, 1), len(sorted))-1]
}

// Text prints a figure with about three digits.
func Text(f float64) string {
	switch a := math.Abs(f); {
	case math.IsNaN(f) || math.IsInf(f, 0):
		return "–"
	case a >= 100:
		return fmt.Sprintf("%.0f", f)
	case a >= 10:
		return fmt.Sprintf("%.1f", f)
	case a >= 0.1 || a == 0:
		return fmt.Sprintf("%.2f", f)
	}
	return fmt.Sprintf("%.4f", f)
}
