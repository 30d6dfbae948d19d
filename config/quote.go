package config

import (
	"strings"
	"unicode/utf8"
)

// unclosedQuote finds the first quoted value that does not end as one does: its quote
// is never closed, or is closed by the next one, wherever that is. The YAML parser
// reports what follows from it, often many lines below. ok is false when every quote
// ends well. Text in block scalars is taken for values, which no configuration has.
func unclosedQuote(text string) (at position, ok bool) {
	line, start := 1, 0 // start is where the line begins
	next := true        // a value or a key may begin here
	for i := 0; i < len(text); {
		switch c := text[i]; {
		case c == '\n':
			line, start, next = line+1, i+1, true
		case c == '#' && (i == start || strings.IndexByte(" \t", text[i-1]) >= 0):
			i += lineEnd(text[i:])
			continue
		case c == ' ' || c == '\t' || c == '\r':
		case strings.IndexByte("[{,", c) >= 0:
			next = true
		case (c == '-' || c == ':' || c == '?') && endsWord(text[i+1:]):
			next = true
		case (c == '"' || c == '\'') && next:
			end := i + 1 + quoteEnd(text[i+1:], c)
			if end > len(text) || !endsWell(text[end:]) {
				return position{line, utf8.RuneCountInString(text[start:i]) + 1}, true
			}
			if n := strings.Count(text[i:end], "\n"); n > 0 {
				line, start = line+n, i+strings.LastIndexByte(text[i:end], '\n')+1
			}
			i, next = end, false
			continue
		default:
			next = false
		}
		i++
	}
	return position{}, false
}

// quoteEnd is the length up to behind the closing quote; more than that of the text
// when there is none. Double quotes have escapes, single ones are doubled.
func quoteEnd(text string, quote byte) int {
	for i := 0; i < len(text); i++ {
		switch {
		case quote == '"' && text[i] == '\\':
			i++
		case text[i] == quote && quote == '\'' && strings.HasPrefix(text[i+1:], "'"):
			i++
		case text[i] == quote:
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
