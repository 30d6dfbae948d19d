package rows

import (
	"cmp"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"aiccbridge/schemas"
)

// Encoder turns the CSV records of one file and kind into messages. It reads
// by position until [Encoder.Header] says otherwise. Not for concurrent use.
type Encoder struct {
	kind     schemas.Kind
	set      columnSet
	file     schemas.FileReady
	message  schemas.Message         // what all messages share
	extract  string                  // [schemas.ExtractSum]
	clocks   [TimeUTC + 1]*wallClock // by type of column
	head     []byte                  // the body's first members, which all rows share
	keys     [][]byte                // `"name":` of each column
	kindPart []byte                  // the kind, as it is hashed
	parts    [][]byte                // the name of each column, as it is hashed
	callID   int                     // the column call_id, -1 for none
	idCells  []int                   // columns of which one must have a value
	scope    []int                   // set.scope by column
	keyParts [][]int                 // set.key by column
	spans    []spanEnds              // set.spans by column
	opType   int                     // the column op_type, -1 for none
	noNames  bool
	zoneMark string // of rows whose times are read in another zone than the tenant's
	width    int    // columns of a member without a header line

	cells   []int    // place in the record of each column, -1 for none
	columns []int    // column of each place in the record, -1 for extra ones
	extra   []string // name of each extra place in the header, "" for none
	members [][]byte // `"name":` of each place, as far as it was needed
	inOrder bool     // the columns stand where the pages have them
	order   []int    // extra places of the header, as they are hashed

	count     func(row [16]byte) (int, error) // [Options.Count]
	hashed    []byte
	buf       []byte     // the body in hand
	bodies    []byte     // those of the messages before
	values    []value    // of each column, of the row in hand
	times     []timeCell // of each column, read last
	unread    []int
	ambiguous []int
}

// value is what a typed cell says.
type value struct {
	known  bool
	number int64 // the integer, or the instant in seconds
}

// timeCell is a cell of a time, and what it says.
type timeCell struct {
	text  string
	clock clock
	ok    bool
}

// spanEnds is a Span by column.
type spanEnds struct {
	key      []byte
	from, to int
}

// Options say how the files of a tenant and kind are read, and their rows written.
type Options struct {
	// Zone is the tenant's, whose offset published times have; nil: UTC.
	Zone *time.Location
	// Written is the zone of the files' wall-clock times; nil: Zone. Columns that are in
	// UTC by nature ([TimeUTC]) are read and published as such, whatever it is.
	Written *time.Location
	// Edition is how many columns a CDR has in the edition of the platform that members
	// without a header line are of: 18, 21, 23 or 29; with 18 a recording has 13. Further
	// cells are extra ones. 0: as many as the member has.
	Edition int
	// NoNames leaves out "names".
	NoNames bool
	// Count counts identical rows: how often it was called for a row, this time included;
	// [Encoder.Identify] returns its error. nil: they are counted in memory, with 25 to 50
	// bytes for each distinct row.
	Count func(row [16]byte) (int, error)
}

// countInMemory is the [Options.Count] of those who set none.
func countInMemory() func(row [16]byte) (int, error) {
	seen := map[[16]byte]int32{}
	return func(row [16]byte) (int, error) {
		seen[row]++
		return int(seen[row]), nil
	}
}

