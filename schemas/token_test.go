package schemas_test

import (
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"aiccbridge/schemas"
	"aiccbridge/schemas/internal/schematest"
)

func anyText() *rapid.Generator[string] {
	return rapid.OneOf(rapid.String(), rapid.StringMatching(`[a-zA-Z0-9=._*> -]{0,6}`),
		rapid.Map(rapid.SliceOf(rapid.Byte()), func(b []byte) string { return string(b) }))
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
