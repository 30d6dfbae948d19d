package text

import (
	"encoding/json"
	"strings"
	"testing"

	"pgregory.net/rapid"
)

func TestAppendString(t *testing.T) {
	for s, want := range map[string]string{
		"": `""`, "a b~": `"a b~"`, `a"b\c`: `"a\"b\\c"`, "\n\r\t": `"\n\r\t"`, "\x00\x1f": `"\u0000\u001f"`,
		"\x7f": "\"\x7f\"", "客": `"客"`, "a\x80": "\"a\ufffd\"", "é\xffé\x80\"": "\"é\ufffdé\ufffd\\\"\"",
	} {
		if got := string(AppendString([]byte("x"), s)); got != "x"+want {
			t.Errorf("%q is written as %s, want %s", s, got[1:], want)
		}
	}
}

// Whoever reads JSON gets the text back, with what is not UTF-8 replaced.
func TestAppendStringProperties(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		s := anyText().Draw(t, "s")
		var back string
		if err := json.Unmarshal(AppendString(nil, s), &back); err != nil || back != strings.ToValidUTF8(s, "\ufffd") {
			t.Errorf("%q came back as %q, %v", s, back, err)
		}
	})
}
