package scalar

import (
	"math"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"
)

func TestDurations(t *testing.T) {
	day := 24 * time.Hour
	for text, want := range map[string]time.Duration{
		"0": 0, "0s": 0, "200ms": 200 * time.Millisecond, "1h30m": 90 * time.Minute, "1.5h": 90 * time.Minute,
		"3d": 3 * day, "1d12h": 36 * time.Hour, "-5m": -5 * time.Minute, "-1d": -day,
	} {
		if got, f := Duration(text); f != nil || got != want {
			t.Errorf("%s: %v, %v; want %v", text, got, f, want)
		}
	}
	for _, text := range []string{"", "10", "1 h", "d", "1d-1h", "1d+1h", "--1s", "1.5d", "1w", "999999d", "106751d23h59m", "3D", "1h1d"} {
		if got, f := Duration(text); f == nil {
			t.Errorf("%q is read as %v", text, got)
		}
	}
}

func TestDurationStringIsReadBack(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		d := time.Duration(rapid.Int64Range(0, math.MaxInt64).Draw(t, "ns"))
		if rapid.Bool().Draw(t, "whole") {
			d = d.Truncate(time.Minute)
		}
		if got, f := Duration(DurationString(d)); f != nil || got != d {
			t.Fatalf("%v is written as %s and read as %v (%v)", d, DurationString(d), got, f)
		}
	})
	for d, want := range map[time.Duration]string{0: "0s", time.Hour: "1h", 15 * time.Minute: "15m", 30 * time.Second: "30s", 10 * time.Minute: "10m", 61 * time.Minute: "1h1m"} {
		if got := DurationString(d); got != want {
			t.Errorf("%s, want %s", got, want)
		}
	}
}

func TestSizes(t *testing.T) {
	for text, want := range map[string]Size{"0": 0, "512": 512, "500MiB": 500 << 20, "2GiB": 2 << 30, "1 KiB": 1 << 10, "1TiB": 1 << 40} {
		got, f := ParseSize(text)
		if f != nil || got != want {
			t.Errorf("%s: %d, %v", text, got, f)
		}
		if back, f := ParseSize(got.String()); f != nil || back != got {
			t.Errorf("%s is written as %s", text, got)
		}
	}
	for _, text := range []string{"", "GiB", "-1GiB", "2GB", "2g", "1.5GiB", "9000000TiB"} {
		if got, f := ParseSize(text); f == nil {
			t.Errorf("%q is read as %d", text, got)
		}
	}
}

func TestZones(t *testing.T) {
	for _, name := range append(knownZones, "Europe/Kyiv", "America/Indiana/Knox") {
		if _, f := Zone(name); f != nil {
			t.Errorf("%s: %v", name, f)
		}
	}
	for _, zone := range zoneNicknames {
		if _, f := Zone(zone); f != nil {
			t.Errorf("nickname leads to %s: %v", zone, f)
		}
	}
	for text, want := range map[string]string{
		"Asia/Shangai": "Asia/Shanghai", "Shanghai": "Asia/Shanghai", "China/Shanghai": "Asia/Shanghai", "gmt+8": "Asia/Shanghai",
		"Europe/Munich": "Europe/", "Americas/New_York": "America/New_York", "Local": "Asia/Shanghai",
	} {
		if zone, f := Zone(text); f == nil || !strings.Contains(f.Remedy, want) {
			t.Errorf("%s: %v, %v; want %s suggested", text, zone, f, want)
		}
	}
}

func TestURLs(t *testing.T) {
	for _, text := range []string{"host", "host:80/x", "ftp://host", "https://", "https:///x", "https://u:p@host", "https://h/?", "https://h/#", "https://h:0", "https://h:99999", "https://h:x", "://", "https://h\x00"} {
		u, f := URL(text)
		if f == nil {
			t.Errorf("%q is accepted as %v", text, u)
		} else if strings.Contains(f.Problem, "u:p") {
			t.Errorf("%q: the fault repeats the password", text)
		}
	}
	for _, text := range []string{"https://h", "http://[::1]:8080/a/b", "https://h.example:443/"} {
		if _, f := URL(text); f != nil {
			t.Errorf("%s: %v", text, f)
		}
	}
}

func TestExpand(t *testing.T) {
	lookup := func(name string) (string, bool) {
		v, ok := map[string]string{"A": "a", "EMPTY": "", "TRICK": "${A}"}[name]
		return v, ok
	}
	for text, want := range map[string]string{
		"": "", "plain $A $ {": "plain $A $ {", "${A}": "a", "x${A}y${A}z": "xayaz", "${NO:-d:-e}": "d:-e", "${NO:-}": "",
		"${EMPTY}": "", "${EMPTY:-d}": "d", "$${A}": "${A}", "$$${A}": "$${A}", "${A}$${A}": "a${A}", "${TRICK}": "${A}",
	} {
		if got, f := Expand(text, lookup); f != nil || got != want {
			t.Errorf("%s: %q, %v; want %q", text, got, f, want)
		}
	}
	for _, text := range []string{"${NO}", "${", "${A", "${}", "${:-x}", "${1A}", "${A B}", "${A:-${B}}", "${A-b}", "${NO:-${A}}"} {
		if got, f := Expand(text, lookup); f == nil {
			t.Errorf("%s becomes %q", text, got)
		}
	}
}

func TestDidYouMean(t *testing.T) {
	known := []string{"url", "proxy_url", "key_file"}
	for word, want := range map[string]string{
		"proxy": "did you mean proxy_url?", "key": "did you mean key_file?", "ulr": "did you mean url?",
		"something": "nearest is key_file; known here: url, proxy_url, key_file",
	} {
		if got := DidYouMean(word, known); got != want {
			t.Errorf("%s: %s, want %s", word, got, want)
		}
	}
}

func TestDistance(t *testing.T) {
	for _, c := range []struct {
		a, b string
		want int
	}{{"", "", 0}, {"", "abc", 3}, {"grace", "grcae", 1}, {"hold", "holds", 1}, {"url", "uri", 1}, {"kitten", "sitting", 3}} {
		if got := distance(c.a, c.b); got != c.want || distance(c.b, c.a) != c.want {
			t.Errorf("%s, %s: %d, want %d", c.a, c.b, got, c.want)
		}
	}
}

func TestListenAddresses(t *testing.T) {
	for _, text := range []string{"", "8443", "host:80", "1.2.3.4", "1.2.3.4:", "1.2.3.4:x", "1.2.3.4:65536", "1.2.3:80", "1.2.3.4:-1"} {
		if a, f := Listen(text); f == nil {
			t.Errorf("%q is accepted as %v", text, a)
		}
	}
	for _, c := range []struct {
		a, b string
		want bool
	}{
		{"127.0.0.1:80", "127.0.0.1:80", true}, {":80", "127.0.0.1:80", true}, {"[::]:80", "127.0.0.1:80", true}, {"localhost:80", "127.0.0.1:80", true},
		{"127.0.0.1:80", "127.0.0.2:80", false}, {"127.0.0.1:80", "127.0.0.1:81", false}, {"127.0.0.1:0", "127.0.0.1:0", false},
	} {
		a, fa := Listen(c.a)
		b, fb := Listen(c.b)
		if fa != nil || fb != nil || Overlap(a, b) != c.want {
			t.Errorf("%s and %s: %v, %v, Overlap %v", c.a, c.b, fa, fb, Overlap(a, b))
		}
	}
}
