// Package quotes finds the quote in a YAML text that was opened and not closed: the parser
// stumbles wherever the next quote closes it, often many lines below.
//
// Invariant: one pass over the text, which may be any bytes. It imports nothing of ours.
package quotes

import (
	"strings"
	"unicode/utf8"
)

// Unclosed finds the first quoted value that does not end as one does: its quote is never
// closed, or what follows the closing one cannot stand there. Line and column are from 1,
// the column in characters; ok is false when every quote ends well. Text in block scalars
// is taken for values.
func Unclosed(text string) (line, column int, ok bool) {
	s := scanner{text: text, line: 1, next: true}
	for s.at < len(text) {
		if !s.step() {
			return s.line, utf8.RuneCountInString(text[s.start:s.at]) + 1, true
		}
	}
	return 0, 0, false
}

// scanner is where Unclosed is.
type scanner struct {
	text  string
	at    int
	line  int
	start int  // where the line begins
	next  bool // a value or a key may begin here
}

// step goes on by a sign, a comment or a quoted value; false at one that does not end well.
func (s *scanner) step() bool {
	c := s.text[s.at]
	if c == '#' && (s.at == s.start || blank(s.text[s.at-1])) {
		s.at += lineEnd(s.text[s.at:])
		return true
	}
	if (c == '"' || c == '\'') && s.next {
		return s.quoted(c)
	}
	if c == '\n' {
		s.line, s.start = s.line+1, s.at+1
	}
	if !blank(c) {
		s.next = strings.IndexByte("\n[{,", c) >= 0 || strings.IndexByte("-:?", c) >= 0 && endsWord(s.text[s.at+1:])
	}
	s.at++
	return true
}

// quoted goes behind the value that begins here, if it ends well.
func (s *scanner) quoted(quote byte) bool {
	end := s.at + 1 + quoteEnd(s.text[s.at+1:], quote)
	if end > len(s.text) || !endsWell(s.text[end:]) {
		return false
	}
	value := s.text[s.at:end]
	if n := strings.Count(value, "\n"); n > 0 {
		s.line, s.start = s.line+n, s.at+strings.LastIndexByte(value, '\n')+1
	}
	s.at, s.next = end, false
	return true
}

func blank(c byte) bool { return c == ' ' || c == '\t' || c == '\r' }

// quoteEnd is the length up to behind the closing quote; more than that of the text
// when there is none. Double quotes have escapes, single ones are doubled.
func quoteEnd(text string, quote byte) int {
	for i := 0; i < len(text); i++ {
		if quote == '"' && text[i] == '\\' || quote == '\'' && strings.HasPrefix(text[i:], "''") {
			i++
		} else if text[i] == quote {
			return i + 1
		}
	}
	return len(text) + 1
}

// endsWell reports whether what follows a closing quote on its line may do so.
func endsWell(rest string) bool {
	line := rest[:lineEnd(rest)]
	after := strings.TrimLeft(line, " \t\r")
	return after == "" || strings.IndexByte(",]}:", after[0]) >= 0 || after[0] == '#' && len(after) < len(line)
}

// endsWord reports whether an indicator before rest is one, and not part of a word.
func endsWord(rest string) bool { return rest == "" || strings.IndexByte(" \t\r\n", rest[0]) >= 0 }

// lineEnd is the length of the rest of the line.
func lineEnd(text string) int {
	if i := strings.IndexByte(text, '\n'); i >= 0 {
		return i
	}
	return len(text)
}
