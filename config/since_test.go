package config

import (
	"fmt"
	"os"
	"strings"
	"testing"
	"time"
)

// TestSince: a beginning in the future, or far back, is warned of with what it costs.
func TestSince(t *testing.T) {
	data, err := os.ReadFile("testdata/files_only.good.yaml")
	if err != nil {
		t.Fatal(err)
	}
	at, err := time.Parse(time.RFC3339, "2026-11-29T10:00:00+08:00")
	if err != nil {
		t.Fatal(err)
	}
	env := testEnv()
	env.Now = func() time.Time { return at }
	head, _, found := strings.Cut(string(data), "      extracts:")
	if !found {
		t.Fatal("the example has no extracts")
	}
	for name, tc := range map[string]struct{ since, window, spacing, want string }{
		"none":                    {``, "1h", "15s", ""},
		"this morning":            {`"2026-11-29T00:00:00+08:00"`, "1h", "15s", ""},
		"a month back":            {`"2026-10-29T00:00:00+08:00"`, "1h", "15s", ""},
		"in an hour":              {`"2026-11-29T11:00:00+08:00"`, "1h", "15s", "2026-11-29T11:00:00+08:00 is in the future"},
		"another offset":          {`"2026-11-29T10:00:00-05:00"`, "1h", "15s", "is in the future"},
		"next year":               {`"2027-11-29T10:00:00+08:00"`, "1h", "15s", "is in the future"},
		"a year back":             {`"2025-11-29T10:00:00+08:00"`, "1h", "15s", "8760 requests, which take at least 36h30m with request_spacing 15s"},
		"ten years back":          {`"2016-11-29T10:00:00+08:00"`, "1h", "1m", "87648 requests, which take at least 1460h48m with request_spacing 1m"},
		"a year back, days":       {`"2025-11-29T10:00:00+08:00"`, "24h", "15s", ""},
		"a day back, minutes":     {`"2026-11-28T10:00:00+08:00"`, "1m", "10s", "1440 requests, which take at least 4h with request_spacing 10s"},
		"the year one":            {`"0001-01-02T00:00:00Z"`, "1s", "1h", "requests, which take at least"},
		"a year back, no spacing": {`"2025-11-29T10:00:00+08:00"`, "1h", "0s", "8760 requests, which take at least 0s with request_spacing 0s"},
	} {
		text := head + fmt.Sprintf("      request_spacing: %s\n      extracts: { cdr: { window: %s, since: %s } }\n", tc.spacing, tc.window, tc.since)
		c, err := Parse("testdata/x.yaml", []byte(text), env)
		if err != nil {
			t.Fatalf("%s: %v\n%s", name, err, text)
		}
		said := ""
		for _, w := range c.Warnings {
			if strings.Contains(w.String(), "since") {
				said += w.String()
			}
		}
		if tc.want == "" && said != "" || !strings.Contains(said, tc.want) {
			t.Errorf("%s: it says %q, want %q", name, said, tc.want)
		}
	}
}
