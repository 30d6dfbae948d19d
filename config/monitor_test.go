package config

import (
	"os"
	"strings"
	"testing"
)

// A monitor is warned of where nothing is held against it: no agent of the tenant is polled, and
// nobody looks.
func TestAMonitorForNothingIsWarnedOf(t *testing.T) {
	const section = `
    monitor:
      url: https://cms.example.com:28443/rest/cmsapp/v1/openapi
      vdn: 39
      interval: 30s
      access_key: testak01
      secret_key_file: secrets/sk
`
	for _, c := range []struct {
		file, more string
		warned     bool
	}{
		{"gateway_only", "", false}, {"gateway_only", "    events: handover\n", false}, {"gateway_only", "    events: proxy\n", true},
		{"all_agents", "", true}, {"files_only", "", true},
	} {
		text, err := os.ReadFile("testdata/" + c.file + ".good.yaml")
		if err != nil {
			t.Fatal(err)
		}
		whole := strings.TrimRight(string(text), "\n") + section + c.more
		if strings.Contains(c.more, "proxy") { // whoever signs in is served
			whole = whole[:strings.Index(whole, "      agents:")] + section + c.more
			whole = "listen: { gateway: 127.0.0.1:8043 }\n" + whole
		}
		got, err := Parse("testdata/x.yaml", []byte(whole), testEnv())
		if err != nil {
			t.Errorf("%s %s: %v", c.file, c.more, err)
			continue
		}
		if (len(got.Warnings) > 0) != c.warned || c.warned && !strings.Contains(got.Warnings[0].String(), "nothing is held against the monitor") {
			t.Errorf("%s %s: %v", c.file, c.more, got.Warnings)
		}
	}
}
