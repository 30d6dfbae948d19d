package archive

import (
	"bufio"
	"bytes"
	"cmp"
	"errors"
	"fmt"
	"io"
	"strings"
	"unicode/utf8"

	"golang.org/x/text/encoding"
	"golang.org/x/text/encoding/simplifiedchinese"
)

// Names of the encodings, as they stand in a window's marker.
const (
	charsetUTF8    = "utf-8"
	charsetGB18030 = "gb18030"
)

var (
	errCharset = errors.New("its text is neither valid UTF-8 nor GB18030")
	errMixed   = errors.New("its text is partly UTF-8 and partly GB18030")
	errNUL     = errors.New("it has NUL bytes: UTF-16, or no text")
)

// marks are the byte order marks of the encodings that are read.
var marks = []struct{ bytes, charset string }{
	{"\xef\xbb\xbf", charsetUTF8},
	{"\x84\x31\x95\x33", charsetGB18030},
}

// longestMark is how many bytes tell whether a text begins with a mark.
const longestMark = 4

// cutMarks takes byte order marks off a text and returns the encoding that the first of
// them says, "" for none.
func cutMarks(s string) (rest, charset string) {
	for again := true; again; {
		again = false
		for _, m := range marks {
			if after, ok := strings.CutPrefix(s, m.bytes); ok {
				s, again, charset = after, true, cmp.Or(charset, m.charset)
			}
		}
	}
	return s, charset
}

// text is what a whole member's bytes say of it before they are cut into cells.
type text struct {
	charset string
	plain   bool   // it is not known yet that charset is right
	torn    int    // places where a character is cut
	head    string // its beginning, without byte order marks
}

// survey reads a member to its end.
func survey(r io.Reader, d Dialect) (text, error) {
	b := bufio.NewReaderSize(r, blockBytes)
	ahead, err := b.Peek(blockBytes)
	if err != nil && !errors.Is(err, io.EOF) {
		return text{}, err
	}
	rest, marked := cutMarks(string(ahead))
	_, _ = b.Discard(len(ahead) - len(rest)) // they were peeked
	s := sniffer{marked: marked, gb: simplifiedchinese.GB18030.NewDecoder()}
	if d.saysCharset() {
		s.marked = d.Charset // the tenant's word counts for more
	}
	t := text{head: headOf(rest)}
	if _, err := io.Copy(&s, b); err != nil {
		return text{}, err
	}
	s.word(s.rest)
	if s.nul {
		return t, errNUL
	}
	t.charset, t.torn, err = s.verdict()
	return t, err
}

// sniffer follows the bytes of a member, word by word, and weighs in its end which
// encoding they are in. A character of one that was cut must not make the whole text
// one of the other, in which nearly all pairs of bytes mean something.
//
// Words end at bytes that are no part of a character in either encoding, whatever
// the separator is.
type sniffer struct {
	marked string // the encoding that a setting or a byte order mark says, "" for none
	nul    bool
	rest   []byte // a word that has not ended
	gb     *encoding.Decoder

	// As UTF-8: characters of two bytes, of more, and broken places.
	short, long, broken int
	foreign             int // of the broken places, those that do not look like a cut character
	// As GB18030: characters that texts are made of, others, and broken places.
	common, rare, wrong int
	// Words that can only be one of the two.
	onlyUTF8, onlyGB int
}

const wordEnds = ",;\t\"\r\n"

func (s *sniffer) Write(p []byte) (int, error) {
	n := len(p)
	s.nul = s.nul || bytes.IndexByte(p, 0) >= 0
	for {
		end := bytes.IndexAny(p, wordEnds)
		if end < 0 {
			break
		}
		if len(s.rest) > 0 {
			s.rest = append(s.rest, p[:end]...)
			s.word(s.rest)
			s.rest = s.rest[:0]
		} else {
			s.word(p[:end])
		}
		p = p[end+1:]
	}
	if s.rest = append(s.rest, p...); len(s.rest) > maxRowBytes { // no text that is read
		s.word(s.rest)
		s.rest = s.rest[:0]
	}
	return n, nil
}

