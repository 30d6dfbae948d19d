package archive

import (
	"cmp"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"unicode/utf8"

	"golang.org/x/text/encoding"
	"golang.org/x/text/encoding/simplifiedchinese"

	"aiccbridge/schemas"
	"aiccbridge/schemas/rows"
)

var (
	errLateHeader = errors.New("a header line stands below records, and its columns in another order than theirs")
	errOddLine    = errors.New("a line above the header line is neither a title nor a record")
	errTwoRecords = errors.New("two records stand on one line")
)

// record is one line of a table, as text.
type record struct {
	cells []string
	line  int
	fresh bool // another header line stands above it than above the one before
}

// table reads the records of a member and takes out all other lines: header lines,
// wherever they stand and however often, titles above them, and lines that name the
// separator. Files that were joined are read as such: each header line counts for the
// records below it.
type table struct {
	kind    schemas.Kind
	header  string // the setting
	csv     *csvReader
	decoder *encoding.Decoder // nil: UTF-8

	names   []string // the header line that counts; nil: none yet
	fresh   bool     // it is new to whoever reads the records
	records int      // seen so far
	held    []record // read and not yet returned, in order
	widest  int      // cells of the widest line, since the header line
	sure    bool     // those held are records, whatever comes
	end     error

	lines int  // seen so far
	odd   bool // there are lines besides records, other than a header line at the top

	// A table that was read before and is not odd: all its lines are records, below a header
	// line if top says so. Nothing of it need be told from records again.
	known, top bool
}

// maxTitles is how many lines above a header line may be titles.
const maxTitles = 8

func newTable(csv *csvReader, k schemas.Kind, d Dialect, charset string) *table {
	t := &table{kind: k, header: cmp.Or(d.Header, "auto"), csv: csv}
	if charset == charsetGB18030 {
		t.decoder = simplifiedchinese.GB18030.NewDecoder()
	}
	return t
}

// next returns the next record, whose cells are valid until the next call; io.EOF after the
// last.
func (t *table) next() (record, error) {
	if t.known {
		return t.again()
	}
	for {
		if len(t.held) > 0 && t.sure {
			r := t.held[0]
			t.held = slices.Delete(t.held, 0, 1)
			r.fresh, t.fresh = t.fresh, false
			return r, nil
		}
		if t.end != nil {
			return record{}, t.end
		}
		r, err := t.read()
		if err == nil {
			err = t.take(r)
		}
		if err != nil {
			if t.end, t.sure = err, true; !errors.Is(err, io.EOF) {
				t.held = nil
			}
		}
	}
}

// again returns the next record of a table that is known.
func (t *table) again() (record, error) {
	r, err := t.read()
	if err == nil && t.top {
		if t.top, err = false, t.turn(r); err == nil {
			r, err = t.read()
		}
	}
	if err != nil {
		return record{}, err
	}
	t.widen(len(r.cells))
	r.fresh, t.fresh = t.fresh, false
	t.records++
	return r, nil
}

// read returns the next line that has cells.
func (t *table) read() (record, error) {
	cells, err := t.csv.read()
	if err == nil {
		err = t.decode(cells)
	}
	if err != nil {
		return record{}, err
	}
	if first := cells[0]; first != "" && first[0] >= utf8.RuneSelf {
		cells[0] = strings.TrimLeft(first, "\ufeff") // a byte order mark within quotes
	}
	return record{cells: cells, line: t.csv.line}, nil
}

// decode makes UTF-8 of the cells of a line, in place.
func (t *table) decode(cells []string) (err error) {
	if t.decoder == nil && utf8.ValidString(t.csv.raw) || t.decoder != nil && isASCII(t.csv.raw) {
		return nil
	}
	t.csv.impure = true
	for i, cell := range cells {
		if t.decoder != nil {
			if cell, err = t.decoder.String(cell); err != nil {
				return errCharset
			}
		}
		cells[i] = strings.ToValidUTF8(cell, "\ufffd")
	}
	return nil
}

