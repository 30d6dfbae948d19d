package archive

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"strings"
	"unicode/utf8"
)

// Limits of one CSV member. The platform's columns hold at most 2,000
// characters; what is beyond these is no row but damage.
const (
	maxFieldBytes = 64 << 10
	maxRowBytes   = 512 << 10
	maxColumns    = 512
	maxPadding    = 256 // blanks between a closing quote and the end of its cell
)

// blockBytes is how much text is read at a time.
const blockBytes = 128 << 10

var errOpenQuote = errors.New("a quoted cell never ends")

// csvReader reads the file store's dialect: one record a line, cells quoted when
// they must be, no escape character (recording names are full of backslashes).
// It differs from encoding/csv where files in the field do: a quote inside a
// cell is text, blanks may stand around a quoted cell, lines may end in LF, CRLF
// or CR, and the number of cells varies. An unclosed quote, which would swallow
// rows, is an error: seen at the end of the file, or when a cell goes over a line
// end and then has a quote that neither ends it nor is doubled, or has as many
// separators as the rows that it would have swallowed.
//
// Cells are bytes as they stand in the file: in GB18030 no byte of a character is
// a quote, a line end or a separator but "|", so cells can be cut before decoding.
// Byte order marks at the beginning of a line, where files were joined, are passed
// over.
//
// The text is read in large blocks, and cells are cut out of them, not copied: whoever
// keeps one keeps its block. Lines without quotes are cut where the separators are,
// others cell by cell.
type csvReader struct {
	r      io.Reader
	layout layout
	width  int // cells of a usual record, 0: not known
	line   int // of the record read last, from 1
	next   int

	text   string // read from r and not yet returned
	err    error  // what comes behind the text; nil: more of it
	block  []byte
	ended  bool // the record in hand was looked for behind the text
	impure bool // there were NUL bytes, or what is no text in the encoding

	raw   string // the record read last, with its quotes and line end
	cells []string

	size           int    // bytes in the cells
	newlines       int    // within quoted cells of the record
	breaks, commas int    // line ends and separators within the quoted cell
	unquoted       []byte // its text up to the last doubled quote
}

func newCSVReader(r io.Reader) *csvReader {
	return &csvReader{r: r, next: 1, block: make([]byte, blockBytes)}
}

// as has the text read in a layout.
func (c *csvReader) as(l layout) *csvReader {
	c.layout, c.width = l, l.width
	return c
}

// read returns the cells of the next record, valid until the next call; io.EOF
// after the last. Empty lines are passed over.
func (c *csvReader) read() ([]string, error) {
	for {
		c.line = c.next
		c.skipMarks()
		if c.text == "" {
			return nil, c.err
		}
		end, ok := c.plain()
		if !ok {
			var err error
			if end, err = c.whole(); err != nil {
				return nil, fmt.Errorf("line %d: %w", c.line, err)
			}
		}
		c.raw, c.text, c.next = c.text[:end], c.text[end:], c.line+c.newlines+1
		if len(c.cells) > 1 || c.cells[0] != "" {
			return c.cells, nil
		}
	}
}

// fill reads on behind the text until the block is full, one twice as large if the text
// takes up more than half of it.
func (c *csvReader) fill() {
	if len(c.text) > len(c.block)/2 {
		c.block = make([]byte, 2*len(c.block))
	}
	old := copy(c.block, c.text)
	n := old
	for n < len(c.block) && c.err == nil {
		var more int
		more, c.err = c.r.Read(c.block[n:])
		n += more
	}
	c.impure = c.impure || bytes.IndexByte(c.block[old:n], 0) >= 0
	c.text = string(c.block[:n])
}

// skipMarks passes over byte order marks: of any encoding at the beginning of the file,
// later of its own.
func (c *csvReader) skipMarks() {
	own := marks[0].bytes
	if c.layout.wide {
		own = marks[1].bytes
	}
	for again := true; again; {
		if len(c.text) < longestMark && c.err == nil {
			c.fill()
		}
		if c.text == "" || c.text[0] < utf8.RuneSelf || c.line > 1 && !strings.HasPrefix(c.text, own) {
			return
		}
		rest, _ := cutMarks(c.text)
		c.impure = c.impure || !utf8.ValidString(c.text[:len(c.text)-len(rest)])
		again = len(rest) < len(c.text)
		c.text = rest
	}
}

// plain cuts a line that has no quote and is within all limits, and returns where the next
// one begins; ok is false for any other.
func (c *csvReader) plain() (end int, ok bool) {
	length := strings.IndexByte(c.text, '\n')
	if length < 0 || length > maxFieldBytes || c.layout.comma == '|' && c.layout.wide {
		return 0, false
	}
	line := strings.TrimSuffix(c.text[:length], "\r")
	if strings.IndexByte(line, '"') >= 0 || strings.IndexByte(line, '\r') >= 0 {
		return 0, false
	}
	c.cells, c.newlines = c.cells[:0], 0
	for len(c.cells) < maxColumns {
		comma := strings.IndexByte(line, c.layout.comma)
		if comma < 0 {
			c.cells = append(c.cells, line)
			return length + 1, true
		}
		c.cells = append(c.cells, line[:comma])
		line = line[comma+1:]
	}
	return 0, false
}

