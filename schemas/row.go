package schemas

import (
	"bytes"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"
)

// RowEncoder turns the CSV records of one file and kind into messages. It reads
// by position until [RowEncoder.Header] says otherwise. Not for concurrent use.
//
// It keeps 25 to 50 bytes per distinct row seen by Identify, to count identical
// rows.
type RowEncoder struct {
	kind     Kind
	set      columnSet
	file     FileReady
	message  Message // what all messages share
	clocks   map[ColumnType]*wallClock
	keys     [][]byte // `"name":` of each column
	idCells  []int    // columns of which one must have a value
	ownID    int      // column of the platform's row id, -1 for none
	keyParts [][]int  // set.key by place

	cells   []int    // place in the record of each column, -1 for none
	columns []int    // column of each place in the record, -1 for extra ones
	extra   []string // name of each extra place in the header, "" for none

	seen      map[[16]byte]int32
	hashed    []byte
	buf       []byte
	values    []string
	unread    []int
	ambiguous []int
}

// NewRowEncoder makes the encoder for the members of kind k in the file f, which
// may hold several kinds. zone is the zone of its wall-clock times, nil for UTC.
func NewRowEncoder(n Names, f FileReady, k Kind, zone *time.Location) *RowEncoder {
	if zone == nil {
		zone = time.UTC
	}
	typ := TypeRow + string(k)
	e := &RowEncoder{
		kind: k, set: columnSets[k], file: f, seen: map[[16]byte]int32{},
		clocks: map[ColumnType]*wallClock{Time: {zone: zone}, TimeUTC: {zone: time.UTC}},
		message: Message{
			Subject: n.Row(f.Tenant, k, f.Window), Type: typ, Source: rowSource(f.Tenant, k, f.Window),
			Time: f.ReceivedAt, Schema: schemaURN(typ),
		},
	}
	for i, c := range e.set.columns {
		e.keys = append(e.keys, append(appendString(nil, c.Name), ':'))
		if c.Name == "id" || c.Name == "call_id" {
			e.idCells = append(e.idCells, i)
		}
	}
	e.ownID = e.set.named(e.set.id)
	for _, names := range e.set.key {
		part := make([]int, len(names))
		for i, name := range names {
			part[i] = e.set.named(name)
		}
		e.keyParts = append(e.keyParts, part)
	}
	e.byPosition()
	return e
}

func (e *RowEncoder) byPosition() {
	e.cells = make([]int, len(e.set.columns))
	for i := range e.cells {
		e.cells[i] = i
	}
	e.columns, e.extra = slices.Clone(e.cells), nil
}

// Header takes the header line of the next member; nil means that it has none
// and is read by position. Names are matched without regard to case, blanks and
// "_". It reports required columns that are missing and known columns that come
// twice.
func (e *RowEncoder) Header(names []string) error {
	if names == nil {
		e.byPosition()
		return nil
	}
	cells, columns, extra := make([]int, len(e.set.columns)), make([]int, len(names)), make([]string, len(names))
	for i := range cells {
		cells[i] = -1
	}
	for i, name := range names {
		columns[i] = e.set.position(name)
		switch c := columns[i]; {
		case c < 0:
			extra[i] = extraName(name, extra[:i])
		case cells[c] >= 0:
			return fmt.Errorf("%s header: column %s comes twice", e.kind, e.set.columns[c].Name)
		default:
			cells[c] = i
		}
	}
	var missing []string
	for i, c := range e.set.columns {
		if c.Required && cells[i] < 0 {
			missing = append(missing, c.Name)
		}
	}
	if missing != nil {
		return fmt.Errorf("%s header: missing %s", e.kind, strings.Join(missing, ", "))
	}
	e.cells, e.columns, e.extra = cells, columns, extra
	return nil
}

// extraName is the name under which an unknown header's cells are published, ""
// when the place must serve: empty names, repeated ones, and such as look like
// the name of a place.
func extraName(name string, before []string) string {
	name = strings.ToValidUTF8(trimCell(strings.TrimPrefix(name, "\ufeff")), "\ufffd")
	place, isPlace := strings.CutPrefix(name, "col")
	if isPlace && allDigits(place) || slices.Contains(before, name) {
		return ""
	}
	return name
}

