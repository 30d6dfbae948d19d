package foreign

import (
	"bytes"
	"mime"
	"strings"
	"unicode/utf8"

	"golang.org/x/text/encoding"
	"golang.org/x/text/encoding/htmlindex"
	"golang.org/x/text/encoding/simplifiedchinese"
	"golang.org/x/text/encoding/unicode"
)

// Clean turns a body into UTF-8 without byte order mark and NUL padding. What can't be
// read becomes U+FFFD, and costs nothing of what is around it.
//
// A byte order mark says what the body is, else the charset of Content-Type does; neither
// is ever guessed over. A body that has neither (or a charset that nobody knows) is UTF-8,
// or GB18030, of which GBK and GB2312 are subsets, if it is flawless in that and looks
// less like UTF-8.
func Clean(body []byte, contentType string) []byte {
	text := toUTF8(body, contentType)
	for bytes.HasPrefix(text, []byte(mark)) { // there may be two, one of a file that was put behind another's mark
		text = text[len(mark):]
	}
	return stripNUL(text)
}

// mark is the byte order mark.
const mark = "\ufeff"

var (
	utf16LE = unicode.UTF16(unicode.LittleEndian, unicode.IgnoreBOM)
	utf16BE = unicode.UTF16(unicode.BigEndian, unicode.IgnoreBOM)
)

func toUTF8(body []byte, contentType string) []byte {
	switch {
	case bytes.HasPrefix(body, []byte(mark)):
		return bytes.ToValidUTF8(body, []byte(string(utf8.RuneError)))
	case bytes.HasPrefix(body, []byte("\xff\xfe")):
		return decode(utf16LE, body)
	case bytes.HasPrefix(body, []byte("\xfe\xff")):
		return decode(utf16BE, body)
	case bytes.HasPrefix(body, []byte("\x84\x31\x95\x33")):
		return decode(simplifiedchinese.GB18030, body)
	}
	e := declared(contentType)
	switch {
	case e != nil && e != utf16BE && e != utf16LE:
		return decode(e, body)
	case utf16Like(body, 1):
		return decode(utf16LE, body)
	case utf16Like(body, 0):
		return decode(utf16BE, body)
	case e != nil:
		return decode(e, body)
	case !mostlyUTF8(body):
		if text, err := simplifiedchinese.GB18030.NewDecoder().Bytes(body); err == nil && !bytes.ContainsRune(text, utf8.RuneError) {
			return text
		}
	}
	return bytes.ToValidUTF8(body, []byte(string(utf8.RuneError)))
}

// decode never fails: what an encoding does not have becomes U+FFFD.
func decode(e encoding.Encoding, body []byte) []byte {
	if e == unicode.UTF8 {
		return bytes.ToValidUTF8(body, []byte(string(utf8.RuneError)))
	}
	text, err := e.NewDecoder().Bytes(body)
	if err != nil {
		return bytes.ToValidUTF8(body, []byte(string(utf8.RuneError)))
	}
	return text
}

// otherNames are names of charsets that servers use and the WHATWG's index does not have.
var otherNames = map[string]string{
	"gb-18030": "gb18030", "cp936": "gbk", "ms936": "gbk", "windows-936": "gbk", "euc-cn": "gbk",
	"cp932": "shift_jis", "ms932": "shift_jis", "cp949": "euc-kr", "ms949": "euc-kr", "cp950": "big5", "ms950": "big5",
}

// declared is the encoding that Content-Type names; nil: none that is known. UTF-16
// without an order is the big endian (RFC 2781).
func declared(contentType string) encoding.Encoding {
	name := strings.ToLower(charset(contentType))
	switch name {
	case "":
		return nil
	case "utf-16", "utf16", "utf-16be", "utf16be":
		return utf16BE
	case "utf-16le", "utf16le":
		return utf16LE
	}
	if other, ok := otherNames[name]; ok {
		name = other
	}
	for _, spelling := range []string{name, strings.ReplaceAll(name, "_", "-")} {
		if e, err := htmlindex.Get(spelling); err == nil && e != encoding.Replacement {
			return e
		}
	}
	return nil
}

// charset reads the parameter, also of a header that is not as it should be.
func charset(contentType string) string {
	if _, params, err := mime.ParseMediaType(contentType); err == nil {
		return strings.TrimSpace(params["charset"])
	}
	_, value, _ := strings.Cut(strings.ToLower(contentType), "charset")
	value, ok := strings.CutPrefix(strings.TrimLeft(value, " "), "=")
	if !ok {
		return ""
	}
	value = strings.TrimLeft(value, " \"'")
	if end := strings.IndexAny(value, " \"',;"); end >= 0 {
		value = value[:end]
	}
	return value
}

// utf16Like reports a text in UTF-16 without a mark: its first two signs are ASCII, as
// those of JSON are, so that each has a NUL beside it. zero is where: 1 for the little
// endian.
func utf16Like(body []byte, zero int) bool {
	if len(body) < 4 || len(body)%2 != 0 {
		return false
	}
	return body[zero] == 0 && body[zero+2] == 0 && body[1-zero] != 0 && body[3-zero] != 0
}

// mostlyUTF8 weighs the signs beyond ASCII that are good UTF-8 against the broken ones. Text
// of another encoding has a sound sign of two bytes now and then, and one of three hardly ever.
// Where nothing is sound, places that all look like a cut sign are that.
func mostlyUTF8(body []byte) bool {
	if utf8.Valid(body) {
		return true
	}
	good, broken, foreign := 0, 0, 0
	for after := false; len(body) > 0; {
		r, size := utf8.DecodeRune(body)
		isBroken := r == utf8.RuneError && size == 1
		switch {
		case isBroken:
			broken++
			if size = cutSign(body); size == 0 || after { // no two are cut side by side
				foreign++
			}
			size = max(size, 1)
		case size == 2:
			good++
		case size > 2:
			good += 2
		}
		after = isBroken
		body = body[size:]
	}
	return good > broken || good == 0 && foreign == 0
}

// cutSign is how many bytes at the beginning of text are the beginning of a sign in UTF-8
// whose rest is missing; 0: it begins with something else.
func cutSign(text []byte) (n int) {
	for n < min(len(text), utf8.UTFMax-1) && !utf8.FullRune(text[:n+1]) {
		n++
	}
	return n
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
