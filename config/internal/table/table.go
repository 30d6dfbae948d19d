// Package table reads a list that a configuration names as a CSV file, as people and
// spreadsheets write them.
//
// The first line names the columns. It also shows the separator: the first comma,
// semicolon or tab in it (or the line sep=; before it). A byte order mark, CRLF, blank
// lines, lines of separators alone and lines that begin with # count for nothing; neither
// do blanks around a cell that is not in quotes. A cell in quotes may hold the separator,
// and a quote written twice. It ends on its line: a quote that is not closed costs that
// line, not the rest of the file.
//
// Invariants: linear in time and space. Every line that is neither blank nor a comment
// becomes the header, a row or a problem. No problem repeats what stands in a cell, which
// may be a password.
package table

import (
	"bytes"
	"strings"
	"unicode/utf8"

	"aiccbridge/config/internal/scalar"
)

// maxLineBytes keeps a mistaken file from being taken for a table.
const maxLineBytes = 4096

// maxProblems is how many are enough: the file is another one.
const maxProblems = 100

// Place is where something stands.
type Place struct {
	Line   int // from 1
	Column int // from 1, in characters
}

// Cell is what stands in one column of a line.
type Cell struct {
	Place
	Text string
}

// Row is a line; it may have fewer cells than the header, and more never.
type Row struct {
	Place
	Cells []Cell
}

// Cell is that of a column; an empty one at the row's begin where the line is shorter.
func (r Row) Cell(column int) Cell {
	if column < len(r.Cells) {
		return r.Cells[column]
	}
	return Cell{Place: r.Place}
}

// Problem is a line that cannot be read, or a file that cannot.
type Problem struct {
	Place
	*scalar.Fault
}

// Table is what a file holds.
type Table struct {
	Header Row // without cells: the file is empty
	Rows   []Row
}

// Read reads a file.
func Read(data []byte) (Table, []Problem) {
	data = bytes.TrimPrefix(data, []byte("\ufeff"))
	if utf16(data) {
		return Table{}, []Problem{{Place{1, 1}, scalar.Faultf("save it as CSV in UTF-8", "the file is text in UTF-16")}}
	}
	r := reader{}
	lines := strings.NewReplacer("\r\n", "\n", "\r", "\n").Replace(string(data))
	for line := range strings.SplitSeq(lines, "\n") {
		r.line++
		r.read(line)
		if len(r.problems) == maxProblems {
			r.problem(0, "", "check that this is the right file", "there are too many problems, the rest of the file was not looked at")
			break
		}
	}
	return r.table, r.problems
}

// utf16 finds the mark of UTF-16, or the zeros that its text has without one.
func utf16(data []byte) bool {
	return bytes.HasPrefix(data, []byte("\xff\xfe")) || bytes.HasPrefix(data, []byte("\xfe\xff")) ||
		len(data) > 1 && (data[0] == 0) != (data[1] == 0)
}

type reader struct {
	table     Table
	problems  []Problem
	line      int
	separator byte // 0: not known yet
}

// problem is one at a byte of a line.
func (r *reader) problem(at int, line, remedy, problem string, args ...any) {
	r.problems = append(r.problems, Problem{r.place(line, at), scalar.Faultf(remedy, problem, args...)})
}

func (r *reader) place(line string, at int) Place {
	return Place{r.line, utf8.RuneCountInString(line[:at]) + 1}
}

func (r *reader) read(line string) {
	text := strings.Trim(line, " \t")
	if text == "" || text[0] == '#' {
		return
	}
	if at := strings.IndexFunc(line, notText); at >= 0 {
		r.problem(at, line, "save the file as UTF-8 text without control characters", "the line holds something that is not UTF-8 text")
		return
	}
	if len(line) > maxLineBytes {
		r.problem(0, line, "check that this is the right file", "the line is longer than %d bytes", maxLineBytes)
		return
	}
	header := len(r.table.Header.Cells) == 0
	if after, ok := strings.CutPrefix(strings.ToLower(line), "sep="); ok && header && len(after) == 1 && strings.Contains(",;\t|", after) {
		r.separator = after[0]
		return
	}
	if r.separator == 0 {
		r.separator = separatorOf(line)
	}
	row, ok := r.split(line)
	switch {
	case !ok:
	case header:
		r.table.Header = row
	case len(row.Cells) > 0:
		r.table.Rows = append(r.table.Rows, row)
	}
}

func notText(c rune) bool { return c == utf8.RuneError || c < ' ' && c != '\t' || c == 0x7f }

// separatorOf is the first that could be one.
func separatorOf(header string) byte {
	if at := strings.IndexAny(header, ",;\t"); at >= 0 {
		return header[at]
	}
	return ','
}

// split reads a line. Empty cells at its end are left off.
func (r *reader) split(line string) (Row, bool) {
	row := Row{Place: r.place(line, len(line)-len(strings.TrimLeft(line, " ")))}
	filled := 0
	for at, more := 0, true; more; {
		var cell Cell
		var ok bool
		if cell, at, ok = r.cell(line, at); !ok {
			return row, false
		}
		if row.Cells = append(row.Cells, cell); cell.Text != "" {
			filled = len(row.Cells)
		}
		more = at < len(line)
		at++ // behind the separator
	}
	row.Cells = row.Cells[:filled]
	if columns := len(r.table.Header.Cells); columns > 0 && filled > columns {
		r.problem(0, line, "put a cell that holds the separator into quotes", "the line has %d cells, and the first line names %d columns", filled, columns)
		return row, false
	}
	return row, true
}

// cell reads what begins at a byte, and says where it ends: at a separator or at the end
// of the line.
func (r *reader) cell(line string, at int) (Cell, int, bool) {
	at += r.blanks(line[at:])
	c := Cell{Place: r.place(line, at)}
	if at == len(line) || line[at] != '"' {
		end := at + strings.IndexByte(line[at:]+string(r.separator), r.separator)
		c.Text = strings.TrimRight(line[at:end], " \t")
		if quote := strings.IndexByte(c.Text, '"'); quote >= 0 {
			r.problem(at+quote, line, "put the whole cell into quotes, and write the one inside twice", "a quote stands in the midst of a cell")
			return c, end, false
		}
		return c, end, true
	}
	end := at + 1
	for end < len(line) && (line[end] != '"' || strings.HasPrefix(line[end+1:], `"`)) {
		if line[end] == '"' {
			end++
		}
		end++
	}
	behind := end + 1
	if end < len(line) {
		behind += r.blanks(line[behind:])
	}
	if end >= len(line) || behind < len(line) && line[behind] != r.separator {
		r.problem(at, line, "close the quote on this line, and write a quote inside the cell twice", "the quote that opens here is not closed before the end of its cell")
		return c, end, false
	}
	c.Text = strings.ReplaceAll(line[at+1:end], `""`, `"`)
	return c, behind, true
}

// blanks is how many there are at the begin.
func (r *reader) blanks(text string) (n int) {
	for n < len(text) && (text[n] == ' ' || text[n] == '\t') && text[n] != r.separator {
		n++
	}
	return n
}
