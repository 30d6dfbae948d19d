// Package archive writes the two formats of the file store: CSV members and
// the ZIP which carries them.
//
// Invariants: it knows nothing of the contact centre (cells go in, bytes come
// out), the same input gives the same bytes, and nothing is written that the
// chosen Dialect did not ask for.
package archive

import (
	"bufio"
	"cmp"
	"fmt"
	"io"
	"strings"

	"golang.org/x/text/encoding"
)

// Dialect is how one CSV member is written. The platform's pages fix only
// "one line per record, columns in table order"; the zero value is the form
// real clients were seen to read: header line, UTF-8, LF, no byte order mark,
// commas, double quotes only where a cell needs them. A backslash is an
// ordinary character.
type Dialect struct {
	NoHeader bool
	BOM      bool // only with UTF-8; ignored with another Encoding
	CRLF     bool
	// Padded puts a blank before and a blank and a tab after every data cell,
	// inside the quotes if there are any. Header cells stay clean.
	Padded bool
	Quoted bool // quotes around every cell, header included
	// Separator between the cells, 0 for a comma.
	Separator byte
	// Encoding is nil for UTF-8. A character it lacks becomes its
	// replacement.
	Encoding encoding.Encoding
}

// Write writes the header line and the records. A member of neither is empty,
// byte order mark aside.
func (d Dialect) Write(w io.Writer, header []string, records [][]string) error {
	if d.BOM && d.Encoding == nil {
		if _, err := io.WriteString(w, "\xef\xbb\xbf"); err != nil {
			return fmt.Errorf("write byte order mark: %w", err)
		}
	}
	if d.Encoding != nil {
		w = encoding.ReplaceUnsupported(d.Encoding.NewEncoder()).Writer(w)
	}
	b := bufio.NewWriter(w)
	if !d.NoHeader && len(header) > 0 {
		d.line(b, header, "", "")
	}
	before, after := "", ""
	if d.Padded {
		before, after = " ", " \t"
	}
	for _, r := range records {
		d.line(b, r, before, after)
	}
	if err := b.Flush(); err != nil { // bufio keeps the first error
		return fmt.Errorf("write csv: %w", err)
	}
	return nil
}

func (d Dialect) line(b *bufio.Writer, cells []string, before, after string) {
	separator := cmp.Or(d.Separator, ',')
	for i, c := range cells {
		if i > 0 {
			b.WriteByte(separator)
		}
		c = before + c + after
		if d.Quoted || strings.ContainsAny(c, string(rune(separator))+"\"\r\n") {
			c = `"` + strings.ReplaceAll(c, `"`, `""`) + `"`
		}
		b.WriteString(c)
	}
	if d.CRLF {
		b.WriteByte('\r')
	}
	b.WriteByte('\n')
}
