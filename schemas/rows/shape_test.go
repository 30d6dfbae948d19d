package rows

import (
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"aiccbridge/schemas"
)

// drifts is all that is said of a shape, 0 cells being a header line without records.
func drifts(k schemas.Kind, header []string, cells int) (all []schemas.Drift) {
	if header != nil {
		all = HeaderDrifts(k, header)
	}
	if cells == 0 {
		return all
	}
	if d, ok := CellsDrift(k, header, cells, 0); ok {
		all = append(all, d)
	}
	return all
}

// TestEditionsAreNoDrift: files as the editions of the platform write them are nothing new,
// however their names are spelt.
func TestEditionsAreNoDrift(t *testing.T) {
	for _, k := range schemas.Kinds() {
		for _, width := range columnSets[k].widths {
			for name, header := range map[string][]string{
				"as documented": columnNames(k)[:width],
				"in capitals":   strings.Split(strings.ToUpper(strings.Join(columnNames(k)[:width], " ,")), ","),
				"vdn":           strings.Split(strings.ReplaceAll(strings.Join(columnNames(k)[:width], ","), "vdn_id", "vdn"), ","),
				"none":          nil,
			} {
				if d := drifts(k, header, width); len(d) > 0 {
					t.Errorf("%s of %d columns, header %s: %+v", k, width, name, d)
				}
			}
		}
		if d := drifts(k, columnNames(k)[:columnSets[k].shared()], 0); len(d) > 0 {
			t.Errorf("%s, a header line alone: %+v", k, d)
		}
	}
}

func TestNewShapesAreDrifts(t *testing.T) {
	all := columnNames(schemas.KindCDR)
	without := func(name string) []string {
		return slices.DeleteFunc(slices.Clone(all), func(n string) bool { return n == name })
	}
	turned := slices.Clone(all[:18])
	turned[0], turned[4] = turned[4], turned[0]
	for name, tt := range map[string]struct {
		header []string
		cells  int
		want   []schemas.Drift
	}{
		"25 cells":               {nil, 25, []schemas.Drift{{What: schemas.DriftCells, Cells: 25, Edition: 29}}},
		"19 cells":               {nil, 19, []schemas.Drift{{What: schemas.DriftCells, Cells: 19, Edition: 21}}},
		"31 cells":               {nil, 31, []schemas.Drift{{What: schemas.DriftCells, Cells: 31, Edition: 29}}},
		"no cells":               {nil, 0, nil},
		"a new one":              {append(slices.Clone(all), " mood "), 30, []schemas.Drift{{What: schemas.DriftColumns, Columns: append(slices.Clone(all), "mood"), Unknown: []string{"mood"}, Edition: 29}}},
		"one less":               {without("call_end"), 28, []schemas.Drift{{What: schemas.DriftColumns, Columns: without("call_end"), Missing: []string{"call_end"}, Edition: 29}}},
		"a new name for one":     {append(without("call_end"), "mood"), 29, []schemas.Drift{{What: schemas.DriftColumns, Columns: append(without("call_end"), "mood"), Unknown: []string{"mood"}, Missing: []string{"call_end"}, Edition: 29}}},
		"one less of an old one": {all[:20], 20, []schemas.Drift{{What: schemas.DriftColumns, Columns: all[:20], Missing: all[20:21], Edition: 21}}},
		"another order":          {turned, 18, []schemas.Drift{{What: schemas.DriftOrder, Columns: turned, Expected: all[:18], Edition: 18}}},
		"a cell more":            {all, 30, []schemas.Drift{{What: schemas.DriftCells, Columns: all, Cells: 30, Edition: 29}}},
		"its own twin":           {append(slices.Clone(all[:18]), "developer_id"), 19, []schemas.Drift{{What: schemas.DriftColumns, Columns: append(slices.Clone(all[:18]), "developer_id"), Unknown: []string{"developer_id"}, Edition: 18}}},
		"one that is refused":    {append(slices.Clone(all), "call_id"), 30, nil},
	} {
		if diff := cmp.Diff(tt.want, drifts(schemas.KindCDR, tt.header, tt.cells)); diff != "" {
			t.Errorf("%s (-want +got):\n%s", name, diff)
		}
	}
}

// TestDriftsOfAnyHeader: whatever the header line, what is unknown and what is missing and
// what is known are together what there is, and nothing panics.
func TestDriftsOfAnyHeader(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		k := rapid.SampledFrom(schemas.Kinds()).Draw(t, "kind")
		names := append(columnNames(k), "mood", "x 1", "", "vdn", "Developer_ID")
		header := rapid.SliceOf(rapid.SampledFrom(names)).Draw(t, "header")
		cells := rapid.IntRange(0, 40).Draw(t, "cells")
		for _, d := range drifts(k, header, cells) {
			if d.Edition == 0 || d.What == schemas.DriftColumns && len(header)-len(d.Unknown) != d.Edition-len(d.Missing) {
				t.Errorf("%q: %+v", header, d)
			}
		}
	})
}