func (s *sniffer) word(w []byte) {
	if isASCII(w) {
		return
	}
	short, long, broken, foreign := weighUTF8(w)
	s.short, s.long, s.broken, s.foreign = s.short+short, s.long+long, s.broken+broken, s.foreign+foreign
	common, rare, wrong := s.weighGB(w)
	s.common, s.rare, s.wrong = s.common+common, s.rare+rare, s.wrong+wrong
	switch {
	case broken == 0 && long >= 2 && (wrong > 0 || rare > common):
		s.onlyUTF8++
	case broken > 0 && long == 0 && wrong == 0 && rare == 0 && common >= 2:
		s.onlyGB++
	}
}

// verdict names the encoding and how many places of the text are broken in it.
func (s *sniffer) verdict() (charset string, torn int, err error) {
	if s.marked != "" {
		return s.asMarked()
	}
	sound := s.short + s.long
	isUTF8 := sound >= 8*s.broken || s.long >= s.broken && (s.rare > s.common || s.wrong > 0) ||
		s.foreign == 0 && (s.common == 0 || s.wrong > 0)
	switch {
	case s.broken == 0:
		return charsetUTF8, 0, nil
	case s.onlyUTF8 > 0 && s.onlyGB > 0:
		return "", 0, errMixed
	case s.onlyGB == 0 && isUTF8:
		return charsetUTF8, s.broken, nil
	case s.wrong == 0, s.onlyGB > 0 && s.common >= 8*s.wrong:
		return charsetGB18030, s.wrong, nil
	}
	return "", 0, errCharset
}

// asMarked is the verdict on a text whose encoding is marked. That is not doubted unless
// next to nothing in it is sound.
func (s *sniffer) asMarked() (charset string, torn int, err error) {
	switch {
	case s.marked == charsetUTF8 && s.onlyGB == 0 && (s.broken <= 1 || s.short+s.long >= s.broken):
		return charsetUTF8, s.broken, nil
	case s.marked == charsetGB18030 && (s.wrong <= 1 || s.common+s.rare >= s.wrong):
		return charsetGB18030, s.wrong, nil
	}
	return "", 0, fmt.Errorf("its text is not %s, as its byte order mark or the tenant's setting says", s.marked)
}

// weighUTF8 counts the characters beyond ASCII and the places where one is broken: a
// first byte without all that belong to it is one place, and so are bytes without a
// first one. Foreign are those places that are not the beginning of a character alone, as
// what was cut leaves it; two side by side are not either.
func weighUTF8(w []byte) (short, long, broken, foreign int) {
	for after := false; len(w) > 0; {
		r, size := utf8.DecodeRune(w)
		isBroken := r == utf8.RuneError && size == 1
		switch {
		case isBroken:
			broken++
			if after || utf8.FullRune(w[:1]) {
				foreign++
			}
			for size < len(w) && size < utf8.UTFMax-1 && w[size]&0xc0 == 0x80 {
				size++
			}
		case size == 2:
			short++
		case size > 2:
			long++
		}
		after = isBroken
		w = w[size:]
	}
	return short, long, broken, foreign
}

// weighGB counts the characters beyond ASCII. Common ones are those of the first level
// of GB 2312, by which nearly all is written, and punctuation: what is UTF-8 in truth
// has few of them.
func (s *sniffer) weighGB(w []byte) (common, rare, wrong int) {
	decoded, err := s.gb.Bytes(w)
	if err != nil {
		return 0, 0, len(w)
	}
	wrong = bytes.Count(decoded, []byte("\ufffd"))
	for len(w) > 0 {
		size := gbLength(w)
		switch lead := w[0]; {
		case size < 2:
		case size == 2 && w[1] >= 0xa1 && (lead >= 0xb0 && lead <= 0xd7 || lead >= 0xa1 && lead <= 0xa3):
			common++
		default:
			rare++
		}
		w = w[size:]
	}
	return common, rare, wrong
}

// gbLength is how many bytes the first character of w has in GB18030.
func gbLength(w []byte) int {
	const first, last = 0x81, 0xfe
	switch {
	case len(w) < 2 || w[0] < first || w[0] > last:
		return 1
	case w[1] >= 0x40 && w[1] <= last && w[1] != 0x7f:
		return 2
	case len(w) >= 4 && w[1] >= '0' && w[1] <= '9' && w[2] >= first && w[2] <= last && w[3] >= '0' && w[3] <= '9':
		return 4
	}
	return 1
}

func isASCII[T string | []byte](text T) bool {
	for i := range len(text) {
		if text[i] >= utf8.RuneSelf {
			return false
		}
	}
	return true
}
