package foreign

import (
	"bufio"
	"bytes"
	"compress/flate"
	"compress/gzip"
	"compress/zlib"
	"errors"
	"fmt"
	"io"
	"strings"
)

// ErrTooLarge is a body that is longer than the limit when unpacked.
var ErrTooLarge = errors.New("the answer exceeds the size limit when unpacked")

// Unpack undoes the Content-Encoding of a body: gzip or deflate, though nobody asked for
// it; limit is in bytes of what comes out. Something in between may have unpacked the body
// and left the header, or packed it and not said so: what a body is shows in its first bytes.
// One that ends early is returned as far as it goes, beside the error.
func Unpack(body []byte, contentEncoding string, limit int64) ([]byte, error) {
	if contentEncoding == "" && (len(body) == 0 || body[0] != 0x1f) { // nearly always; no buffer for it
		return body, nil
	}
	in, packed, err := Unpacked(bytes.NewReader(body), contentEncoding)
	if err != nil || !packed {
		return body, err
	}
	out, err := io.ReadAll(io.LimitReader(in, limit+1))
	if int64(len(out)) > limit {
		return out[:limit], ErrTooLarge
	}
	if err != nil {
		return out, fmt.Errorf("unpack answer: %w", err)
	}
	return out, nil
}

// Unpacked is Unpack for a body that is still arriving; packed tells whether it was.
func Unpacked(body io.Reader, contentEncoding string) (unpacked io.Reader, packed bool, err error) {
	in := bufio.NewReader(body)
	head, _ := in.Peek(2) // a shorter body is not packed; an error comes again with the next read
	said := strings.ToLower(strings.TrimSpace(contentEncoding))
	switch {
	case len(head) < 2:
		return in, false, nil
	case head[0] == 0x1f && head[1] == 0x8b:
		unpacked, err = gzip.NewReader(in)
	case said == "" || said == "identity" || strings.IndexByte("{[\"P\xef", head[0]) >= 0:
		return in, false, nil // no deflated text begins like JSON or a ZIP
	case said == "deflate" && head[0]&0x0f == 8 && (int(head[0])<<8|int(head[1]))%31 == 0:
		unpacked, err = zlib.NewReader(in)
	case said == "deflate":
		unpacked = flate.NewReader(in)
	case said == "gzip" || said == "x-gzip" || head[0] == '<':
		return in, false, nil // it is not
	default:
		return in, false, fmt.Errorf("the answer has the encoding %.20q, which was not asked for; switch compression off in what stands before the platform", said)
	}
	if err != nil {
		return in, true, fmt.Errorf("unpack answer: %w", err)
	}
	return unpacked, true, nil
}
