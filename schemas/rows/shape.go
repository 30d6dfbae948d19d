package rows

import (
	"slices"

	"aiccbridge/schemas"
)

// HeaderDrifts says in what a header line differs from those of all editions of the
// platform's files: by its names, by their order, or by both. Only what the line itself
// tells is filled in. A line that [Encoder.Header] refuses has none.
func HeaderDrifts(k schemas.Kind, header []string) []schemas.Drift {
	set := columnSets[k]
	_, columns, err := set.match(header)
	if err != nil {
		return nil
	}
	h := headerLine{set: set, names: header, columns: columns}
	return append(h.strange(), h.turned()...)
}

// CellsDrift says of a record that it has more or fewer cells than the header line above
// it, or without one (nil) than the edition ([Options.Edition]); drifts is false when it has
// not.
func CellsDrift(k schemas.Kind, header []string, cells, edition int) (d schemas.Drift, drifts bool) {
	set := columnSets[k]
	d = schemas.Drift{What: schemas.DriftCells, Cells: cells, Edition: set.edition(cells)}
	switch {
	case header == nil && edition == 0:
		return d, !Usual(k, cells)
	case header == nil:
		d.Edition = Width(k, edition)
		return d, cells != d.Edition
	}
	_, columns, err := set.match(header)
	h := headerLine{set: set, names: header, columns: columns}
	d.Columns, d.Edition = h.shown(), h.edition()
	return d, err == nil && cells != len(header)
}

// edition is how many columns the oldest edition has that has so many, else the newest.
func (s columnSet) edition(columns int) int {
	for _, width := range s.widths {
		if columns <= width {
			return width
		}
	}
	return len(s.columns)
}

// headerLine is a header line and the column of each of its names, -1 for none.
type headerLine struct {
	set     columnSet
	names   []string
	columns []int
}

// known are the columns that it names, in its order.
func (h headerLine) known() []int {
	return slices.DeleteFunc(slices.Clone(h.columns), func(c int) bool { return c < 0 })
}

// edition is that which has all the columns that it names.
func (h headerLine) edition() int { return h.set.edition(slices.Max(append(h.known(), 0)) + 1) }

// shown are the names without padding.
func (h headerLine) shown() (names []string) {
	for _, name := range h.names {
		names = append(names, headerName(name))
	}
	return names
}

// strange reports names that are no column's, and columns that it lacks.
func (h headerLine) strange() []schemas.Drift {
	d := schemas.Drift{What: schemas.DriftColumns, Columns: h.shown(), Edition: h.edition()}
	for place, column := range h.columns {
		if column < 0 {
			d.Unknown = append(d.Unknown, headerName(h.names[place]))
		}
	}
	for column, c := range h.set.columns[:d.Edition] {
		if !slices.Contains(h.columns, column) {
			d.Missing = append(d.Missing, c.Name)
		}
	}
	if len(d.Unknown)+len(d.Missing) == 0 {
		return nil
	}
	return []schemas.Drift{d}
}

// turned reports columns in another order than the pages have.
func (h headerLine) turned() []schemas.Drift {
	known := h.known()
	if slices.IsSorted(known) {
		return nil
	}
	slices.Sort(known)
	d := schemas.Drift{What: schemas.DriftOrder, Columns: h.shown(), Edition: h.edition()}
	for _, column := range known {
		d.Expected = append(d.Expected, h.set.columns[column].Name)
	}
	return []schemas.Drift{d}
}
