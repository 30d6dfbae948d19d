package rows

import (
	"encoding/binary"
	"encoding/hex"
	"hash/crc32"
	"strconv"
	"strings"
)

// Rest says what a row holds beyond the cells that ids are made of: how many columns the
// file has, "-", and 8 hex digits of a checksum over the further cells by place; and where
// times are read in another zone than the tenant's, "@" and its name. It is empty when
// there is neither. It goes along with the row, so that a later extract can tell a change
// in such a cell from a file of another edition, and a row that was read in another zone;
// see [Encoder.SameRest].
//
// Cells of documented columns have the documented places. Those of others have the place
// in which they stand, or behind a header line of another order one behind the documented
// columns, sorted by name.
func (e *Encoder) Rest(record []string) string {
	width := e.places(record)
	if width <= e.set.shared() {
		return e.zoneMark
	}
	return e.restOf(record, width) + e.zoneMark
}

// SameRest reports whether a record says the same as a row whose [Encoder.Rest] was
// stored, as far as both have cells: a file that has more columns than before, or fewer,
// changes no row. The zone in which the files are read does, because the instants are
// others.
func (e *Encoder) SameRest(record []string, stored string) bool {
	stored, zone, _ := strings.Cut(stored, "@")
	if zone != strings.TrimPrefix(e.zoneMark, "@") {
		return false
	}
	width, err := strconv.Atoi(strings.SplitN(stored, "-", 2)[0])
	if err != nil || width > e.places(record) {
		return true
	}
	return stored == e.restOf(record, width)
}

// places is how many places the records of this file have.
func (e *Encoder) places(record []string) int {
	if e.inOrder { // without a header line there are no names
		return max(len(e.extra), len(record))
	}
	width := 0
	for column, place := range e.cells {
		if place >= 0 {
			width = column + 1
		}
	}
	if extra := len(e.order) + max(len(record)-len(e.columns), 0); extra > 0 {
		width = len(e.set.columns) + extra
	}
	return width
}

// restOf hashes the cells of the places from the shared columns up to width.
func (e *Encoder) restOf(record []string, width int) string {
	h := e.hashed[:0]
	for place := e.set.shared(); place < width; place++ {
		h = appendPart(h, e.placed(record, place))
	}
	e.hashed = h
	sum := binary.BigEndian.AppendUint32(make([]byte, 0, 4), crc32.ChecksumIEEE(h))
	return string(hex.AppendEncode(append(strconv.AppendInt(make([]byte, 0, 16), int64(width), 10), '-'), sum))
}

// placed is the canonical cell of a documented place.
func (e *Encoder) placed(record []string, place int) string {
	known := len(e.set.columns)
	switch {
	case place < known && (e.cells[place] >= 0 || !e.inOrder):
		return e.canonical(record, place)
	case e.inOrder: // also a cell that the setting of an edition makes an extra one
	case place-known < len(e.order):
		place = e.order[place-known]
	default:
		place += len(e.columns) - known - len(e.order)
	}
	if place >= len(record) {
		return ""
	}
	return e.extraCell(record, place)
}
