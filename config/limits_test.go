package config

import (
	"os"
	"strings"
	"testing"
	"time"
)

// faultsOf parses a configuration that has these files beside it, and says what is wrong.
func faultsOf(text string, all map[string]string) string {
	_, err := Parse("b.yaml", []byte(text), files(all))
	if err == nil {
		return ""
	}
	return err.Error()
}

func TestSecretsOfTheLeastLength(t *testing.T) {
	const least = "sixteen bytes ok"
	for secret, want := range map[string]string{least: "", least[1:]: "shorter than 16 bytes"} {
		got := faultsOf(string(withAgents("      agents: [{ id: \"1\", phone: \"2\", password_file: s }]\n"))+
			"    privacy: { phone_numbers: hmac, key_file: s }\nlisten: { admin_token_file: s }\n", map[string]string{"s": secret})
		if strings.Count(got, "shorter than 16 bytes") != 2*min(1, len(want)) || want == "" && got != "" {
			t.Errorf("%q: %s", secret, got)
		}
	}
}

func TestTheShortestPollTimeout(t *testing.T) {
	const agents = "      agents: [{ id: \"1\", phone: \"2\", password_file: s }]\n      hold: 10s\n"
	for timeout, want := range map[string]string{"15s": "", "14s": "too short for a hold"} {
		got := faultsOf(string(withAgents(agents+"      poll_timeout: "+timeout+"\n")), map[string]string{"s": "x"})
		if !strings.Contains(got, want) || want == "" && got != "" {
			t.Errorf("%s: %s", timeout, got)
		}
	}
}

func TestOneReplicaIsWhatTheServerInsideHas(t *testing.T) {
	const agents = "      agents: [{ id: \"1\", phone: \"2\", password_file: s }]\n"
	for replicas, want := range map[string]string{"1": "", "3": "keeps one copy"} {
		got := faultsOf(string(withAgents(agents))+"nats: { replicas: "+replicas+" }\n", map[string]string{"s": "x"})
		if !strings.Contains(got, want) || want == "" && got != "" {
			t.Errorf("%s: %s", replicas, got)
		}
	}
}

// Two tenants may not poll one agent of one gateway, and either may have one without an id.
func TestOneAgentOfTwoTenants(t *testing.T) {
	tenant := func(name, host, id string) string {
		return "  - name: " + name + "\n    timezone: UTC\n    gateway:\n      url: https://" + host + "/agentgateway/resource\n" +
			"      agents: [{ id: \"" + id + "\", phone: \"2\", password_file: s }]\n"
	}
	for name, tt := range map[string]struct {
		second string
		taken  bool
	}{
		"the same":        {tenant("b", "g.example", "101"), true},
		"another agent":   {tenant("b", "g.example", "102"), false},
		"another gateway": {tenant("b", "h.example", "101"), false},
	} {
		got := faultsOf("tenants:\n"+tenant("a", "g.example", "101")+tt.second, map[string]string{"s": "x"})
		if strings.Contains(got, "take each other's events") != tt.taken || !tt.taken && got != "" {
			t.Errorf("%s: %s", name, got)
		}
	}
}

func TestSecretsFileNamesItsColumns(t *testing.T) {
	for header, good := range map[string]bool{
		"id,password": true, "ID,Password": true, "name,password": false, "id,word": false, "id": false, "id,password,more": false,
	} {
		got := faultsOf(string(withAgents("      agents: [{ id: \"1\", phone: \"2\" }]\n      secrets_file: s.csv\n")),
			map[string]string{"s.csv": header + "\n1,x\n"})
		if (got == "") != good || !good && !strings.Contains(got, "does not name the two columns") {
			t.Errorf("%s: %s", header, got)
		}
	}
	got := faultsOf(string(withAgents("      agents: [{ id: \"1\", phone: \"2\" }]\n      secrets_file: s.csv\n")),
		map[string]string{"s.csv": "password,id\nx,1\n"})
	if got != "" {
		t.Errorf("the other way round: %s", got)
	}
}

func TestNamesOfFieldsUpToTheirLimit(t *testing.T) {
	const agents = "      agents: [{ id: \"1\", phone: \"2\", password_file: s }]\n"
	for length, want := range map[int]string{64: "", 65: "the key is not a name"} {
		got := faultsOf(string(withAgents(agents))+"    privacy: { fields: { "+strings.Repeat("a", length)+": mask } }\n", map[string]string{"s": "x"})
		if !strings.Contains(got, want) || want == "" && got != "" {
			t.Errorf("%d bytes: %s", length, got)
		}
	}
}

// extracting is a configuration of one kind of file.
func extracting(t *testing.T, keys string) (c *Config, faults string) {
	t.Helper()
	data, err := os.ReadFile("testdata/files_only.good.yaml")
	if err != nil {
		t.Fatal(err)
	}
	env := testEnv()
	env.Now = func() time.Time { return time.Date(2026, 11, 29, 10, 0, 0, 0, time.UTC) }
	head, _, _ := strings.Cut(string(data), "      extracts:")
	c, err = Parse("testdata/x.yaml", []byte(head+"      extracts: { cdr: { "+keys+" } }\n"), env)
	if err != nil {
		return c, err.Error()
	}
	return c, ""
}

func TestSweepsAscend(t *testing.T) {
	for sweeps, want := range map[string]string{"[6h, 7h]": "", "[6h, 6h]": "does not come after", "[7h, 6h]": "does not come after"} {
		if _, got := extracting(t, "window: 1h, sweep_again: "+sweeps); !strings.Contains(got, want) || want == "" && got != "" {
			t.Errorf("%s: %s", sweeps, got)
		}
	}
}

func TestFromHowManyRequestsOnIsWarnedOf(t *testing.T) {
	for since, warned := range map[string]bool{"2026-10-18T18:00:00Z": true, "2026-10-18T18:00:01Z": false} { // 1000 hours before
		c, got := extracting(t, `window: 1h, since: "`+since+`"`)
		if got != "" || (len(c.Warnings) > 0) != warned {
			t.Errorf("%s: %v %s", since, c.Warnings, got)
		}
	}
	if _, got := extracting(t, `window: 0s, since: "2026-10-18T18:00:00Z"`); !strings.Contains(got, "window") {
		t.Errorf("no window: %s", got)
	}
}
