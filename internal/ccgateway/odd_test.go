package ccgateway

import (
	"bytes"
	"compress/flate"
	"compress/gzip"
	"compress/zlib"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"unicode/utf8"

	"golang.org/x/text/encoding"
	"golang.org/x/text/encoding/simplifiedchinese"
	"golang.org/x/text/encoding/unicode"
)

// wrapping is a way in which an answer may come: what is in it stays the same.
type wrapping struct {
	name, contentType, contentEncoding string
	wrap                               func(*testing.T, []byte) []byte
	text                               bool // for bodies that are good UTF-8 only
}

func packed(w func(io.Writer) io.WriteCloser) func(*testing.T, []byte) []byte {
	return func(t *testing.T, body []byte) []byte {
		var out bytes.Buffer
		in := w(&out)
		_, err := in.Write(body)
		if err = errors.Join(err, in.Close()); err != nil {
			t.Fatal(err)
		}
		return out.Bytes()
	}
}

func encoded(e encoding.Encoding) func(*testing.T, []byte) []byte {
	return func(t *testing.T, body []byte) []byte {
		out, err := e.NewEncoder().Bytes(bytes.TrimPrefix(body, []byte("\ufeff")))
		if err != nil {
			t.Fatal(err)
		}
		return out
	}
}

func wrappings() []wrapping {
	asIs := func(_ *testing.T, body []byte) []byte { return body }
	zip := packed(func(w io.Writer) io.WriteCloser { return gzip.NewWriter(w) })
	raw := packed(func(w io.Writer) io.WriteCloser {
		f, _ := flate.NewWriter(w, flate.BestSpeed) // the level is a good one
		return f
	})
	const json, utf8 = "application/json", "application/json; charset=UTF-8"
	return []wrapping{
		{"as it is", utf8, "", asIs, false},
		{"nothing declared", "", "", asIs, false},
		{"a mark", json, "", func(_ *testing.T, b []byte) []byte { return append([]byte("\ufeff"), b...) }, false},
		{"NULs behind", json, "", func(_ *testing.T, b []byte) []byte { return append(b, 0, 0, 0) }, false},
		{"gzip", utf8, "gzip", zip, false},
		{"gzip, not said", utf8, "", zip, false},
		{"gzip said only", utf8, "gzip", asIs, false},
		{"deflate", utf8, "deflate", packed(func(w io.Writer) io.WriteCloser { return zlib.NewWriter(w) }), false},
		{"deflate, bare", utf8, "Deflate", raw, false},
		{"GB18030", "application/json;charset=gb18030", "", encoded(simplifiedchinese.GB18030), true},
		{"UTF-16 with a mark", json, "", encoded(unicode.UTF16(unicode.BigEndian, unicode.UseBOM)), true},
		{"UTF-16LE", "text/plain; charset=utf-16le", "", encoded(unicode.UTF16(unicode.LittleEndian, unicode.IgnoreBOM)), true},
	}
}

// Whatever an answer is wrapped in, and however odd it is inside: each event is read, or
// kept as it came with a doubt about what was lost. None is passed over.
func TestF47OddAnswers(t *testing.T) {
	var body []byte
	var w wrapping
	a := newAgent(t, Options{URL: serve(t, func(rw http.ResponseWriter, r *http.Request) {
		if got := r.Header.Get("Accept-Encoding"); got != "identity" {
			t.Errorf("asked for encoding %q", got)
		}
		rw.Header()["Content-Type"] = []string{w.contentType}
		if w.contentEncoding != "" {
			rw.Header().Set("Content-Encoding", w.contentEncoding)
		}
		rw.Write(body)
	})})
	answers, lost := 0, 0
	for _, file := range bodies(t) {
		plain, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		want, err := os.ReadFile(strings.TrimSuffix(file, ".body") + ".golden")
		if err != nil {
			t.Fatal(err)
		}
		for _, w = range wrappings() {
			if w.text && !utf8.Valid(plain) || len(plain) == 0 && w.contentEncoding != "" {
				continue
			}
			body = w.wrap(t, bytes.Clone(plain))
			p := a.Poll(t.Context())
			answers++
			switch good, _ := strings.CutPrefix(string(want), "error: "); {
			case good != string(want) && (p.Outcome != OutcomeUnknown || !p.MayHaveLost || !errors.Is(p.Err, ErrUndecodable)):
				t.Errorf("%s, %s: %s, %v", filepath.Base(file), w.name, p.Outcome, p.Err)
				lost++
			case good == string(want) && describe(reply{Code: p.Code, Message: p.Message, Events: p.Events, Bad: p.Bad}, nil) != string(want):
				t.Errorf("%s, %s: %v\n%s", filepath.Base(file), w.name, p.Err, describe(reply{Code: p.Code, Message: p.Message, Events: p.Events, Bad: p.Bad}, nil))
				lost++
			}
		}
	}
	t.Attr("figure", fmt.Sprintf("%d answers, %d wrappings", answers, len(wrappings())))
	t.Attr("lost", fmt.Sprint(lost))
}

