package quotes

import (
	"testing"
	"unicode/utf8"
)

// TestQuotesThatEnd: none of these is taken for an unclosed one.
func TestQuotesThatEnd(t *testing.T) {
	for _, text := range []string{
		"", "a: b\n", "a: \"b\"\n", "a: 'it''s'\n", "a: \"b\\\"c\" # it's\n", "a: it's\nb: 5\" disk\n", "a: [\"b\", 'c']\n",
		"{\"a\": \"b\"}\n", "a: \"b\n  c\"\nd: 'e'\n", "- \"a\"\n- 'b'\n", "a: \"\"\r\nb: ''\r\n", "a: x-'y'\n", "# \"\na: b",
	} {
		if line, column, ok := Unclosed(text); ok {
			t.Errorf("%q: at %d:%d", text, line, column)
		}
	}
}

func FuzzUnclosed(f *testing.F) {
	for _, text := range []string{"", "a: \"b", "a: 'it's'\n", "- \"\\", "a: [\"b\", 'c'] # \"\n", "# '\n\"ä\": \"\n\"x"} {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		line, column, ok := Unclosed(text)
		if ok != (line > 0 && column > 0) || column > utf8.RuneCountInString(text) {
			t.Errorf("%q: %d:%d %t", text, line, column, ok)
		}
	})
}