// take decides what a line is.
func (t *table) take(r record) error {
	t.lines++
	comma := t.csv.layout.comma
	if len(r.cells) <= 2 {
		if c, ok := separatorLine(strings.Join(r.cells, string(rune(comma)))); ok && c != comma {
			return fmt.Errorf("line %d names another separator, %q", r.line, c)
		} else if ok {
			t.odd = true
			return nil
		}
	}
	isHeader, err := t.isHeader(r.cells)
	if err == nil && isHeader {
		t.odd = t.odd || t.lines > 1
		return t.turn(r)
	}
	if err == nil {
		err = t.twoRecords(r.cells)
	}
	if err != nil {
		return fmt.Errorf("line %d: %w", r.line, err)
	}
	t.widen(len(r.cells))
	if t.sure = !t.mayBeTitle(r.cells); !t.sure {
		r.cells = slices.Clone(r.cells)
	}
	if t.held = append(t.held, r); t.sure {
		t.release()
	}
	return nil
}

func (t *table) isHeader(cells []string) (bool, error) {
	first := t.names == nil && t.records == 0
	if t.names != nil && rows.SameNames(cells, t.names) {
		return true, nil
	}
	if first && len(t.held) == 0 && t.header == "present" {
		return true, nil
	}
	named, err := rows.NamesColumns(t.kind, cells)
	if named || err != nil {
		return named, err
	}
	if first {
		return t.header == "auto" && rows.IsHeader(t.kind, cells), nil
	}
	return t.foreign(cells), nil
}

// foreign reports a header line, below records, of names that are not the columns': words
// where times and numbers belong, and no digit anywhere.
func (t *table) foreign(cells []string) bool {
	const few = 5
	if slices.ContainsFunc(cells, hasDigit) || values(cells) < few {
		return false
	}
	return rows.Documented(t.kind, t.names) && rows.IsHeader(t.kind, cells)
}

// turn makes a line the header line that counts. Titles above it are dropped.
func (t *table) turn(r record) error {
	for _, above := range t.held {
		if values(above.cells) > 2 {
			return fmt.Errorf("line %d: %w", above.line, errOddLine)
		}
	}
	t.held = nil
	if t.names == nil && t.records > 0 && !rows.Documented(t.kind, r.cells) {
		return fmt.Errorf("line %d: %w", r.line, errLateHeader)
	}
	t.names, t.fresh = make([]string, len(r.cells)), true
	for i, name := range r.cells {
		t.names[i] = strings.Clone(name) // without its block
	}
	t.widest = 0
	t.widen(len(r.cells))
	return nil
}

// widen notes how many cells a line has, for what tells swallowed rows from text.
func (t *table) widen(cells int) {
	if t.widest = max(t.widest, cells); t.widest > 2 {
		t.csv.width = t.widest
	}
}

// mayBeTitle reports whether a line is not a record if a header line follows: above the
// first one a line without a time, later one without a separator.
func (t *table) mayBeTitle(cells []string) bool {
	if len(t.held) > maxTitles {
		return false
	}
	if t.names == nil && t.records == 0 {
		return rows.Fit(t.kind, cells) <= 0
	}
	return len(cells) == 1 && t.csv.width > 2
}

// release lets the lines held go as records, but for titles of a table without header
// line: lines without a separator above one with as many cells as a row has.
func (t *table) release() {
	if last := t.held[len(t.held)-1]; t.records == 0 && t.names == nil && rows.Fit(t.kind, last.cells) > 0 {
		titles := func(r record) bool { return len(r.cells) == 1 }
		t.odd = t.odd || slices.ContainsFunc(t.held, titles)
		t.held = slices.DeleteFunc(t.held, titles)
	}
	t.records += len(t.held)
}

// twoRecords reports a line on which two records stand, the last cell of one and the
// first of the other being one cell: files joined without a line end.
func (t *table) twoRecords(cells []string) error {
	const fewest = 13 // columns that the platform's oldest editions had
	width := (len(cells) + 1) / 2
	if len(cells) != 2*width-1 || len(cells) <= len(t.names) {
		return nil
	}
	if usual := width == t.csv.width && width >= fewest || rows.Usual(t.kind, width); !usual {
		return nil
	}
	if rows.Fit(t.kind, cells[:width]) > 0 && rows.Fit(t.kind, cells[width-1:]) > 0 {
		return errTwoRecords
	}
	return nil
}

func hasDigit(cell string) bool {
	for i := range len(cell) {
		if cell[i] >= '0' && cell[i] <= '9' {
			return true
		}
	}
	return false
}

// values counts the cells that are not empty.
func values(cells []string) (n int) {
	for _, cell := range cells {
		if strings.TrimSpace(cell) != "" {
			n++
		}
	}
	return n
}
