package text

// inHeader reports a byte that stands for itself in a header.
func inHeader(c byte) bool { return c > ' ' && c < 0x7f && c != '%' && c != '"' }

// EncodeHeader encodes a value of a header: bytes that are not plain ASCII, blanks, quotes and
// "%" become percent and two hex digits.
func EncodeHeader(s string) string {
	const upperHex = "0123456789ABCDEF"
	n := len(s)
	for i := range len(s) {
		if !inHeader(s[i]) {
			n += 2
		}
	}
	if n == len(s) {
		return s
	}
	b := make([]byte, 0, n)
	for i := range len(s) {
		if c := s[i]; inHeader(c) {
			b = append(b, c)
		} else {
			b = append(b, '%', upperHex[c>>4], upperHex[c&15])
		}
	}
	return string(b)
}
