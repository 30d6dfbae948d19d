package rows

import (
	"errors"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"

	"aiccbridge/schemas"
)

// ErrTwoLines says that a header line and a record stand on one line, as in files that
// were joined without a line end between them.
var ErrTwoLines = errors.New("a header line and a record stand on one line")

// IsHeader reports whether the first record of a member is a header line, which the
// pages leave open: it is one when names of columns are in it ([NamesColumns]), or when
// it has words where the times belong and no number where a number belongs. A time that
// is not written as usual, or stands for none ("-", 0000-00-00 00:00:00), is no word.
func IsHeader(k schemas.Kind, record []string) bool {
	if l := look(k, record); l.readable == 0 && l.names >= 2 {
		return true
	}
	set, words := columnSets[k], 0
	for i, cell := range record {
		text := trimCell(cell)
		if i >= len(set.columns) || isNull(text) {
			continue
		}
		switch c := set.columns[i]; {
		case c.Type.isTime() && isWord(text):
			words++
		case c.Type.isTime(), (c.Type == Integer || c.Required) && isNumber(text):
			return false
		}
	}
	return words > 0
}

// NamesColumns reports whether a record of any line is a header line: a good part of its
// cells are names of columns. The error is [ErrTwoLines].
func NamesColumns(k schemas.Kind, record []string) (bool, error) {
	known, names := aliases[k], 0 // nearly all records have none, and need no closer look
	for _, cell := range record {
		if namesOne(known, cell) {
			names++
		}
	}
	if names < 2 {
		return false, nil
	}
	l := look(k, record)
	switch {
	case 3*l.names < l.values:
		return false, nil
	case l.numbers > 0 || l.clocks > 0:
		return false, ErrTwoLines
	}
	return 2*l.names > l.values, nil
}

// Documented reports whether the columns of a header line stand where the pages have
// them, so that records by position and records below the line are read alike.
func Documented(k schemas.Kind, header []string) bool {
	_, columns, err := columnSets[k].match(header)
	for place, column := range columns {
		if column >= 0 && column != place {
			return false
		}
	}
	return err == nil
}

// Fit says how well a record fits the columns of a kind, as a header line or by position:
// above 0 when names or times stand where they belong. It is for comparing the ways in
// which a line may be cut into cells.
func Fit(k schemas.Kind, record []string) int {
	const perName, perTime, whole = 100, 10, 20
	l := look(k, record)
	if l.names >= 2 {
		return perName*l.names - perTime*(l.values-l.names)
	}
	fit := perTime * (l.readable - l.unreadable)
	if l.readable > 0 && (Usual(k, len(record)) || len(record) > len(columnSets[k].columns)) {
		fit += whole
	}
	return fit
}

// Tells returns a function that reports whether a record below a header line, nil for
// none, has a value in one of the columns that tell rows apart. The error is that of
// [Encoder.Header].
func Tells(k schemas.Kind, header []string) (func(record []string) bool, error) {
	e := NewEncoder(schemas.Names{}, schemas.FileReady{}, k, Options{})
	if err := e.Header(header); err != nil {
		return nil, err
	}
	return e.Tells, nil
}

// SameNames reports whether two header lines name the same columns in the same order.
func SameNames(a, b []string) bool {
	return slices.EqualFunc(a, b, func(x, y string) bool { return headerName(x) == headerName(y) })
}

// looks is what a record looks like, by its cells with a value.
type looks struct {
	values  int
	names   int // of columns
	numbers int // nothing but digits
	clocks  int // times, wherever they stand

	readable, unreadable int // where times belong
}

func look(k schemas.Kind, record []string) (l looks) {
	set := columnSets[k]
	for i, cell := range record {
		text := trimCell(cell)
		if isNull(text) {
			continue
		}
		l.values++
		_, isClock := parseClock(text)
		switch {
		case namesOne(aliases[k], text):
			l.names++
		case isClock:
			l.clocks++
		case allDigits(text):
			l.numbers++
		}
		if i < len(set.columns) && set.columns[i].Type.isTime() {
			if isClock {
				l.readable++
			} else {
				l.unreadable++
			}
		}
	}
	return l
}

// aliases holds the names of each kind's columns as [headerFold] makes them alike, those
// of both columns that have two among them.
var aliases = foldNames()

func foldNames() map[schemas.Kind]map[string]bool {
	all := map[schemas.Kind]map[string]bool{}
	for k, set := range columnSets {
		all[k] = map[string]bool{}
		for _, c := range set.columns {
			all[k][headerFold(c.Name)] = true
			switch headerAlias(c.Name) {
			case "developer":
				all[k]["developer"], all[k]["developerid"] = true, true
			case "vdn":
				all[k]["vdn"], all[k]["vdnid"] = true, true
			}
		}
	}
	return all
}

// namesOne reports whether [headerAlias] makes a cell one of the known names. Names are
// short and have letters only, which spares most cells a closer look.
func namesOne(known map[string]bool, cell string) bool {
	if cell == "" || cell[len(cell)-1] >= '0' && cell[len(cell)-1] <= '9' {
		return false
	}
	var name [len("userwantedskillid")]byte // the longest
	n := 0
	for _, r := range cell {
		if r >= utf8.RuneSelf {
			r = unicode.ToLower(r)
		}
		switch {
		case isFolded(r):
			continue
		case r >= 'A' && r <= 'Z':
			r += 'a' - 'A'
		case r < 'a' || r > 'z':
			return false
		}
		if n == len(name) {
			return false
		}
		name[n] = byte(r)
		n++
	}
	return known[string(name[:n])]
}

// isWord reports whether a trimmed cell may be the name of something: it begins with a
// letter and has no run of digits as a year has.
func isWord(text string) bool {
	first, _ := utf8.DecodeRuneInString(text)
	digits := strings.IndexFunc(text, unicode.IsDigit)
	return unicode.IsLetter(first) && (digits < 0 || len(text)-digits < len("2006")) && !neverThere(text)
}

// neverThere reports whether a word says that there is no value.
func neverThere(text string) bool {
	switch strings.ToLower(text) {
	case "n/a", "na", "nil", "none", "nan", "nat", "invalid date":
		return true
	}
	return false
}

// isNumber reports whether a trimmed cell begins as numbers and ids do.
func isNumber(text string) bool {
	text = strings.TrimLeft(text, "+-")
	return text != "" && text[0] >= '0' && text[0] <= '9'
}
