package schemas_test

import (
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"aiccbridge/schemas"
	"aiccbridge/schemas/internal/schematest"
)

func TestEncodeToken(t *testing.T) {
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
		if got := schemas.EncodeToken(text); got != want {
			t.Errorf("EncodeToken(%q) = %q, want %q", text, got, want)
		}
	}
}

func TestDecodeTokenRefuses(t *testing.T) {
	for _, token := range []string{"", "A", "a.b", "a b", "*", "=4", "=4g", "=2E", "=61", "==", "=3d=", "x=", "é"} {
		if got, err := schemas.DecodeToken(token); err == nil {
			t.Errorf("DecodeToken(%q) = %q, want an error", token, got)
		}
	}
}

// checkToken states what a token must be for s.
func checkToken(t interface{ Fatalf(string, ...any) }, s string) {
	token := schemas.EncodeToken(s)
	if token == "" || strings.ContainsFunc(token, func(r rune) bool {
		return !(r >= 'a' && r <= 'z' || r >= '0' && r <= '9' || r == '-' || r == '_' || r == '=')
	}) {
		t.Fatalf("EncodeToken(%q) = %q: foreign byte", s, token)
	}
	if back, err := schemas.DecodeToken(token); err != nil || back != s {
		t.Fatalf("DecodeToken(EncodeToken(%q)) = %q, %v", s, back, err)
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
		if (a == b) != (schemas.EncodeToken(a) == schemas.EncodeToken(b)) {
			t.Fatalf("%q and %q share the token %q", a, b, schemas.EncodeToken(a))
		}
	})
}

func FuzzDecodeToken(f *testing.F) {
	for _, s := range []string{"", "=", "291", "=41cme", "a=2eb", "=2E", "a.b", "=6"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, token string) {
		checkToken(t, token)
		text, err := schemas.DecodeToken(token)
		if err != nil {
			return
		}
		if again := schemas.EncodeToken(text); again != token {
			t.Fatalf("DecodeToken(%q) = %q, which is the token %q", token, text, again)
		}
	})
}

// TestSubjectsAreSafe checks that foreign text never adds a token or a wildcard.
func TestSubjectsAreSafe(t *testing.T) {
	n := schematest.Names(t)
	rapid.Check(t, func(t *rapid.T) {
		x, y, z := anyText().Draw(t, "x"), anyText().Draw(t, "y"), anyText().Draw(t, "z")
		w := schemas.Window{schematest.At(0), schematest.At(1)}
		for s, want := range map[string]int{
			n.Event(x, y, schemas.Group(z), z): 7, n.FileReady(x, schemas.Kind(y)): 6, n.Row(x, schemas.Kind(y), w): 6,
			n.Coverage(x, schemas.Kind(y)): 5, n.DeadLetter(x, schemas.Reason(y)): 5,
			schemas.WindowKey(x, schemas.Kind(y), w): 3, schemas.UnmatchedKey(x, y): 3, schemas.AgentKey(x, y): 2, schemas.LeaseKey(x, y): 2,
		} {
			if tokens := strings.Split(s, "."); len(tokens) != want {
				t.Fatalf("%q has %d tokens, want %d", s, len(tokens), want)
			}
			if strings.ContainsAny(s, "*> \t\r\n\x00") || strings.Contains(s, "..") {
				t.Fatalf("%q holds foreign bytes", s)
			}
		}
	})
}

func TestWindowProperties(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		from := rapid.Int64Range(0, 1<<37).Draw(t, "from")
		length := rapid.Int64Range(1, 3*24*3600).Draw(t, "length")
		zone := time.FixedZone("", rapid.IntRange(-14*3600, 14*3600).Draw(t, "offset"))
		w := schemas.Window{time.Unix(from, 0).In(zone), time.Unix(from+length, 0).In(zone)}
		if err := w.Validate(); err != nil {
			t.Fatal(err)
		}
		back, err := schemas.ParseWindow(w.String())
		if err != nil || !back.From.Equal(w.From) || !back.To.Equal(w.To) {
			t.Fatalf("%s came back as %v, %v", w, back, err)
		}
		if schemas.EncodeToken(w.String()) != w.String() {
			t.Fatalf("%s is no token", w)
		}
		if later := (schemas.Window{w.From.Add(time.Second), w.To.Add(time.Second)}); later.String() <= w.String() {
			t.Fatalf("%s does not sort after %s", later, w)
		}
	})
}

func TestWindowRefuses(t *testing.T) {
	for _, w := range []schemas.Window{
		{}, {From: schematest.At(0)}, {schematest.At(1), schematest.At(0)}, {schematest.At(0), schematest.At(0)}, {schematest.At(0), schematest.At(0).Add(time.Millisecond)},
		{schematest.At(0), time.Date(10000, 1, 1, 0, 0, 0, 0, time.UTC)},
	} {
		if w.Validate() == nil {
			t.Errorf("%s is accepted", w)
		}
	}
	for _, token := range []string{
		"", "x", "20261101t000000z", "20261101t000000z-", "-20261101t000000z", "20261101t010000z-20261101t000000z",
		"20261101T000000Z-20261101T010000Z", "20261101t000000z-20261101t010000z-", "20261301t000000z-20261401t010000z",
	} {
		if w, err := schemas.ParseWindow(token); err == nil {
			t.Errorf("ParseWindow(%q) = %s, want an error", token, w)
		}
	}
}

func TestNewNames(t *testing.T) {
	for prefix, ok := range map[string]bool{
		"aicc": true, "a-1_b": true, "a": true, "z": true, "{": false, "`": false, "": false, "Aicc": false, "1a": false, "a.b": false, "a=": false,
		"abcdefghijklmnop": true, "abcdefghijklmnopq": false,
	} {
		if _, err := schemas.NewNames(prefix); (err == nil) != ok {
			t.Errorf("NewNames(%q): %v", prefix, err)
		}
	}
	n := schematest.Names(t)
	if n.Stream(schemas.StreamEvents) != "AICC_EVENTS" || n.Bucket(schemas.BucketWindows) != "AICC_WINDOWS" || n.All() != "aicc.v1.>" {
		t.Error(n.Stream(schemas.StreamEvents), n.Bucket(schemas.BucketWindows), n.All())
	}
}