// NewEncoder makes the encoder for the members of kind k in the file f, which
// may hold several kinds.
func NewEncoder(n schemas.Names, f schemas.FileReady, k schemas.Kind, o Options) *Encoder {
	if o.Zone == nil {
		o.Zone = time.UTC
	}
	o.Written = cmp.Or(o.Written, o.Zone)
	if o.Count == nil {
		o.Count = countInMemory()
	}
	set := columnSets[k]
	e := &Encoder{
		kind: k, set: set, file: f, count: o.Count, noNames: o.NoNames, width: Width(k, o.Edition),
		clocks:  [...]*wallClock{Time: {zone: o.Written, shown: o.Zone}, TimeUTC: {zone: time.UTC, shown: time.UTC}},
		message: n.RowMessage(f, k), extract: schemas.ExtractSum(f.ResponseID), head: rowHead(f, k), values: make([]value, len(set.columns)), times: make([]timeCell, len(set.columns)), opType: set.named("op_type"),
		kindPart: appendPart(nil, string(k)), callID: set.named("call_id"),
	}
	for i, c := range set.columns {
		e.keys, e.parts = append(e.keys, jsonKey(c.Name)), append(e.parts, appendPart(nil, c.Name))
		if c.Required {
			e.idCells = append(e.idCells, i)
		}
	}
	for _, s := range set.spans {
		e.spans = append(e.spans, spanEnds{jsonKey(s.Name), set.named(s.From), set.named(s.To)})
	}
	for _, name := range e.set.scope {
		e.scope = append(e.scope, e.set.named(name))
	}
	for _, names := range e.set.key {
		part := make([]int, len(names))
		for i, name := range names {
			part[i] = e.set.named(name)
		}
		e.keyParts = append(e.keyParts, part)
	}
	if o.Written.String() != o.Zone.String() {
		e.zoneMark = "@" + o.Written.String()
	}
	e.byPosition()
	return e
}

// jsonKey is the name of a member and its colon.
func jsonKey(name string) []byte { return append(schemas.AppendString(nil, name), ':') }

// rowHead says whose rows these are.
func rowHead(f schemas.FileReady, k schemas.Kind) []byte {
	b := schemas.AppendString([]byte(`{"tenant":`), f.Tenant)
	b = schemas.AppendString(append(b, `,"kind":`...), string(k))
	return append(schemas.AppendString(append(b, `,"window":`...), f.Window.String()), ',')
}

func (e *Encoder) byPosition() {
	e.cells = indexes(len(e.set.columns))
	for column := e.width; column < len(e.cells); column++ {
		e.cells[column] = -1
	}
	e.columns, e.extra, e.members, e.inOrder, e.order = slices.Clone(e.cells), nil, nil, true, nil
}

// indexes counts from 0 to n-1.
func indexes(n int) []int {
	out := make([]int, n)
	for i := range out {
		out[i] = i
	}
	return out
}

// Header takes the header line of the next member; nil means that it has none
// and is read by position. Names are matched without regard to case, blanks and
// "_", and developer and developer_id stand for each other; of several names for
// one column the exact one is taken, else the first, and the others are extra
// cells. It reports a line with none of the required columns ([Column]) and an
// exact name that comes twice; the encoder stays as it was then.
func (e *Encoder) Header(names []string) error {
	if names == nil {
		e.byPosition()
		return nil
	}
	cells, columns, err := e.set.match(names)
	if err != nil {
		return fmt.Errorf("%s header: %w", e.kind, err)
	}
	if !slices.ContainsFunc(e.idCells, func(c int) bool { return cells[c] >= 0 }) {
		return fmt.Errorf("%s header: missing %s", e.kind, strings.Join(e.set.required(), " or "))
	}
	extra, order := make([]string, len(names)), []int(nil)
	for i, c := range columns {
		if c < 0 {
			extra[i] = extraName(names[i], extra[:i])
			order = append(order, i)
		}
	}
	e.cells, e.columns, e.extra, e.members, e.order = cells, columns, extra, nil, order
	e.inOrder = slices.Equal(cells, indexes(len(cells)))
	if !e.inOrder {
		slices.SortFunc(e.order, func(a, b int) int { return cmp.Compare(e.extraKey(a), e.extraKey(b)) })
	}
	return nil
}

// extraName is the name under which an unknown header's cells are published, ""
// when the place must serve: empty names, repeated ones, and such as look like
// the name of a place.
func extraName(name string, before []string) string {
	name = headerName(name)
	place, isPlace := strings.CutPrefix(name, "col")
	if isPlace && allDigits(place) || slices.Contains(before, name) {
		return ""
	}
	return name
}

