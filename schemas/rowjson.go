package schemas

import (
	"strings"
	"unicode/utf8"
)

// maxNumberDigits is how many digits an integer may have to stay a JSON number:
// all of them survive readers that hold numbers as 64-bit floats.
const maxNumberDigits = 15

// canonicalInteger reports whether text is an integer as JSON writes it, short
// enough to be read exactly by everybody. 007, +1 and -0 are not.
func canonicalInteger(text string) bool {
	digits := strings.TrimPrefix(text, "-")
	if digits == "" || len(digits) > maxNumberDigits || !allDigits(digits) {
		return false
	}
	return digits[0] != '0' || text == "0"
}

// appendString appends s as a JSON string. Bytes that are not UTF-8 become
// U+FFFD: the caller has decoded the file before.
func appendString(b []byte, s string) []byte {
	b = append(b, '"')
	start, ascii := 0, true
	for i := 0; i < len(s); i++ {
		c := s[i]
		if c >= utf8.RuneSelf {
			if ascii && !utf8.ValidString(s[i:]) {
				s = s[:i] + strings.ToValidUTF8(s[i:], "\ufffd")
			}
			ascii = false
			continue
		}
		if c >= ' ' && c != '"' && c != '\\' {
			continue
		}
		b = append(b, s[start:i]...)
		b = appendEscape(b, c)
		start = i + 1
	}
	return append(append(b, s[start:]...), '"')
}

func appendEscape(b []byte, c byte) []byte {
	switch c {
	case '"', '\\':
		return append(b, '\\', c)
	case '\n':
		return append(b, '\\', 'n')
	case '\r':
		return append(b, '\\', 'r')
	case '\t':
		return append(b, '\\', 't')
	}
	return append(b, '\\', 'u', '0', '0', hexDigits[c>>4], hexDigits[c&15])
}
