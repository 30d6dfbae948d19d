package archive

import (
	"bytes"
	"errors"
	"fmt"
	"slices"
	"unicode/utf8"

	"golang.org/x/text/encoding"
	"golang.org/x/text/encoding/simplifiedchinese"
)

// Dialect says how a tenant's CSV members are to be read. The pages leave both
// points open; the zero value finds out per file.
type Dialect struct {
	// Header is "auto" (default), "present" or "absent".
	Header string
	// Charset is "auto" (default: UTF-8 if the file is valid UTF-8, otherwise
	// GB18030), "utf-8" or "gb18030".
	Charset string
}

// Validate reports a setting that is not known.
func (d Dialect) Validate() error {
	if !slices.Contains([]string{"", "auto", "present", "absent"}, d.Header) {
		return fmt.Errorf("header %q: want auto, present or absent", d.Header)
	}
	if !slices.Contains([]string{"", "auto", charsetUTF8, charsetGB18030}, d.Charset) {
		return fmt.Errorf("charset %q: want auto, utf-8 or gb18030", d.Charset)
	}
	return nil
}

// Names of the encodings, as they stand in a window's marker.
const (
	charsetUTF8    = "utf-8"
	charsetGB18030 = "gb18030"
)

var errCharset = errors.New("its text is neither valid UTF-8 nor GB18030")

// sniffer follows the text of a member and says at its end which encoding it is
// in. A file that is valid in neither is damaged.
type sniffer struct {
	want    string
	notUTF8 bool
	notGB   bool
	gb      *encoding.Decoder
}

func newSniffer(charset string) *sniffer {
	return &sniffer{want: charset, gb: simplifiedchinese.GB18030.NewDecoder()}
}

func (s *sniffer) see(cell []byte) {
	if isASCII(cell) {
		return
	}
	s.notUTF8 = s.notUTF8 || !utf8.Valid(cell)
	if !s.notGB && s.want != charsetUTF8 {
		text, err := s.gb.Bytes(cell)
		s.notGB = err != nil || bytes.ContainsRune(text, utf8.RuneError)
	}
}

func (s *sniffer) charset() (string, error) {
	switch {
	case s.want != charsetGB18030 && !s.notUTF8:
		return charsetUTF8, nil
	case s.want != charsetUTF8 && !s.notGB:
		return charsetGB18030, nil
	}
	return "", errCharset
}

func isASCII(b []byte) bool {
	for _, c := range b {
		if c >= utf8.RuneSelf {
			return false
		}
	}
	return true
}

// decodeWords turns GB18030 cells into UTF-8.
func decodeWords(words []string) ([]string, error) {
	decoder := simplifiedchinese.GB18030.NewDecoder()
	for i, word := range words {
		text, err := decoder.String(word)
		if err != nil {
			return nil, errCharset
		}
		words[i] = text
	}
	return words, nil
}
