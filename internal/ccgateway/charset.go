package ccgateway

import (
	"bytes"
	"fmt"
	"mime"
	"strings"
	"unicode/utf8"

	"golang.org/x/text/encoding/simplifiedchinese"
)

// clean turns a body into UTF-8 without byte order mark and NUL padding.
//
// The charset of Content-Type counts; without one it is UTF-8. Text that isn't
// the UTF-8 it should be is taken for GB18030, of which GBK and GB2312 are
// subsets, if it is flawless in that: an event is better read than dead-lettered.
func clean(body []byte, contentType string) ([]byte, error) {
	if chinese(contentType) || !utf8.Valid(body) {
		decoded, err := simplifiedchinese.GB18030.NewDecoder().Bytes(body)
		if err != nil || bytes.ContainsRune(decoded, utf8.RuneError) {
			return nil, fmt.Errorf("%w: neither UTF-8 nor GB18030", ErrUndecodable)
		}
		body = decoded
	}
	return stripNUL(bytes.TrimPrefix(body, []byte("\ufeff"))), nil
}

func chinese(contentType string) bool {
	_, params, err := mime.ParseMediaType(contentType)
	if err != nil {
		return false
	}
	switch strings.ToLower(params["charset"]) {
	case "gbk", "gb2312", "gb18030", "gb-18030", "cp936", "x-gbk":
		return true
	}
	return false
}

// stripNUL removes NUL bytes and the escape \u0000, with which gateways pad
// strings (observed in client code).
func stripNUL(body []byte) []byte {
	escape := []byte(`\u0000`)
	if bytes.IndexByte(body, 0) < 0 && !bytes.Contains(body, escape) {
		return body
	}
	body = bytes.ReplaceAll(body, []byte{0}, nil)
	out := make([]byte, 0, len(body))
	for i := 0; i < len(body); {
		switch {
		case body[i] != '\\' || i+1 == len(body):
			out = append(out, body[i])
			i++
		case bytes.HasPrefix(body[i:], escape):
			i += len(escape)
		default: // any other escape, \\ above all: both bytes belong together
			out = append(out, body[i], body[i+1])
			i += 2
		}
	}
	return out
}
