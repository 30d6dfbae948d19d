package archive

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"unicode/utf8"
)

// slowReader is a reader of the dialect that goes byte by byte: what csvReader is compared with.
type slowReader struct {
	r      *bufio.Reader
	layout layout
	width  int // cells of a usual record, 0: not known
	line   int // of the record read last, from 1
	next   int

	breaks, commas int // line ends and separators within the quoted cell

	row   []byte
	ends  []int
	cells [][]byte
}

func newSlowReader(b *bufio.Reader, l layout) *slowReader {
	return &slowReader{r: b, layout: l, width: l.width, next: 1}
}

// read returns the cells of the next record, valid until the next call; io.EOF
// after the last. Empty lines are passed over.
func (c *slowReader) read() ([][]byte, error) {
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
func (c *slowReader) record() error {
	c.row, c.ends, c.line = c.row[:0], c.ends[:0], c.next
	c.skipMarks()
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

// skipMarks passes over byte order marks: of any encoding at the beginning of the file,
// later of its own.
func (c *slowReader) skipMarks() {
	ahead, err := c.r.Peek(1)
	if err != nil || ahead[0] < 0x80 {
		return
	}
	own := marks[0].bytes
	if c.layout.wide {
		own = marks[1].bytes
	}
	if mark, err := c.r.Peek(len(own)); c.line == 1 || err == nil && string(mark) == own {
		slowDropMarks(c.r)
	}
}

// cell reads one cell and what ends it; last is true at the end of the line.
func (c *slowReader) cell() (last bool, err error) {
	start, open := len(c.row), true // open: a quote may still begin it
	for {
		b, err := c.r.ReadByte()
		switch {
		case errors.Is(err, io.EOF):
			return true, nil
		case err != nil:
			return false, err
		case b == c.layout.comma:
			return false, nil
		case b == '\n' || b == '\r':
			c.endLine(b)
			return true, nil
		case open && b == '"':
			c.row, open = c.row[:start], false
			err = c.quoted(start)
		default:
			open = open && isBlank(b)
			if err = c.add(b, start); err == nil && c.layout.wide && b >= utf8.RuneSelf {
				err = c.second(b, start)
			}
		}
		if err != nil {
			return false, err
		}
	}
}

// second adds the second byte of a character, which is no separator.
func (c *slowReader) second(first byte, start int) error {
	ahead, err := c.r.Peek(1)
	if err != nil || gbLength([]byte{first, ahead[0]}) != 2 {
		return nil // the end, or a character that is cut
	}
	_, _ = c.r.Discard(1) // it was peeked
	return c.add(ahead[0], start)
}

// quoted reads a cell's text from behind its first quote up to the last one.
func (c *slowReader) quoted(start int) error {
	c.breaks, c.commas = 0, 0
	for {
		b, err := c.r.ReadByte()
		switch {
		case errors.Is(err, io.EOF):
			return errOpenQuote
		case err != nil:
			return err
		case b == '"':
			still, err := c.quote(start)
			if err == nil && !still && c.swallowed() {
				err = errOpenQuote
			}
			if err != nil || !still {
				return err
			}
			continue
		}
		c.count(b)
		if err := c.add(b, start); err != nil {
			return err
		}
	}
}

// count counts what a quoted cell has that may be the end of a cell or row.
func (c *slowReader) count(b byte) {
	switch {
	case b == '\n':
		c.next++
		c.breaks++
	case b == '\r':
		if next, err := c.r.Peek(1); err == nil && next[0] != '\n' {
			c.breaks++
		}
	case b == c.layout.comma:
		c.commas++
	}
}

// swallowed reports whether the cell just read has so many separators for its lines that
// they must be rows: half of what those have, or all if that is less than a handful.
func (c *slowReader) swallowed() bool {
	const handful = 4
	perRow := max((c.width-1)/2, min(c.width-1, handful))
	return c.width > 2 && c.breaks > 0 && c.commas >= c.breaks*perRow
}

// add adds a byte to the cell that begins at start.
func (c *slowReader) add(b byte, start int) error {
	if c.row = append(c.row, b); len(c.row)-start > maxFieldBytes {
		return fmt.Errorf("a cell is longer than %d bytes", maxFieldBytes)
	}
	return nil
}

// endLine takes the LF of a CRLF.
func (c *slowReader) endLine(b byte) {
	if next, err := c.r.Peek(1); b == '\r' && err == nil && next[0] == '\n' {
		_, _ = c.r.Discard(1) // it was peeked
	}
}

// quote decides what a quote inside a quoted cell is: the end of the quoting
// when the cell ends after it, else one quote of the text.
func (c *slowReader) quote(start int) (stillQuoted bool, err error) {
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
		case b == c.layout.comma || b == '\n' || b == '\r':
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

// slowDropMarks passes over byte order marks and returns the encoding that the first of
// them says, "" for none.
func slowDropMarks(b *bufio.Reader) (charset string) {
	for again := true; again; {
		again = false
		for _, m := range marks {
			if ahead, err := b.Peek(len(m.bytes)); err == nil && string(ahead) == m.bytes {
				_, _ = b.Discard(len(m.bytes)) // it was peeked
				if again = true; charset == "" {
					charset = m.charset
				}
			}
		}
	}
	return charset
}
