package scalar

import (
	"math"
	"strings"
	"testing"
	"time"
)

func TestPlainScalars(t *testing.T) {
	for text, want := range map[string]bool{"true": true, "false": false} {
		if got, f := Bool(text); f != nil || got != want {
			t.Errorf("%s: %t, %v", text, got, f)
		}
	}
	if _, f := Bool("yes"); f == nil {
		t.Error("yes is a truth value")
	}
	if n, f := Int("-3"); f != nil || n != -3 {
		t.Errorf("-3: %d, %v", n, f)
	}
	for _, text := range []string{"", "1.5", "3000000000", "x"} {
		if n, f := Int(text); f == nil {
			t.Errorf("%q is read as %d", text, n)
		}
	}
	at := time.Date(2026, 11, 1, 0, 0, 0, 0, time.FixedZone("", 8*3600))
	if got, f := Time("2026-11-01T00:00:00+08:00"); f != nil || !got.Equal(at) {
		t.Errorf("%v, %v", got, f)
	}
	if got, f := Time("2026-11-01"); f == nil {
		t.Errorf("a day is read as %v", got)
	}
}

func TestNumbersUpToTheirLimits(t *testing.T) {
	for text, want := range map[string]time.Duration{"100000d": 100_000 * 24 * time.Hour, "100000d583372036854775807ns": math.MaxInt64} {
		if got, f := Duration(text); f != nil || got != want {
			t.Errorf("%s: %v, %v", text, got, f)
		}
	}
	for _, text := range []string{"100001d", "100000d583372036854775808ns", "100000d200000h"} {
		if got, f := Duration(text); f == nil {
			t.Errorf("%s is read as %v", text, got)
		}
	}
	if got, f := ParseSize("8388607TiB"); f != nil || got != 8388607<<40 {
		t.Errorf("%d, %v", got, f)
	}
	if got, f := ParseSize("8388608TiB"); f == nil {
		t.Errorf("read as %d", got)
	}
	for size, want := range map[Size]string{0: "0", 1: "1", 1 << 10: "1KiB", 1025: "1025", 500 << 20: "500MiB", 3 << 40: "3TiB"} {
		if got := size.String(); got != want {
			t.Errorf("%d is written as %s", int64(size), got)
		}
	}
	for port, good := range map[string]bool{"1": true, "65535": true, "0": false, "65536": false} {
		if _, f := URL("https://h:" + port); (f == nil) != good {
			t.Errorf("port %s: %v", port, f)
		}
	}
}

func TestNetworks(t *testing.T) {
	for text, want := range map[string]string{
		"192.0.2.7": "192.0.2.7/32", "::ffff:192.0.2.7": "192.0.2.7/32", "2001:db8::1": "2001:db8::1/128", "192.0.2.0/24": "192.0.2.0/24", "2001:db8::/32": "2001:db8::/32",
	} {
		if got, f := Network(text); f != nil || got.String() != want {
			t.Errorf("%s: %v, %v", text, got, f)
		}
	}
	for text, want := range map[string]string{
		"host": "neither an IP address nor a network", "fe80::1%eth0": "neither", "192.0.2.0/33": "neither",
		"::ffff:192.0.2.0/120": "in the form of IPv6", "192.0.2.7/24": "an address within a network",
	} {
		if got, f := Network(text); f == nil || !strings.Contains(f.Problem, want) {
			t.Errorf("%s: %v, %v", text, got, f)
		}
	}
}

func TestTheFirstOfTheNearest(t *testing.T) {
	for _, c := range []struct {
		word  string
		known []string
		best  string
		edits int
	}{
		{"a", []string{"a", "b"}, "a", 0}, {"a", []string{"b", "a"}, "a", 0}, {"x", []string{"a", "b"}, "a", 1}, {"x", nil, "", -1},
	} {
		if best, edits := Nearest(c.word, c.known); best != c.best || edits != c.edits {
			t.Errorf("%s of %q: %s, %d", c.word, c.known, best, edits)
		}
	}
	for _, c := range []struct {
		word, known string
		near        bool
	}{
		{"url", "url", true}, {"abxy", "abcd", true}, {"axyz", "abcd", false}, {"abcdefxyz", "abcdefghi", true}, {"abcdewxyz", "abcdefghi", false},
	} {
		if _, near := Probable(c.word, []string{c.known}); near != c.near {
			t.Errorf("%s for %s: %t", c.word, c.known, near)
		}
	}
	if _, near := Probable("url", nil); near {
		t.Error("something is near where nothing is known")
	}
}

func TestDistanceOfLongWords(t *testing.T) {
	long := strings.Repeat("a", 64)
	for _, c := range []struct {
		a, b string
		want int
	}{{long, long[1:], 1}, {long[1:], long, 1}, {long + "a", long, 65}, {long, long + "a", 65}} {
		if got := distance(c.a, c.b); got != c.want {
			t.Errorf("%d and %d letters: %d, want %d", len(c.a), len(c.b), got, c.want)
		}
	}
}