// extraKey is the name under which the cells of an extra place are published.
func (e *Encoder) extraKey(place int) string {
	if place < len(e.extra) && e.extra[place] != "" {
		return e.extra[place]
	}
	return placeName(place)
}

// placeName names the cells of a place without a name, from col1.
func placeName(place int) string { return "col" + strconv.Itoa(place+1) }

// Message makes the message of a row; revision counts from 1. The body holds the tenant,
// kind and window; the columns that have a value of their type; durations between them;
// "names" for what codes mean; "unparsed" for cells that do not fit the type of their
// column, as they are; "extra" for cells beyond the known columns; "ambiguous" for times
// that occur twice or never at a clock change; and "row".
func (e *Encoder) Message(record []string, id Identity, revision int) (schemas.Message, error) {
	if id.ID == "" || id.Ordinal < 1 || revision < 1 || len(e.set.columns) == 0 {
		return schemas.Message{}, fmt.Errorf("encode %s row: want a known kind, an identity and a revision from 1", e.kind)
	}
	e.buf, e.unread, e.ambiguous = append(e.buf[:0], e.head...), e.unread[:0], e.ambiguous[:0]
	clear(e.values)
	for i := range e.set.columns {
		if text := e.cell(record, i); text != "" {
			e.appendCell(i, text)
		}
	}
	e.appendSpans()
	e.appendNames()
	e.appendUnparsed(record)
	e.appendExtra(record)
	e.appendAmbiguous()
	e.appendRow(id, revision)
	m := e.message
	m.ID = id.ID
	m.Body = e.keep()
	m.Row = schemas.RowHeader{Key: id.Key, Revision: revision, Extract: e.extract, Rest: e.Rest(record)}.Value()
	return m, nil
}

// keep copies the body in hand to where bodies lie side by side: one piece of memory for
// many.
func (e *Encoder) keep() []byte {
	const least, most = 64 << 10, 2 << 20
	if len(e.buf) > cap(e.bodies)-len(e.bodies) {
		e.bodies = make([]byte, 0, max(least, min(2*cap(e.bodies), most), len(e.buf)))
	}
	start := len(e.bodies)
	e.bodies = append(e.bodies, e.buf...)
	return slices.Clip(e.bodies[start:])
}

// TakeRoom gives the encoder room for the bodies to come, nil for new memory, and returns that
// of the bodies before. It may be given again once nobody needs these any more.
func (e *Encoder) TakeRoom(room []byte) (before []byte) {
	before, e.bodies = e.bodies, room[:0]
	return before
}

func (e *Encoder) appendCell(column int, text string) {
	switch typ := e.set.columns[column].Type; typ {
	case Time, TimeUTC:
		e.appendTime(column, typ, text)
	case Integer:
		number, ok := canonicalInteger(text)
		if !ok {
			e.unread = append(e.unread, column)
			return
		}
		e.values[column] = value{true, number}
		e.buf = append(append(append(e.buf, e.keys[column]...), text...), ',')
	default:
		e.buf = append(schemas.AppendString(append(e.buf, e.keys[column]...), text), ',')
	}
}

func (e *Encoder) appendTime(column int, typ ColumnType, text string) {
	c, ok := e.clock(column, text)
	if !ok {
		e.unread = append(e.unread, column)
		return
	}
	e.buf = append(append(e.buf, e.keys[column]...), '"')
	var at int64
	var odd bool
	e.buf, at, odd = e.clocks[typ].append(e.buf, *c)
	e.buf = append(e.buf, '"', ',')
	if odd {
		e.ambiguous = append(e.ambiguous, column)
	}
	e.values[column] = value{!odd, at}
}

// clock reads the cell of a time. Each is asked for several times: what its column said last
// is remembered.
func (e *Encoder) clock(column int, text string) (c *clock, ok bool) {
	last := &e.times[column]
	if last.text != text {
		last.text = text
		last.clock, last.ok = parseClock(text)
	}
	return &last.clock, last.ok
}

