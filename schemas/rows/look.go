package rows

import "time"

// CallID is the call of a record, "" for none.
func (e *Encoder) CallID(record []string) string {
	if e.callID < 0 {
		return ""
	}
	return e.cell(record, e.callID)
}

// named is the cell of a column, "" when the kind has no such column or the cell is empty.
func (e *Encoder) named(record []string, column string) string {
	if i := e.set.named(column); i >= 0 {
		return e.cell(record, i)
	}
	return ""
}

// WallClocks appends the times of a record as its clock shows them, as seconds since the
// epoch as if the zone were UTC: those of the columns that are in the zone of the file
// ([Time]), and not what names an instant by itself.
func (e *Encoder) WallClocks(to []int64, record []string) []int64 {
	for column, c := range e.set.columns {
		if c.Type != Time {
			continue
		}
		if text := e.cell(record, column); text != "" {
			if clock, ok := e.clock(column, text); ok && !clock.instant {
				to = append(to, clock.wall())
			}
		}
	}
	return to
}

// Times are the instants of those times of a record that can be read, in the order of the
// columns. They are whole seconds.
func (e *Encoder) Times(record []string) (times []time.Time) {
	for i, c := range e.set.columns {
		text := e.cell(record, i)
		if text == "" || !c.Type.isTime() {
			continue
		}
		if clock, ok := e.clock(i, text); ok {
			_, at, _ := e.clocks[c.Type].append(nil, *clock)
			times = append(times, time.Unix(at, 0))
		}
	}
	return times
}

// Account is the enterprise account of a record, "" when it names none.
func (e *Encoder) Account(record []string) string {
	return e.named(record, "account_id")
}