// whole cuts the record at the beginning of the text into cells, and reads on until the
// text has all of it.
func (c *csvReader) whole() (end int, err error) {
	for {
		c.ended = false
		end, err = c.record()
		switch {
		case !c.ended || errors.Is(c.err, io.EOF):
			return end, err
		case c.err != nil:
			return 0, c.err
		}
		c.fill()
	}
}

// at returns a byte of the text; ok is false behind its end.
func (c *csvReader) at(i int) (b byte, ok bool) {
	if i < len(c.text) {
		return c.text[i], true
	}
	c.ended = true
	return 0, false
}

// record cuts one record and returns where the next one begins.
func (c *csvReader) record() (end int, err error) {
	c.cells, c.size, c.newlines = c.cells[:0], 0, 0
	for last := false; !last; {
		var cell string
		if cell, end, err = c.cell(end); err != nil {
			return end, err
		}
		c.cells = append(c.cells, cell)
		switch c.size += len(cell); {
		case len(c.cells) > maxColumns:
			return end, fmt.Errorf("more than %d cells", maxColumns)
		case c.size > maxRowBytes:
			return end, fmt.Errorf("longer than %d bytes", maxRowBytes)
		}
		end, last = c.separator(end)
	}
	return end, nil
}

// separator passes over what ends a cell, if that is not the end of the file; last is true
// at the end of a line.
func (c *csvReader) separator(i int) (next int, last bool) {
	b, ok := c.at(i)
	if !ok {
		return i, true
	}
	if b == '\r' {
		if b, _ := c.at(i + 1); b == '\n' {
			i++
		}
	}
	return i + 1, b != c.layout.comma
}

// cell returns the cell that begins at a place, and where it ends.
func (c *csvReader) cell(start int) (cell string, end int, err error) {
	blank := true // so far, so that a quote may still begin it
	for i := start; ; i++ {
		b, ok := c.at(i)
		switch {
		case !ok, b == c.layout.comma, b == '\n', b == '\r':
			return c.text[start:i], i, nil
		case blank && b == '"':
			return c.quoted(i + 1)
		case c.layout.wide && b >= utf8.RuneSelf:
			if next, ok := c.at(i + 1); ok && gbLength([]byte{b, next}) == 2 {
				i++ // which is no separator
			}
		}
		if blank = blank && isBlank(b); i-start >= maxFieldBytes {
			return "", i, errLongCell
		}
	}
}

var errLongCell = fmt.Errorf("a cell is longer than %d bytes", maxFieldBytes)

// quoted returns the text of a cell from behind its first quote up to the last one, and
// where the cell ends.
func (c *csvReader) quoted(start int) (cell string, end int, err error) {
	c.breaks, c.commas, c.unquoted = 0, 0, c.unquoted[:0]
	for i := start; ; i++ {
		b, ok := c.at(i)
		if !ok {
			return "", i, errOpenQuote
		}
		if b != '"' {
			c.count(b, i)
			if len(c.unquoted)+i-start >= maxFieldBytes {
				return "", i, errLongCell
			}
			continue
		}
		switch end, what := c.quote(i); {
		case what == endQuote && c.swallowed(), what == oddQuote && c.breaks > 0:
			return "", i, errOpenQuote
		case what == endQuote && len(c.unquoted) == 0:
			return c.text[start:i], end, nil
		case what == endQuote:
			return string(append(c.unquoted, c.text[start:i]...)), end, nil
		case what == doubledQuote:
			c.unquoted = append(c.unquoted, c.text[start:i+1]...)
			i++
			start = i + 1
		}
	}
}

// count counts what a quoted cell has that may be the end of a cell or row.
func (c *csvReader) count(b byte, i int) {
	switch {
	case b == '\n':
		c.newlines++
		c.breaks++
	case b == '\r':
		if next, ok := c.at(i + 1); ok && next != '\n' {
			c.breaks++
		}
	case b == c.layout.comma:
		c.commas++
	}
}

// swallowed reports whether the cell just read has so many separators for its lines that
// they must be rows: half of what those have, or all if that is less than a handful.
func (c *csvReader) swallowed() bool {
	const handful = 4
	perRow := max((c.width-1)/2, min(c.width-1, handful))
	return c.width > 2 && c.breaks > 0 && c.commas >= c.breaks*perRow
}

// quoteKind is what a quote inside a quoted cell is.
type quoteKind int

const (
	endQuote     quoteKind = iota // the cell ends after it, perhaps with blanks
	doubledQuote                  // one quote of the text, with the next
	oddQuote                      // one of the text by itself
)

// quote says what the quote at a place is, and where the cell ends if it ends the quoting.
func (c *csvReader) quote(i int) (end int, what quoteKind) {
	for n := 1; ; n++ {
		switch b, ok := c.at(i + n); {
		case !ok, b == c.layout.comma, b == '\n', b == '\r':
			return i + n, endQuote
		case isBlank(b) && n < maxPadding:
		case b == '"' && n == 1:
			return 0, doubledQuote
		default:
			return 0, oddQuote
		}
	}
}

func isBlank(b byte) bool { return b == ' ' || b == '\t' }
