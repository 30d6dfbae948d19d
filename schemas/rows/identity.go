package rows

import (
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
)

// ErrNoIdentity says that a row has neither an id nor a call id; it is a dead
// letter ([schemas.ReasonRowIdentity]).
var ErrNoIdentity = errors.New("row has neither id nor call id")

// Identity is what tells one row from another.
type Identity struct {
	// ID is the ce-id: 32 hex digits of a hash over the kind and the values of the
	// columns that files of every edition have, "-", and the ordinal. It does not depend
	// on how many columns a file has beyond these, on their order, on a header line, on
	// padding, on the file's encoding, or on how a time is written; a time that cannot be
	// read counts as text, and so does one that is written as an instant (epoch
	// milliseconds, or with an offset) or without seconds: no zone counts, and ids do not
	// change when more is understood. What the other cells say is in [Encoder.Rest].
	//
	// A row that was changed and is then as it was before, or was changed in other
	// cells only, would have the id of an earlier revision; see [Identity.Again].
	ID string
	// Key is the hash of the natural key: equal for all revisions of a row. A row
	// that lacks a part of it is its own key.
	Key string
	// Ordinal counts the rows of one file with the same hash, from 1.
	Ordinal int
}

// Again is the identity of a row whose hash is that of an earlier revision, while its
// content is not that of the last one: its ID has the revision after a dot, so that no two
// messages have the same.
func (r Identity) Again(revision int) Identity {
	r.ID += "." + strconv.Itoa(revision)
	return r
}

// BaseID is an ID without the revision that [Identity.Again] adds.
func BaseID(id string) string {
	base, _, _ := strings.Cut(id, ".")
	return base
}

// cell returns the trimmed value of a column, "" when it has none.
func (e *Encoder) cell(record []string, column int) string {
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
func (e *Encoder) extraCell(record []string, place int) string {
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
func (e *Encoder) Identify(record []string) (Identity, error) {
	if !e.Tells(record) {
		return Identity{}, fmt.Errorf("identify %s row: %w", e.kind, ErrNoIdentity)
	}
	row := e.hashRow(record)
	ordinal, err := e.count(row)
	if err != nil {
		return Identity{}, fmt.Errorf("count %s row: %w", e.kind, err)
	}
	key, ok := e.hashKey(record)
	if !ok {
		key = row
	}
	const room = 76                                         // two hashes in digits, a dash and an ordinal
	text := hex.AppendEncode(make([]byte, 0, room), key[:]) // key and id in one piece
	text = append(hex.AppendEncode(text, row[:]), '-')
	both := string(strconv.AppendInt(text, int64(ordinal), 10))
	return Identity{ID: both[2*len(key):], Key: both[:2*len(key)], Ordinal: ordinal}, nil
}

// Tells reports whether a record has a value in one of the columns that tell rows apart,
// without which [Encoder.Identify] returns [ErrNoIdentity].
func (e *Encoder) Tells(record []string) bool {
	return slices.ContainsFunc(e.idCells, func(c int) bool { return e.cell(record, c) != "" })
}

// canonical is the cell of a column in the one form that counts: times as the pages
// print them, yyyy-MM-dd HH:mm:ss, with a fraction where it is not zero; text,
// integers and times that cannot be read as they are.
func (e *Encoder) canonical(record []string, column int) string {
	text := e.cell(record, column)
	if text == "" || !e.set.columns[column].Type.isTime() {
		return text
	}
	c, ok := e.clock(column, text)
	if !ok || c.instant || c.short || c.fraction == "" && len(text) == clockLength && text[4] == '-' && text[10] == ' ' {
		return text
	}
	return c.String()
}

// hashRow hashes the values of a row: those of the shared columns, by name, in the
// documented order.
func (e *Encoder) hashRow(record []string) [16]byte {
	h := append(e.hashed[:0], e.kindPart...)
	for i := range e.set.shared() {
		if text := e.canonical(record, i); text != "" {
			h = appendPart(append(h, e.parts[i]...), text)
		}
	}
	e.hashed = h
	return digest(h)
}

// hashKey hashes the natural key of a row; ok says that it has every part.
func (e *Encoder) hashKey(record []string) (key [16]byte, ok bool) {
	h := append(e.hashed[:0], e.kindPart...)
	for _, column := range e.scope {
		h = appendPart(h, e.canonical(record, column))
	}
	for _, part := range e.keyParts {
		var value string
		for _, column := range part {
			if value = e.canonical(record, column); value != "" {
				break
			}
		}
		if value == "" {
			return key, false
		}
		h = appendPart(h, value)
	}
	e.hashed = h
	return digest(h), true
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

// Conceal replaces the cells of a record, in place, by what cell returns for them;
// false empties a cell. It is asked for every cell with a value, by the name of the
// column, or for an extra cell by the name that it is published under. Call it
// before [Encoder.Identify], so that ids are hashes of what is published, not of
// what is hidden.
func (e *Encoder) Conceal(record []string, cell func(column, value string) (string, bool)) {
	for place := range record {
		text := trimCell(record[place])
		if isNull(text) {
			continue
		}
		name := e.extraKey(place)
		if place < len(e.columns) && e.columns[place] >= 0 {
			name = e.set.columns[e.columns[place]].Name
		}
		if shown, ok := cell(name, text); !ok {
			record[place] = ""
		} else if shown != text {
			record[place] = shown
		}
	}
}
