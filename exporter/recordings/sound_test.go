package recordings

import (
	"archive/zip"
	"bytes"
	"errors"
	"reflect"
	"testing"
)

func packed(t testing.TB, files map[string][]byte) []byte {
	t.Helper()
	var b bytes.Buffer
	z := zip.NewWriter(&b)
	for name, content := range files {
		w, err := z.Create(name)
		if err == nil {
			_, err = w.Write(content)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	if err := z.Close(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

func TestWhichOfAZip(t *testing.T) {
	for name, c := range map[string]struct {
		files map[string][]byte
		named bool
		err   error // of the type that is wanted
	}{
		"the only one":   {map[string][]byte{"x.wav": tone(5)}, false, nil},
		"the named one":  {map[string][]byte{"d/1.wav": tone(5), "2.wav": tone(9)}, true, nil},
		"none of names":  {map[string][]byte{"3.wav": tone(5), "2.wav": tone(9)}, false, &unclear{}},
		"two of a name":  {map[string][]byte{"a/1.wav": tone(5), "b/1.wav": tone(9)}, false, &unclear{}},
		"nothing":        {nil, false, &unsound{}},
		"damaged within": {map[string][]byte{"1.wav": tone(5)[:20]}, false, &unsound{}},
	} {
		got, err := check(packed(t, c.files), 1<<20, "1", "")
		if reflect.TypeOf(err) != reflect.TypeOf(c.err) || got.named != c.named || err == nil && !bytes.Equal(got.wav, tone(5)) {
			t.Errorf("%s: named %t, %v", name, got.named, err)
		}
	}
	if _, err := check(packed(t, map[string][]byte{"1.wav": tone(5000)}), 1000); !errors.Is(err, errTooLong) {
		t.Errorf("a ZIP that unpacks to too much: %v", err)
	}
}

func TestBase(t *testing.T) {
	for name, want := range map[string]string{`X:\39\1.V3`: "1", "/10/1/a.b.wav": "a.b", "": "", "x": "x", "a/": ""} {
		if got := base(name); got != want {
			t.Errorf("%q: %q, want %q", name, got, want)
		}
	}
}

func FuzzCheck(f *testing.F) {
	f.Add(tone(10))
	f.Add(packed(f, map[string][]byte{"1.wav": tone(10), "2.wav": nil}))
	f.Add([]byte(`{"resultCode":"0300012"}`))
	f.Fuzz(func(t *testing.T, got []byte) {
		s, err := check(got, 1<<16, "1")
		if err == nil && (len(s.wav) == 0 || s.length < 0 || s.format == "") {
			t.Errorf("taken for sound: %+v", s)
		}
	})
}
