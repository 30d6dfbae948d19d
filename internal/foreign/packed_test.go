package foreign

import (
	"bytes"
	"compress/flate"
	"compress/gzip"
	"compress/zlib"
	"errors"
	"io"
	"strings"
	"testing"
)

func pack(t testing.TB, how, text string) []byte {
	t.Helper()
	var out bytes.Buffer
	var w io.WriteCloser
	switch how {
	case "gzip":
		w = gzip.NewWriter(&out)
	case "zlib":
		w = zlib.NewWriter(&out)
	default:
		w, _ = flate.NewWriter(&out, flate.DefaultCompression) // the level is a good one
	}
	_, err := io.WriteString(w, text)
	if err = errors.Join(err, w.Close()); err != nil {
		t.Fatal(err)
	}
	return out.Bytes()
}

func TestUnpack(t *testing.T) {
	const text = `{"retcode":"0","event":null}`
	zip := pack(t, "gzip", text)
	for name, test := range map[string]struct {
		body     []byte
		encoding string
		want     string
		fails    bool
	}{
		"nothing":               {nil, "gzip", "", false},
		"plain":                 {[]byte(text), "", text, false},
		"identity":              {[]byte(text), "Identity", text, false},
		"gzip":                  {zip, "gzip", text, false},
		"x-gzip, blanks":        {zip, " X-GZip ", text, false},
		"gzip, not said":        {zip, "", text, false},
		"gzip as deflate":       {zip, "deflate", text, false},
		"two parts":             {append(bytes.Clone(zip), zip...), "gzip", text + text, false},
		"gzip, only said":       {[]byte(text), "gzip", text, false},
		"deflate":               {pack(t, "zlib", text), "deflate", text, false},
		"deflate, bare":         {pack(t, "flate", text), "deflate", text, false},
		"deflate, only said":    {[]byte(text), "deflate", text, false},
		"another, only said":    {[]byte(text), "br", text, false},
		"another":               {[]byte{0x0b, 0x02, 0x80, 0x03}, "br", "", true},
		"cut":                   {zip[:len(zip)-1], "gzip", text, true},
		"too long":              {pack(t, "gzip", strings.Repeat("x", 101)), "gzip", strings.Repeat("x", 100), true},
		"as long as is allowed": {pack(t, "gzip", strings.Repeat("x", 100)), "gzip", strings.Repeat("x", 100), false},
	} {
		got, err := Unpack(test.body, test.encoding, 100)
		if (err != nil) != test.fails || !test.fails && string(got) != test.want || name == "cut" && string(got) != test.want {
			t.Errorf("%s: %q, %v", name, got, err)
		}
	}
}

func FuzzUnpack(f *testing.F) {
	for _, how := range []string{"gzip", "zlib", "flate"} {
		f.Add(pack(f, how, "some text"), "deflate")
	}
	f.Add([]byte(`{"a":1}`), "gzip")
	f.Fuzz(func(t *testing.T, body []byte, encoding string) {
		got, err := Unpack(body, encoding, 1000)
		if err == nil && len(got) > 1000 && len(got) > len(body) {
			t.Fatalf("%d bytes", len(got))
		}
	})
}
