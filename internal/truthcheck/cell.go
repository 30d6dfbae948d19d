package truthcheck

import (
	"cmp"
	"encoding/json"
	"errors"
	"hash/maphash"
	"slices"
	"strings"
	"time"

	"aiccbridge/internal/platformsim/world"
	"aiccbridge/schemas"
	"aiccbridge/schemas/rows"
)

// rowReader reduces rows of one kind to a hash of their values: cells as the
// file store made them, and bodies as they are in the stream. A row's value is
// the text of each documented column that has one, times as the instants that they
// name, and the texts of all further cells, sorted, because without a header
// line they have no names.
type rowReader struct {
	seed    maphash.Seed
	columns []column
	place   map[string]int  // of a column's name
	own     map[string]bool // members that the bridge adds
	texts   []string        // of the row in hand
	buf     []byte

	widths   []int               // columns that older editions have, and files that lack some
	older    []uint64            // values of the row in hand as those would have it
	narrower map[uint64][]uint64 // the same by value, of every row seen that has more
}

type column struct {
	name string
	time bool
	utc  bool // a time that is UTC whatever the file is written in
	id   bool // one of these must have a value
}

func newRowReader(k schemas.Kind, seed maphash.Seed) *rowReader {
	worldKind := world.Kind(rows.FilePart(k))
	types := map[string]rows.ColumnType{}
	for _, c := range rows.Columns(k) {
		types[c.Name] = c.Type
	}
	r := &rowReader{seed: seed, place: map[string]int{}, own: map[string]bool{}, narrower: map[uint64][]uint64{}}
	for _, name := range []string{"tenant", "kind", "window", "names", "ambiguous", "row"} {
		r.own[name] = true
	}
	for _, s := range rows.Spans(k) {
		r.own[s.Name] = true
	}
	for _, edition := range world.Editions {
		if w := worldKind.Width(edition); w < worldKind.Width(0) && !slices.Contains(r.widths, w) {
			r.widths = append(r.widths, w)
		}
	}
	for i, name := range world.Columns[worldKind] {
		c := column{name: name, id: name == "id" || name == "call_id"}
		c.utc = types[name] == rows.TimeUTC
		c.time = c.utc || types[name] == rows.Time
		r.columns = append(r.columns, c)
		r.place[name] = i
	}
	r.widths = append(r.widths, len(r.columns)-lacking)
	r.texts = make([]string, len(r.columns))
	return r
}

// lacking is how many of the last columns a file has not by the fault file.missing_columns.
const lacking = 2

// cells reads a row of the truth log, whose times are written in a zone. identified says
// that it has what every row needs: an id or a call id.
func (r *rowReader) cells(cells []string, zone *time.Location) (value uint64, identified bool) {
	r.begin()
	for i := range r.columns {
		r.edge(i)
		if i >= len(cells) {
			continue
		}
		c := &r.columns[i]
		text := trim(cells[i])
		if text == "" || c.time && strings.HasPrefix(text, "1970-01-01") { // never happened
			continue
		}
		identified = identified || c.id
		t, err := r.wall(i, text, zone)
		r.write(i, t, err, text)
	}
	var extra []string
	for i := len(r.columns); i < len(cells); i++ {
		extra = append(extra, trim(cells[i]))
	}
	return r.sum(extra), identified
}

// body reads the JSON of a row in the stream.
func (r *rowReader) body(body []byte) (value uint64, err error) {
	clear(r.texts)
	extra, strange := []string(nil), false
	further := func(name string, value json.RawMessage) {
		if i, ok := r.place[name]; ok { // a cell that does not fit its column's type
			r.texts[i] = text(value)
		} else {
			extra = append(extra, text(value))
		}
	}
	err = members(body, func(name string, value json.RawMessage) {
		i, ok := r.place[name]
		switch {
		case ok:
			r.texts[i] = text(value)
		case name == "extra" || name == "unparsed":
			strange = validMembers(value, further) != nil || strange
		case !r.own[name]:
			strange = true
		}
	})
	if err != nil || strange {
		return 0, cmp.Or(err, errStrange)
	}
	r.begin()
	for i, text := range r.texts {
		r.edge(i)
		if text != "" {
			t, err := r.instant(i, text)
			r.write(i, t, err, text)
		}
	}
	return r.sum(extra), nil
}

// errStrange says that a row has a member that is neither a column nor the
// bridge's own.
var errStrange = errors.New("row has a member that is no column")

// instant reads a time as it is in the stream.
func (r *rowReader) instant(place int, text string) (time.Time, error) {
	if !r.columns[place].time {
		return time.Time{}, errNoTime
	}
	return time.Parse(time.RFC3339, text)
}

// wall reads a time as it is in a file. One that a change of the clocks repeats is meant to
// be the first.
func (r *rowReader) wall(place int, text string, zone *time.Location) (time.Time, error) {
	if !r.columns[place].time {
		return time.Time{}, errNoTime
	}
	if r.columns[place].utc {
		zone = time.UTC
	}
	t, err := time.ParseInLocation(world.TimeLayout, text, zone)
	if err != nil {
		return t, err
	}
	for _, change := range []time.Duration{time.Hour, 30 * time.Minute, 2 * time.Hour} {
		if earlier := t.Add(-change); earlier.Format(world.TimeLayout) == t.Format(world.TimeLayout) {
			return earlier, nil
		}
	}
	return t, nil
}

var errNoTime = errors.New("not a column of times")

// write adds a column's value: the time, or the text where there is none.
func (r *rowReader) write(place int, t time.Time, err error, text string) {
	r.buf = append(r.buf, byte(place))
	if err == nil {
		r.buf = t.UTC().AppendFormat(r.buf, "2006-01-02 15:04:05.999999999")
	} else {
		r.buf = append(r.buf, text...)
	}
	r.buf = append(r.buf, 0)
}

func (r *rowReader) begin() { r.buf, r.older = r.buf[:0], r.older[:0] }

// edge notes the row as it would be if it ended before this column, where an edition does.
func (r *rowReader) edge(column int) {
	if slices.Contains(r.widths, column) {
		r.older = append(r.older, maphash.Bytes(r.seed, r.buf))
	}
}

func (r *rowReader) sum(extra []string) uint64 {
	slices.Sort(extra)
	for _, text := range extra {
		if text != "" {
			r.write(0xff, time.Time{}, errNoTime, text)
		}
	}
	value := maphash.Bytes(r.seed, r.buf)
	if _, known := r.narrower[value]; !known && len(r.older) > 0 && r.older[0] != value {
		r.narrower[value] = slices.Clone(r.older)
	}
	return value
}

// trim removes padding from a cell, and the words for "no value".
func trim(cell string) string {
	text := strings.TrimFunc(cell, func(c rune) bool { return c <= ' ' })
	switch text {
	case "null", "NULL", `\N`:
		return ""
	}
	return text
}
