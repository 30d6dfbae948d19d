package archive

import (
	"fmt"
	"io"
	"strings"

	"aiccbridge/schemas"
	"aiccbridge/schemas/rows"
)

// headBytes is how much of a member is looked at to find its separator.
const headBytes = 64 << 10

// headOf is the part of a beginning that is looked at.
func headOf(text string) string { return strings.Clone(text[:min(len(text), headBytes)]) }

// layout is how the text of a member is cut into cells.
type layout struct {
	comma byte
	wide  bool // GB18030: the code of "|" may be the second byte of a character
	width int  // columns of the kind, until a record says otherwise; 0: not known
}

// separators in the order in which they are expected.
const separators = ",;\t|"

// layoutOf finds the separator of a member by its beginning: the one that a line sep=
// names, or with which the first records fit the columns best; without a difference
// the first of the usual ones that the first line has.
func layoutOf(k schemas.Kind, t text) (layout, error) {
	l := layout{wide: t.charset == charsetGB18030, width: len(rows.Columns(k))}
	first := t.head
	if end := strings.IndexAny(first, "\r\n"); end >= 0 {
		first = first[:end]
	}
	if c, ok := separatorLine(first); ok {
		l.comma = c
		return l, l.known()
	}
	l.comma = separator(t.head)
	best := max(0, l.fit(k, t.head))
	for _, c := range []byte(separators) {
		other := l
		other.comma = c
		if fit := other.fit(k, t.head); fit > best {
			l, best = other, fit
		}
	}
	return l, nil
}

// known reports a separator that is none of ours.
func (l layout) known() error {
	if strings.IndexByte(separators, l.comma) < 0 {
		return fmt.Errorf("its first line names the separator %q: want one of %q", l.comma, separators)
	}
	return nil
}

// separatorLine reports whether a line is one as spreadsheets understand it, sep=;
// and which separator it names.
func separatorLine(line string) (c byte, ok bool) {
	line = strings.Trim(line, `"`)
	const name = "sep="
	if len(line) != len(name)+1 || !strings.EqualFold(line[:len(name)], name) {
		return 0, false
	}
	return line[len(name)], true
}

// fit says how well the first records of a member fit the columns.
func (l layout) fit(k schemas.Kind, head string) (sum int) {
	const records, header = 16, 100
	csv := (&csvReader{text: head, err: io.EOF, next: 1}).as(l)
	for range records {
		line, err := csv.read()
		if err != nil {
			break // also what is cut by the end of the head
		}
		if fit := rows.Fit(k, line); fit <= 0 && rows.IsHeader(k, line) {
			sum += header
		} else {
			sum += fit
		}
	}
	return sum
}

// separator is the first of the usual ones that the first line has outside its
// quotes.
func separator(head string) byte {
	quoted := false
	first := strings.Map(func(r rune) rune {
		if r == '"' {
			quoted = !quoted
		}
		if quoted {
			return '"'
		}
		return r
	}, head)
	if end := strings.IndexAny(first, "\r\n"); end >= 0 {
		first = first[:end]
	}
	for _, c := range []byte(separators) {
		if strings.IndexByte(first, c) >= 0 {
			return c
		}
	}
	return ','
}
