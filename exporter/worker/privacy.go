package worker

import "aiccbridge/schemas"

// Privacy says what stays of personal data. Rows are treated before they get their
// ids, so ids, too, are made of nothing else. Hence a policy that changes gives rows
// new ids: what is extracted again is published anew, as later revisions. And a
// policy that empties the columns that tell rows apart (id, call_id) makes them dead
// letters.
type Privacy interface {
	// Active reports whether anything is altered at all.
	Active() bool
	// Cell treats one cell by its column's name; false: nothing stays.
	Cell(column, value string) (string, bool)
	// Mark tells the policy from others.
	Mark() string
	// Text treats what cannot be told apart by columns.
	Text(text []byte) []byte
}

// withholds reports whether there is a policy. Then a damaged file is not kept: it
// cannot be taken apart into what may be kept and what not.
func (x *export) withholds() bool {
	return x.privacy != nil && x.privacy.Active()
}

// conceal treats a record in place.
func (p *publication) conceal(record []string) {
	if p.withholds() {
		p.encoder.Conceal(record, p.privacy.Cell)
	}
}

// concealNames treats the names of a header line, which may be no names.
func (x *export) concealNames(d *schemas.Drift) {
	if !x.withholds() {
		return
	}
	for _, names := range [][]string{d.Columns, d.Unknown} {
		for i, name := range names {
			names[i] = string(x.privacy.Text([]byte(name)))
		}
	}
}

// concealText treats a concealed record once more, in place: where the cells that
// every row has are missing, others may be in the wrong columns.
func (p *publication) concealText(record []string) []string {
	if p.withholds() {
		for i, cell := range record {
			record[i] = string(p.privacy.Text([]byte(cell)))
		}
	}
	return record
}
