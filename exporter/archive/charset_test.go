package archive

import (
	"strings"
	"testing"

	"golang.org/x/text/encoding/simplifiedchinese"
)

// TestFewCharacters: one character that was cut says too little of a text for another
// encoding, in which nearly all pairs of bytes mean something; whole ones say enough.
func TestFewCharacters(t *testing.T) {
	gb := func(text string) string {
		out, err := simplifiedchinese.GB18030.NewEncoder().String(text)
		if err != nil {
			t.Fatal(err)
		}
		return out
	}
	for name, c := range map[string]struct {
		text, charset string
		torn          int
	}{
		"one cut":                         {"a,\xe4\xb8,b\n", charsetUTF8, 1},
		"one cut, quoted":                 {"a,\"\xe4\xb8\",b\n", charsetUTF8, 1},
		"one cut, a letter behind":        {"a,\xe4x,b\n", charsetUTF8, 1},
		"one cut umlaut":                  {"a,J\xc3,b\n", charsetUTF8, 1},
		"one cut umlaut, a letter behind": {"a,M\xc3ller,b\n", charsetUTF8, 1},
		"a cut emoji":                     {"a,\xf0\x9f\x98,b\n", charsetUTF8, 1},
		"two cut, apart":                  {"a,\xe4\xb8,\xe6\xb5,b\n", charsetUTF8, 2},
		"a cut one at the end":            {"a,b,\xe4\xb8", charsetUTF8, 1},
		"an umlaut and a cut one":         {"a,für J\xc3,b\n", charsetUTF8, 1},
		"one of GB18030":                  {gb("a,张,b\n"), charsetGB18030, 0},
		"another one of GB18030":          {gb("a,保,b\n"), charsetGB18030, 0},
		"some of GB18030, apart":          {gb("a,王,中,文,b\n"), charsetGB18030, 0},
		"a rare one beside common ones":   {gb("a,涓 张,录,涓\n"), charsetGB18030, 0},
		"whole ones and a cut one":        {"a,中文,\xe4\xb8,b\n", charsetUTF8, 1},
	} {
		got, err := survey(strings.NewReader(c.text), Dialect{})
		if err != nil || got.charset != c.charset || got.torn != c.torn {
			t.Errorf("%s: %s with %d torn, %v; want %s with %d", name, got.charset, got.torn, err, c.charset, c.torn)
		}
	}
}