// Message makes the message of a row; revision counts from 1. The body holds the
// columns that have a value, "extra" for cells beyond the known columns and for
// times that cannot be read, "ambiguous" for times that occur twice or never at
// a clock change, and "row".
func (e *RowEncoder) Message(record []string, id RowIdentity, revision int) (Message, error) {
	if id.ID == "" || id.Ordinal < 1 || revision < 1 || len(e.set.columns) == 0 {
		return Message{}, fmt.Errorf("encode %s row: want a known kind, an identity and a revision from 1", e.kind)
	}
	e.buf, e.unread, e.ambiguous = append(e.buf[:0], '{'), e.unread[:0], e.ambiguous[:0]
	for i := range e.set.columns {
		if text := e.cell(record, i); text != "" {
			e.appendCell(i, text)
		}
	}
	e.appendExtra(record)
	e.appendAmbiguous()
	e.appendRow(id, revision)
	m := e.message
	m.ID = id.ID
	m.Body = bytes.Clone(e.buf)
	m.Header = map[string]string{
		HeaderRowKey: id.Key, HeaderRowRevision: strconv.Itoa(revision), HeaderExtract: e.file.ResponseID,
	}
	return m, nil
}

func (e *RowEncoder) appendCell(column int, text string) {
	typ, start := e.set.columns[column].Type, len(e.buf)
	e.buf = append(e.buf, e.keys[column]...)
	switch {
	case typ.isTime():
		c, ok := parseClock(text)
		if !ok {
			e.buf = e.buf[:start]
			e.unread = append(e.unread, column)
			return
		}
		var odd bool
		e.buf, odd = e.clocks[typ].append(append(e.buf, '"'), c)
		e.buf = append(e.buf, '"')
		if odd {
			e.ambiguous = append(e.ambiguous, column)
		}
	case typ == Integer && canonicalInteger(text):
		e.buf = append(e.buf, text...)
	default:
		e.buf = appendString(e.buf, text)
	}
	e.buf = append(e.buf, ',')
}

func (e *RowEncoder) appendExtra(record []string) {
	start := len(e.buf)
	e.buf = append(e.buf, `"extra":{`...)
	empty := len(e.buf)
	for _, column := range e.unread {
		e.buf = append(e.buf, e.keys[column]...)
		e.buf = append(appendString(e.buf, e.cell(record, column)), ',')
	}
	for i := range record {
		text := e.extraCell(record, i)
		if text == "" {
			continue
		}
		if i < len(e.extra) && e.extra[i] != "" {
			e.buf = appendString(e.buf, e.extra[i])
		} else {
			e.buf = strconv.AppendInt(append(e.buf, `"col`...), int64(i+1), 10)
			e.buf = append(e.buf, '"')
		}
		e.buf = append(appendString(append(e.buf, ':'), text), ',')
	}
	if len(e.buf) == empty {
		e.buf = e.buf[:start]
		return
	}
	e.buf[len(e.buf)-1] = '}'
	e.buf = append(e.buf, ',')
}

func (e *RowEncoder) appendAmbiguous() {
	if len(e.ambiguous) == 0 {
		return
	}
	e.buf = append(e.buf, `"ambiguous":[`...)
	for _, column := range e.ambiguous {
		e.buf = append(appendString(e.buf, e.set.columns[column].Name), ',')
	}
	e.buf[len(e.buf)-1] = ']'
	e.buf = append(e.buf, ',')
}

func (e *RowEncoder) appendRow(id RowIdentity, revision int) {
	e.buf = appendString(append(e.buf, `"row":{"id":`...), id.ID)
	e.buf = strconv.AppendInt(append(e.buf, `,"ordinal":`...), int64(id.Ordinal), 10)
	e.buf = appendString(append(e.buf, `,"file":`...), e.file.FileName)
	e.buf = strconv.AppendInt(append(e.buf, `,"revision":`...), int64(revision), 10)
	e.buf = append(e.buf, '}', '}')
}
