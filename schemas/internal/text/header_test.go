package text

import "testing"

// TestSignsAtTheEdges: signs beside those that stand for themselves do not.
func TestSignsAtTheEdges(t *testing.T) {
	for s, want := range map[string]string{
		"": "", " ": "%20", "!": "!", "~": "~", "\x7f": "%7F", "%": "%25", `"`: "%22", "é": "%C3%A9", "a b": "a%20b", "#$&'": "#$&'",
	} {
		if got := EncodeHeader(s); got != want {
			t.Errorf("the header of %q is %q, want %q", s, got, want)
		}
	}
	for s, want := range map[string]string{"a": "a", "z": "z", "`": "=60", "{": "=7b", "0": "0", "9": "9", "/": "=2f", ":": "=3a", "-_": "-_"} {
		if got := Encode(s); got != want {
			t.Errorf("the token of %q is %q, want %q", s, got, want)
		}
	}
}
