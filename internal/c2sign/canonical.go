package c2sign

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"net/url"
	"slices"
	"strings"
)

// encode percent-encodes byte by byte; only A-Z a-z 0-9 - . _ ~ stay. Neither
// url.QueryEscape (blank becomes +) nor url.PathEscape (keeps more signs) does this.
func encode(s string) string {
	const digits = "0123456789ABCDEF"
	var b strings.Builder
	b.Grow(len(s) + len(s)/2)
	for i := range len(s) {
		c := s[i]
		if unreserved(c) {
			b.WriteByte(c)
			continue
		}
		b.WriteByte('%')
		b.WriteByte(digits[c>>4])
		b.WriteByte(digits[c&15])
	}
	return b.String()
}

func unreserved(c byte) bool {
	return 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || '0' <= c && c <= '9' ||
		c == '-' || c == '.' || c == '_' || c == '~'
}

// canonicalQuery sorts whole "name=value" strings, as the platform's client code does.
func canonicalQuery(query url.Values) string {
	var pairs []string
	for name, values := range query {
		for _, v := range values {
			pairs = append(pairs, encode(name)+"="+encode(v))
		}
	}
	slices.Sort(pairs)
	return strings.Join(pairs, "&")
}

// canonicalHeaders renders the named headers, sorted by name, each line ended by LF.
func canonicalHeaders(names []string, header map[string]string) string {
	var b strings.Builder
	for _, name := range slices.Sorted(slices.Values(names)) {
		b.WriteString(encode(name) + ":" + encode(strings.Trim(header[name], " \t\r\n")) + "\n")
	}
	return b.String()
}

// canonical is everything a signature is computed over, with the parts that have variants
// already chosen. The body is last, so that it is encoded once and shared by all variants.
type canonical struct {
	method, path string
	query        string // canonical; "" means none
	queryLine    bool   // write the line even when query is empty
	signed       string // the list of names, as it stands in the Authorization header
	headers      string // from canonicalHeaders
	body         string // encoded
}

func (c canonical) head() string {
	var b strings.Builder
	b.WriteString(strings.ToUpper(c.method) + "\n")
	b.WriteString(orRoot(c.path) + "\n")
	if c.query != "" || c.queryLine {
		b.WriteString(c.query + "\n")
	}
	b.WriteString(c.signed + "\n")
	b.WriteString(c.headers)
	return b.String()
}

func (c canonical) String() string { return c.head() + c.body }

// sign returns the signature under a signing key, in lower-case hex.
func (c canonical) sign(signingKey string) string {
	return hmacHex(signingKey, c.head(), c.body)
}

// hmacHex keys the MAC with the text of key. The second MAC of the scheme is keyed with
// the 64 characters of the first one's hex text, not with its 32 bytes.
func hmacHex(key string, message ...string) string {
	mac := hmac.New(sha256.New, []byte(key))
	for _, m := range message {
		mac.Write([]byte(m))
	}
	return hex.EncodeToString(mac.Sum(nil))
}

func orRoot(path string) string {
	if path == "" {
		return "/"
	}
	return path
}
