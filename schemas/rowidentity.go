package schemas

import (
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"slices"
	"strconv"
)

// ErrNoIdentity says that a row has neither an id nor a call id; it is a dead
// letter ([ReasonRowIdentity]).
var ErrNoIdentity = errors.New("row has neither id nor call id")

// RowIdentity is what tells one row from another.
type RowIdentity struct {
	// ID is the ce-id: 32 hex digits of a hash over the kind and the row's values
	// by column, "-", and the ordinal. It does not depend on the order of the
	// columns, on a header line, on padding or on the file's encoding.
	ID string
	// Key is the hash of the natural key: equal for all revisions of a row. A row
	// without the columns that make it is its own key.
	Key string
	// Ordinal counts identical rows of one file, from 1.
	Ordinal int
}

// cell returns the trimmed value of a column, "" when it has none.
func (e *RowEncoder) cell(record []string, column int) string {
	i := e.cells[column]
	if i < 0 || i >= len(record) {
		return ""
	}
	text := trimCell(record[i])
	if isNull(text) || e.set.columns[column].Type.isTime() && neverHappened(text) {
		return ""
	}
	return text
}

// extraCell returns the trimmed value at a place that belongs to no column, ""
// when it has none.
func (e *RowEncoder) extraCell(record []string, place int) string {
	if place < len(e.columns) && e.columns[place] >= 0 {
		return ""
	}
	if text := trimCell(record[place]); !isNull(text) {
		return text
	}
	return ""
}

// Identify computes a row's identity. It counts identical rows over the whole
// file, so it must see every row of the kind once, in the file's order. An error
// that is [ErrNoIdentity] makes the row a dead letter; it is not counted.
func (e *RowEncoder) Identify(record []string) (RowIdentity, error) {
	if !slices.ContainsFunc(e.idCells, func(c int) bool { return e.cell(record, c) != "" }) {
		return RowIdentity{}, fmt.Errorf("identify %s row: %w", e.kind, ErrNoIdentity)
	}
	row := e.hashRow(record)
	e.seen[row]++
	ordinal := int(e.seen[row])
	id := make([]byte, 0, 40)
	id = append(hex.AppendEncode(id, row[:]), '-')
	id = strconv.AppendInt(id, int64(ordinal), 10)
	key := row
	if e.ownID < 0 || e.cell(record, e.ownID) != "" {
		key = e.hashKey(record)
	}
	return RowIdentity{ID: string(id), Key: hex.EncodeToString(key[:]), Ordinal: ordinal}, nil
}

// hashRow hashes the values of a row: those of known columns by name in the
// documented order, then the others, sorted, because without a header line they
// have no names.
func (e *RowEncoder) hashRow(record []string) [16]byte {
	h := appendPart(e.hashed[:0], string(e.kind))
	for i, c := range e.set.columns {
		if text := e.cell(record, i); text != "" {
			h = appendPart(appendPart(h, c.Name), text)
		}
	}
	e.values = e.values[:0]
	for i := range record {
		if text := e.extraCell(record, i); text != "" {
			e.values = append(e.values, text)
		}
	}
	slices.Sort(e.values)
	for _, text := range e.values {
		h = appendPart(appendPart(h, ""), text)
	}
	e.hashed = h
	return digest(h)
}

// hashKey hashes the natural key of a row.
func (e *RowEncoder) hashKey(record []string) [16]byte {
	h := appendPart(e.hashed[:0], string(e.kind))
	for _, part := range e.keyParts {
		var value string
		for _, column := range part {
			if value = e.cell(record, column); value != "" {
				break
			}
		}
		h = appendPart(h, value)
	}
	e.hashed = h
	return digest(h)
}

// appendPart appends text with its length before it, so that no two lists of
// parts are the same bytes.
func appendPart(h []byte, text string) []byte {
	return append(binary.AppendUvarint(h, uint64(len(text))), text...)
}

func digest(h []byte) [16]byte {
	sum := sha256.Sum256(h)
	return [16]byte(sum[:16])
}

// RowHeader is what the headers of a message on a window's subject say.
type RowHeader struct {
	ID       string // ce-id
	Key      string // hash of the natural key; "" for markers
	Extract  string // response id of the extract that brought it
	Type     string // ce-type: aicc.v1.row.<kind>, or [TypeWindowComplete] for a marker
	Revision int    // from 1; 0 for markers
}

// ReadRowHeader reads the headers of a row or a marker without touching its
// body. Absent headers leave their field empty.
func ReadRowHeader(h map[string][]string) RowHeader {
	s := Stored{Header: h}
	revision, _ := strconv.Atoi(s.Get(HeaderRowRevision)) // markers have none
	return RowHeader{
		ID: s.Get("ce-id"), Key: s.Get(HeaderRowKey), Extract: s.Get(HeaderExtract),
		Type: s.Get("ce-type"), Revision: revision,
	}
}
