package text

import (
	"fmt"
	"strings"
)

const hexDigits = "0123456789abcdef"

// plain reports whether b stands for itself in a token.
func plain(b byte) bool {
	return b >= 'a' && b <= 'z' || b >= '0' && b <= '9' || b == '-' || b == '_'
}

// Encode turns any text into one subject or key token. The bytes a–z, 0–9,
// "-" and "_" stand for themselves; every other byte, upper-case letters
// included, becomes "=" and two lower-case hex digits; the empty text becomes
// "=". The encoding is reversible ([Decode]) and no two texts share a token.
func Encode(s string) string {
	if s == "" {
		return "="
	}
	n := 0
	for i := range len(s) {
		if !plain(s[i]) {
			n++
		}
	}
	if n == 0 {
		return s
	}
	var b strings.Builder
	b.Grow(len(s) + 2*n)
	for i := range len(s) {
		if c := s[i]; plain(c) {
			b.WriteByte(c)
		} else {
			b.WriteByte('=')
			b.WriteByte(hexDigits[c>>4])
			b.WriteByte(hexDigits[c&15])
		}
	}
	return b.String()
}

// Decode is the inverse of [Encode]. Only tokens that Encode
// can produce are accepted.
func Decode(token string) (string, error) {
	if token == "=" {
		return "", nil
	}
	var b strings.Builder
	for i := 0; i < len(token); i++ {
		c := token[i]
		if plain(c) {
			b.WriteByte(c)
			continue
		}
		if c != '=' || i+2 >= len(token) {
			return "", fmt.Errorf("decode token %q: unexpected byte at %d", token, i)
		}
		hi, lo := strings.IndexByte(hexDigits, token[i+1]), strings.IndexByte(hexDigits, token[i+2])
		if hi < 0 || lo < 0 || plain(byte(hi<<4|lo)) {
			return "", fmt.Errorf("decode token %q: bad escape at %d", token, i)
		}
		b.WriteByte(byte(hi<<4 | lo))
		i += 2
	}
	if b.Len() == 0 {
		return "", fmt.Errorf("decode token: empty token")
	}
	return b.String(), nil
}
