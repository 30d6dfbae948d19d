package schemas

import (
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"
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
		if got := EncodeToken(text); got != want {
			t.Errorf("EncodeToken(%q) = %q, want %q", text, got, want)
		}
	}
}

func TestDecodeTokenRefuses(t *testing.T) {
	for _, token := range []string{"", "A", "a.b", "a b", "*", "=4", "=4g", "=2E", "=61", "==", "=3d=", "x=", "é"} {
		if got, err := DecodeToken(token); err == nil {
			t.Errorf("DecodeToken(%q) = %q, want an error", token, got)
		}
	}
}

// checkToken states what a token must be for s.
func checkToken(t interface{ Fatalf(string, ...any) }, s string) {
	token := EncodeToken(s)
	if token == "" || strings.ContainsFunc(token, func(r rune) bool {
		return !(r >= 'a' && r <= 'z' || r >= '0' && r <= '9' || r == '-' || r == '_' || r == '=')
	}) {
		t.Fatalf("EncodeToken(%q) = %q: foreign byte", s, token)
	}
	if back, err := DecodeToken(token); err != nil || back != s {
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
		if (a == b) != (EncodeToken(a) == EncodeToken(b)) {
			t.Fatalf("%q and %q share the token %q", a, b, EncodeToken(a))
		}
	})
}

func FuzzDecodeToken(f *testing.F) {
	for _, s := range []string{"", "=", "291", "=41cme", "a=2eb", "=2E", "a.b", "=6"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, token string) {
		checkToken(t, token)
		text, err := DecodeToken(token)
		if err != nil {
			return
		}
		if again := EncodeToken(text); again != token {
			t.Fatalf("DecodeToken(%q) = %q, which is the token %q", token, text, again)
		}
	})
}

// TestSubjectsAreSafe checks that foreign text never adds a token or a wildcard.
func TestSubjectsAreSafe(t *testing.T) {
	n := testNames(t)
	rapid.Check(t, func(t *rapid.T) {
		x, y, z := anyText().Draw(t, "x"), anyText().Draw(t, "y"), anyText().Draw(t, "z")
		w := Window{at(0), at(1)}
		for s, want := range map[string]int{
			n.Event(x, y, Group(z), z): 7, n.FileReady(x, Kind(y)): 6, n.Row(x, Kind(y), w): 6,
			n.Coverage(x, Kind(y)): 5, n.DeadLetter(x, Reason(y)): 5,
			WindowKey(x, Kind(y), w): 3, UnmatchedKey(x, y): 3, AgentKey(x, y): 2, LeaseKey(x, y): 2,
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
		w := Window{time.Unix(from, 0).In(zone), time.Unix(from+length, 0).In(zone)}
		if err := w.Validate(); err != nil {
			t.Fatal(err)
		}
		back, err := ParseWindow(w.String())
		if err != nil || !back.From.Equal(w.From) || !back.To.Equal(w.To) {
			t.Fatalf("%s came back as %v, %v", w, back, err)
		}
		if EncodeToken(w.String()) != w.String() {
			t.Fatalf("%s is no token", w)
		}
		if later := (Window{w.From.Add(time.Second), w.To.Add(time.Second)}); later.String() <= w.String() {
			t.Fatalf("%s does not sort after %s", later, w)
		}
	})
}

func TestWindowRefuses(t *testing.T) {
	for _, w := range []Window{
		{}, {From: at(0)}, {at(1), at(0)}, {at(0), at(0)}, {at(0), at(0).Add(time.Millisecond)},
		{at(0), time.Date(10000, 1, 1, 0, 0, 0, 0, time.UTC)},
	} {
		if w.Validate() == nil {
			t.Errorf("%s is accepted", w)
		}
	}
	for _, token := range []string{
		"", "x", "20261101t000000z", "20261101t000000z-", "-20261101t000000z", "20261101t010000z-20261101t000000z",
		"20261101T000000Z-20261101T010000Z", "20261101t000000z-20261101t010000z-", "20261301t000000z-20261401t010000z",
	} {
		if w, err := ParseWindow(token); err == nil {
			t.Errorf("ParseWindow(%q) = %s, want an error", token, w)
		}
	}
}

func TestNewNames(t *testing.T) {
	for prefix, ok := range map[string]bool{
		"aicc": true, "a-1_b": true, "": false, "Aicc": false, "1a": false, "a.b": false, "a=": false,
		"abcdefghijklmnop": true, "abcdefghijklmnopq": false,
	} {
		if _, err := NewNames(prefix); (err == nil) != ok {
			t.Errorf("NewNames(%q): %v", prefix, err)
		}
	}
	n := testNames(t)
	if n.Stream(StreamEvents) != "AICC_EVENTS" || n.Bucket(BucketWindows) != "AICC_WINDOWS" || n.All() != "aicc.v1.>" {
		t.Error(n.Stream(StreamEvents), n.Bucket(BucketWindows), n.All())
	}
}
