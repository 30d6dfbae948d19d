package ccfs

import (
	"bytes"
	"compress/gzip"
	"compress/zlib"
	"errors"
	"io"
	"net/http"
	"testing"
)

func packed(t *testing.T, w io.WriteCloser, out *bytes.Buffer, text []byte) []byte {
	t.Helper()
	_, err := w.Write(text)
	if err = errors.Join(err, w.Close()); err != nil {
		t.Fatal(err)
	}
	return out.Bytes()
}

func gzipped(t *testing.T, text []byte) []byte {
	var b bytes.Buffer
	return packed(t, gzip.NewWriter(&b), &b, text)
}

func deflated(t *testing.T, text []byte) []byte {
	var b bytes.Buffer
	return packed(t, zlib.NewWriter(&b), &b, text)
}

// What an odd answer says is understood, or it is Broken; nothing is chosen by chance.
func TestOddAnswers(t *testing.T) {
	good := `{"resultCode":"0","resultDesc":"success","resultData":{"responseId":"` + testID + `"}}`
	const other = "0239cb50a8384bb0ab503441bf089446"
	var utf16 []byte
	for _, c := range []byte("\xff\xfe" + good) {
		if utf16 = append(utf16, c); len(utf16) > 2 {
			utf16 = append(utf16, 0)
		}
	}
	for name, test := range map[string]struct {
		body, encoding string
		class          Class
	}{
		"as documented":          {good, "", ""},
		"data beside null":       {`{"resultCode":"0","resultData":{"responseId":"` + testID + `"},"resultData":null}`, "", ""},
		"names in other cases":   {`{"ResultCode":0,"RESULTDATA":{"responseid":"` + testID + `"}}`, "", ""},
		"the same code twice":    {`{"resultCode":"0","resultcode":0,"resultData":{"responseId":"` + testID + `"}}`, "", ""},
		"the same id twice":      {`{"resultCode":"0","resultData":{"responseId":"` + testID + `","responseID":"` + testID + `"}}`, "", ""},
		"two marks":              {"\ufeff\ufeff" + good, "", ""},
		"UTF-16":                 {string(utf16), "", ""},
		"NULs behind":            {good + "\x00\x00", "", ""},
		"gzip":                   {string(gzipped(t, []byte(good))), "gzip", ""},
		"gzip, not said":         {string(gzipped(t, []byte(good))), "", ""},
		"deflate":                {string(deflated(t, []byte(good))), "deflate", ""},
		"gzip, only said":        {good, "gzip", ""},
		"a cut character":        {"\ufeff" + `{"resultCode":"0300009","resultDesc":"` + "测试测\xe8\xaf" + `"}`, "", FlowControl},
		"two codes":              {`{"resultCode":"0","resultCode":"0300009","resultData":{"responseId":"` + testID + `"}}`, "", Broken},
		"two ids":                {`{"resultCode":"0","resultData":{"responseId":"` + testID + `","ResponseId":"` + other + `"}}`, "", Broken},
		"two data":               {`{"resultCode":"0","resultData":{"responseId":"` + testID + `"},"ResultData":{"responseId":"` + other + `"}}`, "", Broken},
		"gzip, cut":              {string(gzipped(t, []byte(good))[:40]), "gzip", Again},
		"an encoding of its own": {"\x0b\x02\x80\x03", "br", Again},
		"a bomb":                 {string(gzipped(t, append([]byte("{"), make([]byte, 8<<20)...))), "gzip", Broken},
	} {
		p := newPlatform(t, func(w http.ResponseWriter, r *http.Request) {
			if got := r.Header.Get("Accept-Encoding"); got != "identity" {
				t.Errorf("asked for encoding %q", got)
			}
			w.Header().Set("Content-Type", "application/json")
			if test.encoding != "" {
				w.Header().Set("Content-Encoding", test.encoding)
			}
			_, _ = io.WriteString(w, test.body)
		})
		id, err := p.client().QueryBills(t.Context(), bills())
		if test.class != "" {
			if e := asError(t, err); e.Class != test.class || name == "a cut character" && e.Message != "测试测\ufffd" {
				t.Errorf("%s: %q, %+v", name, id, e)
			}
			continue
		}
		if err != nil || id != testID {
			t.Errorf("%s: %q, %v", name, id, err)
		}
	}
}

func TestPackedFiles(t *testing.T) {
	file := aZIP(t, 1<<20)
	whole := gzipped(t, file)
	for name, test := range map[string]struct {
		body     []byte
		encoding string
		limit    int64
		class    Class
	}{
		"gzip":               {whole, "gzip", 0, ""},
		"gzip, not said":     {whole, "", 0, ""},
		"deflate":            {deflated(t, file), "deflate", 0, ""},
		"gzip, only said":    {file, "gzip", 0, ""},
		"deflate, only said": {file, "deflate", 0, ""},
		"cut":                {whole[:len(whole)-4], "gzip", 0, Broken},
		"too long unpacked":  {whole, "gzip", 1 << 19, Permanent},
	} {
		p := newPlatform(t, func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", asBytes)
			if test.encoding != "" {
				w.Header().Set("Content-Encoding", test.encoding)
			}
			_, _ = w.Write(test.body)
		})
		got, err := download(t, p.client(func(o *Options) { o.MaxFileBytes = test.limit }))
		if test.class != "" {
			if e := asError(t, err); e.Class != test.class {
				t.Errorf("%s: %+v", name, e)
			}
			continue
		}
		if err != nil || !bytes.Equal(got, file) {
			t.Errorf("%s: %d bytes, %v", name, len(got), err)
		}
	}
}
