package foreign

import (
	"bytes"
	"strings"
	"testing"
	"unicode/utf8"

	"golang.org/x/text/encoding"
	"golang.org/x/text/encoding/charmap"
	"golang.org/x/text/encoding/japanese"
	"golang.org/x/text/encoding/korean"
	"golang.org/x/text/encoding/simplifiedchinese"
	"golang.org/x/text/encoding/traditionalchinese"
	"golang.org/x/text/encoding/unicode"
)

func encode(t testing.TB, e encoding.Encoding, text string) string {
	t.Helper()
	out, err := e.NewEncoder().String(text)
	if err != nil {
		t.Fatal(err)
	}
	return out
}

func TestClean(t *testing.T) {
	const chinese = `{"a":"技能队列誠","b":"x"}` // 誠 has a backslash as second byte in GBK
	gbk := encode(t, simplifiedchinese.GBK, chinese)
	const typ = "application/json; charset="
	tests := map[string]struct{ body, contentType, want string }{
		"UTF-8":                        {chinese, typ + "UTF-8", chinese},
		"nothing declared":             {chinese, "", chinese},
		"a mark":                       {"\ufeff" + chinese, "", chinese},
		"two marks":                    {"\ufeff\ufeff" + chinese, "", chinese},
		"a mark inside":                {"{\"a\":\"x\ufeffy\"}", "", "{\"a\":\"x\ufeffy\"}"},
		"a mark against a declaration": {"\ufeff" + chinese, typ + "GBK", chinese},
		"GB18030's mark":               {"\x84\x31\x95\x33" + encode(t, simplifiedchinese.GB18030, chinese), "", chinese},

		"cut, declared":            {"{\"a\":\"\xe6\xb5\x8b\xe6\xb5\"}", typ + "UTF-8", `{"a":"测�"}`},
		"cut, quoted declaration":  {"{\"a\":\"\xe6\xb5\"}", typ + `"utf-8"`, `{"a":"�"}`},
		"cut, marked":              {"\ufeff{\"a\":\"\xe6\xb5\"}", "", `{"a":"�"}`},
		"cut, flawless in GBK":     {"{\"a\":\"测试\xe6\xb5\"}", "", `{"a":"测试�"}`},
		"cut at the beginning":     {"{\"a\":\"\x8b\xaf测试\"}", "", `{"a":"�测试"}`},
		"cut in the middle":        {"{\"a\":\"测\xe8\xaf试\"}", "", `{"a":"测�试"}`},
		"cut, four bytes":          {"{\"a\":\"测😀\xf0\x9f\x98\"}", "", `{"a":"测😀�"}`},
		"cut, among umlauts":       {"{\"a\":\"für Jürgen M\xc3\"}", "", `{"a":"für Jürgen M�"}`},
		"cut, and nothing else":    {"{\"a\":\"\xe6\xb5\"}", "", `{"a":"�"}`},
		"cut, and a letter behind": {"{\"a\":\"\xe6x\"}", "application/json", `{"a":"�x"}`},
		"cut twice, and no other":  {"{\"a\":\"\xe6\xb5 b\xe8\xaf\"}", "", `{"a":"� b�"}`},
		"cut, an umlaut alone":     {"{\"a\":\"M\xc3ller\"}", "", `{"a":"M�ller"}`},
		"cut, four bytes alone":    {"{\"a\":\"x\xf0\x9f\x98\"}", "", `{"a":"x�"}`},
		"one sign of GBK":          {encode(t, simplifiedchinese.GBK, `{"a":"张"}`), "", `{"a":"张"}`},
		"another one of GBK":       {encode(t, simplifiedchinese.GBK, `{"a":"保 x"}`), "", `{"a":"保 x"}`},
		"some signs of GBK apart":  {encode(t, simplifiedchinese.GBK, `{"a":"王 b 中 c 文"}`), "", `{"a":"王 b 中 c 文"}`},
		"nobody's":                 {"{\"a\":\"\xff\xfe\xfd!\"}", "", `{"a":"�!"}`},
		"a declaration that isn't": {"{\"a\":\"测\xe6\xb5\"}", typ + "klingon", `{"a":"测�"}`},

		"GBK":                      {gbk, typ + "GBK", chinese},
		"GB2312":                   {gbk, `text/plain; charset="gb2312"`, chinese},
		"CP936":                    {gbk, typ + "Cp936", chinese},
		"GBK, nothing declared":    {gbk, "application/json", chinese},
		"GBK, unknown declaration": {gbk, typ + "x-unknown", chinese},
		"GBK, cut":                 {"{\"a\":\"\xbc\xbc\xc4\"}", typ + "GBK", `{"a":"技�"}`},
		"GBK, broken header":       {gbk, "application/json; charset=GBK; charset=GBK; =", chinese},
		"GB18030":                  {encode(t, simplifiedchinese.GB18030, chinese+"😀"), typ + "gb-18030", chinese + "😀"},
		"not guessed over":         {"{\"a\":\"\xbc\xbc\xc4\xdc\"}", typ + "utf-8", `{"a":"�"}`},

		"ISO-8859-1":            {"{\"a\":\"caf\xe9\"}", typ + "ISO-8859-1", `{"a":"café"}`},
		"ISO-8859-1 like UTF-8": {"{\"a\":\"caf\xc3\xa9\"}", typ + "iso8859_1", `{"a":"cafÃ©"}`},
		"windows-1251":          {encode(t, charmap.Windows1251, `{"a":"Очередь"}`), typ + "windows-1251", `{"a":"Очередь"}`},
		"KOI8-R":                {encode(t, charmap.KOI8R, `{"a":"Очередь"}`), typ + "koi8-r", `{"a":"Очередь"}`},
		"Shift_JIS":             {encode(t, japanese.ShiftJIS, `{"a":"表示ソ"}`), typ + "Shift_JIS", `{"a":"表示ソ"}`},
		"MS932":                 {encode(t, japanese.ShiftJIS, `{"a":"表示ソ"}`), typ + "MS932", `{"a":"表示ソ"}`},
		"Shift_JIS, cut":        {"{\"a\":\"\x95\x5c\x8e\"}", typ + "Shift_JIS", `{"a":"表�"}`},
		"EUC-JP":                {encode(t, japanese.EUCJP, `{"a":"表示"}`), typ + "euc-jp", `{"a":"表示"}`},
		"Big5":                  {encode(t, traditionalchinese.Big5, `{"a":"功許"}`), typ + "big5", `{"a":"功許"}`},
		"EUC-KR":                {encode(t, korean.EUCKR, `{"a":"상담원"}`), typ + "ks_c_5601-1987", `{"a":"상담원"}`},

		"UTF-16, big, marked":        {encode(t, unicode.UTF16(unicode.BigEndian, unicode.UseBOM), chinese), "", chinese},
		"UTF-16, little, marked":     {encode(t, unicode.UTF16(unicode.LittleEndian, unicode.UseBOM), chinese), typ + "utf-16", chinese},
		"UTF-16, little, declared":   {encode(t, unicode.UTF16(unicode.LittleEndian, unicode.IgnoreBOM), chinese), typ + "UTF-16LE", chinese},
		"UTF-16, little, unmarked":   {encode(t, unicode.UTF16(unicode.LittleEndian, unicode.IgnoreBOM), chinese), typ + "utf-16", chinese},
		"UTF-16, big, undeclared":    {encode(t, unicode.UTF16(unicode.BigEndian, unicode.IgnoreBOM), chinese), "", chinese},
		"UTF-16, little, undeclared": {encode(t, unicode.UTF16(unicode.LittleEndian, unicode.IgnoreBOM), chinese), "", chinese},

		"NULs":         {"{\"a\":\"x\x00\x00\"}\x00", "", `{"a":"x"}`},
		"escaped NULs": {`{"a":"x\u0000","b":"\\u0000"}`, "", `{"a":"x","b":"\\u0000"}`},
		"empty":        {"", typ + "GBK", ""},
	}
	for name, test := range tests {
		if got := string(Clean([]byte(test.body), test.contentType)); got != test.want {
			t.Errorf("%s: %q, want %q", name, got, test.want)
		}
	}
}

func FuzzClean(f *testing.F) {
	for _, contentType := range []string{"", "text/plain; charset=GBK", "a/b;charset=shift_jis", "charset='utf-16", "a/b; charset=replacement", "a/b; charset=iso-2022-jp"} {
		f.Add([]byte("{\"a\":\"测\xe6\xb5\"}"), contentType)
		f.Add([]byte("\xff\xfe{\x00}\x00\x00"), contentType)
	}
	f.Fuzz(func(t *testing.T, body []byte, contentType string) {
		before := bytes.Clone(body)
		got := Clean(body, contentType)
		if !utf8.Valid(got) || bytes.IndexByte(got, 0) >= 0 || !bytes.Equal(body, before) {
			t.Fatalf("%q, %q: %q", body, contentType, got)
		}
		if utf8.Valid(body) && contentType == "" && !strings.ContainsAny(string(body), "\x00\\\ufeff") && string(got) != string(body) {
			t.Fatalf("%q became %q", body, got)
		}
	})
}