// appendSpans writes the durations whose ends are both known.
func (e *Encoder) appendSpans() {
	for _, s := range e.spans {
		from, to := e.values[s.from], e.values[s.to]
		if from.known && to.known && from.number <= to.number {
			e.buf = strconv.AppendInt(append(e.buf, s.key...), to.number-from.number, 10)
			e.buf = append(e.buf, ',')
		}
	}
}

// appendNames writes what the codes mean, where somebody says.
func (e *Encoder) appendNames() {
	if e.noNames {
		return
	}
	var operation int64 = -1
	if e.opType >= 0 && e.values[e.opType].known {
		operation = e.values[e.opType].number
	}
	const key = `"names":{`
	start := e.open(key)
	for i := range e.set.columns {
		c := &e.set.columns[i]
		if c.Type != Integer || !e.values[i].known {
			continue
		}
		if name := c.name(e.values[i].number, operation); name != "" {
			e.buf = append(append(append(e.buf, e.keys[i]...), '"'), name...)
			e.buf = append(e.buf, '"', ',')
		}
	}
	e.end(key, start)
}

// open begins a member that is an object, and returns where its members begin. Whatever is
// written ends with a comma.
func (e *Encoder) open(key string) (start int) {
	e.buf = append(e.buf, key...)
	return len(e.buf)
}

// end ends an object, or takes its key back when nothing was written into it.
func (e *Encoder) end(key string, start int) {
	if len(e.buf) == start {
		e.buf = e.buf[:start-len(key)]
		return
	}
	e.buf[len(e.buf)-1] = '}'
	e.buf = append(e.buf, ',')
}

func (e *Encoder) appendUnparsed(record []string) {
	const key = `"unparsed":{`
	start := e.open(key)
	for _, column := range e.unread {
		e.buf = append(e.buf, e.keys[column]...)
		e.buf = append(schemas.AppendString(e.buf, e.cell(record, column)), ',')
	}
	e.end(key, start)
}

func (e *Encoder) appendExtra(record []string) {
	const key = `"extra":{`
	start := e.open(key)
	for i := range record {
		if text := e.extraCell(record, i); text != "" {
			for len(e.members) <= i {
				e.members = append(e.members, jsonKey(e.extraKey(len(e.members))))
			}
			e.buf = append(schemas.AppendString(append(e.buf, e.members[i]...), text), ',')
		}
	}
	e.end(key, start)
}

func (e *Encoder) appendAmbiguous() {
	if len(e.ambiguous) == 0 {
		return
	}
	e.buf = append(e.buf, `"ambiguous":[`...)
	for _, column := range e.ambiguous {
		e.buf = append(schemas.AppendString(e.buf, e.set.columns[column].Name), ',')
	}
	e.buf[len(e.buf)-1] = ']'
	e.buf = append(e.buf, ',')
}

func (e *Encoder) appendRow(id Identity, revision int) {
	e.buf = schemas.AppendString(append(e.buf, `"row":{"id":`...), id.ID)
	e.buf = strconv.AppendInt(append(e.buf, `,"ordinal":`...), int64(id.Ordinal), 10)
	e.buf = schemas.AppendString(append(e.buf, `,"file":`...), e.file.FileName)
	e.buf = strconv.AppendInt(append(e.buf, `,"revision":`...), int64(revision), 10)
	e.buf = append(e.buf, '}', '}')
}

// maxNumberDigits is how many digits an integer may have to be a JSON number:
// all of them survive readers that hold numbers as 64-bit floats.
const maxNumberDigits = 15

// canonicalInteger reads an integer as JSON writes it, short enough to be read exactly by
// everybody. 007, +1 and -0 are none.
func canonicalInteger(text string) (number int64, ok bool) {
	digits, negative := strings.CutPrefix(text, "-")
	if digits == "" || len(digits) > maxNumberDigits || !allDigits(digits) || digits[0] == '0' && text != "0" {
		return 0, false
	}
	if number = int64(digitsOf(digits)); negative {
		number = -number
	}
	return number, true
}