// Cookies go back as they came, also after a restart.
func TestCookiesByteForByte(t *testing.T) {
	for sent, want := range map[string]string{
		"lb=a,b; Path=/":                  "lb=a,b",
		`lb="node 7"; HttpOnly`:           `lb="node 7"`,
		`lb="a`:                           `lb="a`,
		`lb=a"b\c`:                        `lb=a"b\c`,
		`lb[0]=x[1]=y`:                    `lb[0]=x[1]=y`,
		"lb=a b  c ;Secure":               "lb=a b  c",
		"lb=caf\xe9\xff\x80":              "lb=caf\xe9\xff\x80",
		"lb=\u00e9\u6d4b\u00a0":           "lb=\u00e9\u6d4b\u00a0",
		"lb=":                             "lb=",
		"lb=a=b==; SameSite=Bogus":        "lb=a=b==",
		"lb={\"n\":1}; Expires=yesterday": "lb={\"n\":1}",
		"lb=k; Max-Age=60; Expires=Thu, 01 Jan 1970 00:00:00 GMT": "lb=k",
		"no cookie": "",
		"=nameless": "",
		"lb=gone; Expires=Thu, 01 Jan 1970 00:00:00 GMT":                            "",
		"lb=gone; Expires=Thu, 01 Jan 1970 00:00:00 GMT; Max-Age=0":                 "",
		"lb=" + strings.Repeat("x", maxCookieBytes):                                 "",
		"lb=" + strings.Repeat("x", maxCookieBytes-3) + "; Comment=that is allowed": "lb=" + strings.Repeat("x", maxCookieBytes-3),
	} {
		var seen []string
		url := serve(t, func(w http.ResponseWriter, r *http.Request) {
			seen = append(seen, strings.Join(r.Header.Values("Cookie"), "|"))
			raw("HTTP/1.1 200 OK\r\nSet-Cookie: "+sent+"\r\nConnection: close\r\n\r\n"+idleBody)(w, r)
		})
		a := newAgent(t, Options{URL: url})
		for range 2 {
			if p := a.Poll(t.Context()); p.Outcome != OutcomeEmpty {
				t.Fatalf("%q: %v", sent, p.Err)
			}
		}
		after := newAgent(t, Options{URL: url})
		after.Resume(a.Ticket())
		after.Poll(t.Context())
		if len(seen) != 3 || seen[1] != want || seen[2] != want {
			t.Errorf("%.40q came back as %.60q, want %.40q", sent, seen, want)
		}
	}
}

// What is packed is bounded by what comes out, and one that is cut may have held an event.
func TestPackedAnswers(t *testing.T) {
	pack := packed(func(w io.Writer) io.WriteCloser { return gzip.NewWriter(w) })
	event := pack(t, []byte(readyBody))
	for name, c := range map[string]struct {
		body     []byte
		encoding string
		want     error
		text     string
	}{
		"a bomb":              {pack(t, bytes.Repeat([]byte(" "), 8<<20)), "gzip", ErrBodyTooLarge, "limit"},
		"cut":                 {event[:len(event)-9], "gzip", io.ErrUnexpectedEOF, "unpack"},
		"another encoding":    {[]byte("\x0b\x02\x80"), "br", nil, "compression"},
		"damaged":             {append(event[:len(event)-8:len(event)-8], 1, 2, 3, 4, 5, 6, 7, 8), "gzip", gzip.ErrChecksum, "unpack"},
		"only the first sign": {event[:2], "gzip", io.ErrUnexpectedEOF, "unpack"},
	} {
		a := newAgent(t, Options{URL: serve(t, func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Content-Encoding", c.encoding)
			w.Write(c.body)
		})})
		p := a.Poll(t.Context())
		if p.Outcome != OutcomeUnknown || !p.MayHaveLost || c.want != nil && !errors.Is(p.Err, c.want) || !strings.Contains(p.Err.Error(), c.text) {
			t.Errorf("%s: %s, %v", name, p.Outcome, p.Err)
		}
	}
}
