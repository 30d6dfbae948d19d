package events

import (
	"strings"
	"testing"
)

func TestSnakeName(t *testing.T) {
	for in, want := range map[string]string{
		"AgentEvent_FooBar": "agent_event_foo_bar", "DRSwitch": "dr_switch", "fooZ": "foo_z", "aA": "a_a", "zZ": "z_z",
		"0A": "0_a", "9Z": "9_z", "AZa": "a_za", "ZAz": "z_az", "AB": "ab", "Az09Za": "az09_za", "a--b": "a_b", "-a-": "a", "客": "unnamed",
	} {
		if got := snakeName(in); got != want {
			t.Errorf("%s becomes %s, want %s", in, got, want)
		}
	}
	for c := range 256 {
		in, want := "x"+string([]byte{byte(c)})+"x", "x_x"
		if strings.Contains("abcdefghijklmnopqrstuvwxyz0123456789", in[1:2]) {
			want = in
		} else if strings.Contains("ABCDEFGHIJKLMNOPQRSTUVWXYZ", in[1:2]) {
			want = "x_" + strings.ToLower(in[1:])
		}
		if got := snakeName(in); got != want {
			t.Errorf("%q becomes %s, want %s", in, got, want)
		}
	}
}

// A text of a stranger is not followed deeper than said.
func TestNamesThatComeTwiceDeepDown(t *testing.T) {
	for _, text := range []string{`{"x":{"x":{"a":1,"a":2}}}`, `[[{"a":1,"a":2}]]`} {
		for depth, want := range map[int]int{2: 0, 3: 1} {
			if got := repeated([]byte(text), nil, depth); len(got) != want {
				t.Errorf("%s to a depth of %d: %q", text, depth, got)
			}
		}
	}
}
