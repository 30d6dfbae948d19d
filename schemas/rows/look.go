package rows

// CallID is the call of a record, "" for none.
func (e *Encoder) CallID(record []string) string {
	if call := e.set.named("call_id"); call >= 0 {
		return e.cell(record, call)
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
			if clock, ok := parseClock(text); ok && !clock.instant {
				to = append(to, clock.wall())
			}
		}
	}
	return to
}
