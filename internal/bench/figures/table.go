package figures

import (
	"fmt"
	"strings"
)

// Line is one measured thing of a table, with its baseline if it has one.
type Line struct {
	What     string
	Unit     string
	Figures  Series
	Of       string // what the baseline is; "": none
	Baseline Series
}

// In is the line in another unit, of which so many are one of what it was.
func (l Line) In(unit string, many float64) Line {
	scaled := func(s Series) (out Series) {
		for _, f := range s {
			out = append(out, f*many)
		}
		return out
	}
	l.Unit, l.Figures, l.Baseline = unit, scaled(l.Figures), scaled(l.Baseline)
	return l
}

// Table is a part of the document.
type Table struct {
	Title string
	Note  string // below the title; "" is none
	Lines []Line
}

// Markdown prints medians, spreads, and the medians of the ratios.
func (t Table) Markdown() string {
	var b strings.Builder
	fmt.Fprintf(&b, "## %s\n\n", t.Title)
	if t.Note != "" {
		fmt.Fprintf(&b, "%s\n\n", t.Note)
	}
	b.WriteString("| what | unit | median | spread | baseline | its median | ratio | rounds |\n|---|---|---|---|---|---|---|---|\n")
	for _, l := range t.Lines {
		of, base, ratio := "–", "–", "–"
		if l.Of != "" {
			of, base, ratio = l.Of, Text(l.Baseline.Median()), Text(l.Figures.Over(l.Baseline).Median())
		}
		fmt.Fprintf(&b, "| %s | %s | %s | %s | %s | %s | %s | %d |\n",
			l.What, l.Unit, Text(l.Figures.Median()), percent(l.Figures.Spread()), of, base, ratio, len(l.Figures))
	}
	return b.String()
}

func percent(share float64) string {
	if s := Text(100 * share); s != "–" {
		return s + " %"
	}
	return "–"
}
