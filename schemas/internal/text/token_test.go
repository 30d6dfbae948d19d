package text

import (
	"strings"
	"testing"

	"pgregory.net/rapid"
)

func TestEncode(t *testing.T) {
	for text, want := range map[string]string{
		"":         "=",
		"291":      "291",
		"a-b_c9":   "a-b_c9",
		"Acme":     "=41cme",
		"a.b":      "a=2eb",
		"* >":      "=2a=20=3e",
		"=":        "=3d",
		"客":        "=e5=ae=a2",
		"\x00\xff": "=00=ff",
	} {
		if got := Encode(text); got != want {
			t.Errorf("Encode(%q) = %q, want %q", text, got, want)
		}
	}
}

func TestDecodeRefuses(t *testing.T) {
	for _, token := range []string{"", "A", "a.b", "a b", "*", "=4", "=4g", "=2E", "=61", "==", "=3d=", "x=", "é"} {
		if got, err := Decode(token); err == nil {
			t.Errorf("Decode(%q) = %q, want an error", token, got)
		}
	}
}

// checkToken states what a token must be for s.
func checkToken(t interface{ Fatalf(string, ...any) }, s string) {
	token := Encode(s)
	if token == "" || strings.ContainsFunc(token, func(r rune) bool {
		return !(r >= 'a' && r <= 'z' || r >= '0' && r <= '9' || r == '-' || r == '_' || r == '=')
	}) {
		t.Fatalf("Encode(%q) = %q: foreign byte", s, token)
	}
	if back, err := Decode(token); err != nil || back != s {
		t.Fatalf("Decode(Encode(%q)) = %q, %v", s, back, err)
	}
}

func anyText() *rapid.Generator[string] {
	return rapid.OneOf(rapid.String(), rapid.StringMatching(`[a-zA-Z0-9=._*> -]{0,6}`),
		rapid.Map(rapid.SliceOf(rapid.Byte()), func(b []byte) string { return string(b) }))
}

func TestTokenProperties(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		a, b := anyText().Draw(t, "a"), anyText().Draw(t, "b")
		checkToken(t, a)
		if (a == b) != (Encode(a) == Encode(b)) {
			t.Fatalf("%q and %q share the token %q", a, b, Encode(a))
		}
	})
}

func FuzzDecode(f *testing.F) {
	for _, s := range []string{"", "=", "291", "=41cme", "a=2eb", "=2E", "a.b", "=6"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, token string) {
		checkToken(t, token)
		text, err := Decode(token)
		if err != nil {
			return
		}
		if again := Encode(text); again != token {
			t.Fatalf("Decode(%q) = %q, which is the token %q", token, text, again)
		}
	})
}
