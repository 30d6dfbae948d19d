package archive

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
)

// Limits of one CSV member. The platform's columns hold at most 2,000
// characters; what is beyond these is no row but damage.
const (
	maxFieldBytes = 64 << 10
	maxRowBytes   = 512 << 10
	maxColumns    = 512
	maxPadding    = 256 // blanks between a closing quote and the end of its cell
)

var errOpenQuote = errors.New("a quoted cell never ends")

// csvReader reads the file store's dialect: one record a line, cells quoted when
// they must be, no escape character (recording names are full of backslashes).
// It differs from encoding/csv where files in the field do: a quote inside a
// cell is text, blanks may stand around a quoted cell, lines may end in LF, CRLF
// or CR, and the number of cells varies. An unclosed quote, which would swallow
// rows, is an error: seen at the end of the file, or when a cell goes over a line
// end and then has a quote that neither ends it nor is doubled.
//
// Cells are bytes as they stand in the file: in GB18030 no byte of a character
// is a separator, a quote or a line end, so cells can be cut before decoding.
type csvReader struct {
	r     *bufio.Reader
	comma byte
	line  int // of the record read last, from 1
	next  int

	row   []byte
	ends  []int
	cells [][]byte
}

// newCSVReader strips a byte order mark and finds the separator: a comma, or
// what the first line has instead.
func newCSVReader(r io.Reader) (*csvReader, error) {
	b := bufio.NewReaderSize(r, 64<<10)
	if mark, err := b.Peek(3); err == nil && bytes.Equal(mark, []byte("\xef\xbb\xbf")) {
		_, _ = b.Discard(3) // it was peeked
	}
	head, err := b.Peek(b.Size())
	if err != nil && !errors.Is(err, io.EOF) {
		return nil, err
	}
	return &csvReader{r: b, comma: separator(head), next: 1}, nil
}

// separator is the first of the usual ones that the first line has outside its
// quotes.
func separator(head []byte) byte {
	quoted := false
	first := bytes.Map(func(r rune) rune {
		if r == '"' {
			quoted = !quoted
		}
		if quoted {
			return '"'
		}
		return r
	}, head)
	if end := bytes.IndexAny(first, "\r\n"); end >= 0 {
		first = first[:end]
	}
	for _, c := range []byte(",;\t|") {
		if bytes.IndexByte(first, c) >= 0 {
			return c
		}
	}
	return ','
}

// read returns the cells of the next record, valid until the next call; io.EOF
// after the last. Empty lines are passed over.
func (c *csvReader) read() ([][]byte, error) {
	for {
		if err := c.record(); err != nil {
			return nil, err
		}
		if len(c.ends) > 1 || len(c.row) > 0 {
			break
		}
	}
	c.cells = c.cells[:0]
	from := 0
	for _, to := range c.ends {
		c.cells = append(c.cells, c.row[from:to:to])
		from = to
	}
	return c.cells, nil
}

// record reads one line into row and ends.
func (c *csvReader) record() error {
	c.row, c.ends, c.line = c.row[:0], c.ends[:0], c.next
	if _, err := c.r.Peek(1); err != nil {
		return err
	}
	for {
		last, err := c.cell()
		if err != nil {
			return fmt.Errorf("line %d: %w", c.line, err)
		}
		c.ends = append(c.ends, len(c.row))
		switch {
		case len(c.ends) > maxColumns:
			return fmt.Errorf("line %d: more than %d cells", c.line, maxColumns)
		case len(c.row) > maxRowBytes:
			return fmt.Errorf("line %d: longer than %d bytes", c.line, maxRowBytes)
		case last:
			c.next++
			return nil
		}
	}
}

// cell reads one cell and what ends it; last is true at the end of the line.
func (c *csvReader) cell() (last bool, err error) {
	start, open := len(c.row), true // open: a quote may still begin it
	for {
		b, err := c.r.ReadByte()
		switch {
		case errors.Is(err, io.EOF):
			return true, nil
		case err != nil:
			return false, err
		case b == c.comma:
			return false, nil
		case b == '\n' || b == '\r':
			c.endLine(b)
			return true, nil
		case open && b == '"':
			c.row, open = c.row[:start], false
			err = c.quoted(start)
		default:
			open = open && isBlank(b)
			err = c.add(b, start)
		}
		if err != nil {
			return false, err
		}
	}
}

// quoted reads a cell's text from behind its first quote up to the last one.
func (c *csvReader) quoted(start int) error {
	for {
		b, err := c.r.ReadByte()
		switch {
		case errors.Is(err, io.EOF):
			return errOpenQuote
		case err != nil:
			return err
		case b == '"':
			if still, err := c.quote(start); err != nil || !still {
				return err
			}
			continue
		case b == '\n':
			c.next++
		}
		if err := c.add(b, start); err != nil {
			return err
		}
	}
}

// add adds a byte to the cell that begins at start.
func (c *csvReader) add(b byte, start int) error {
	if c.row = append(c.row, b); len(c.row)-start > maxFieldBytes {
		return fmt.Errorf("a cell is longer than %d bytes", maxFieldBytes)
	}
	return nil
}

// endLine takes the LF of a CRLF.
func (c *csvReader) endLine(b byte) {
	if next, err := c.r.Peek(1); b == '\r' && err == nil && next[0] == '\n' {
		_, _ = c.r.Discard(1) // it was peeked
	}
}

// quote decides what a quote inside a quoted cell is: the end of the quoting
// when the cell ends after it, else one quote of the text.
func (c *csvReader) quote(start int) (stillQuoted bool, err error) {
	for n := 1; ; n++ {
		ahead, err := c.r.Peek(n)
		switch {
		case errors.Is(err, io.EOF):
			_, _ = c.r.Discard(n - 1) // it was peeked
			return false, nil
		case err != nil:
			return false, err
		}
		switch b := ahead[len(ahead)-1]; {
		case b == c.comma || b == '\n' || b == '\r':
			_, _ = c.r.Discard(n - 1) // it was peeked
			return false, nil
		case isBlank(b) && n < maxPadding:
			continue
		case b == '"' && n == 1:
			_, _ = c.r.Discard(1) // it was peeked
		case bytes.ContainsAny(c.row[start:], "\r\n"):
			return false, errOpenQuote
		}
		c.row = append(c.row, '"')
		return true, nil
	}
}

func isBlank(b byte) bool { return b == ' ' || b == '\t' }
