// Package alerts holds the alert rules and the dashboard against what a bridge has. `make alerts`
// has promtool test the rules themselves.
package alerts

import (
	"encoding/json"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/goccy/go-yaml"
)

func read(t *testing.T, path string) string {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

var metric = regexp.MustCompile(`\baicc_[a-z_]+`)

// unknown are the metrics that an expression names and docs/metrics.md does not.
func unknown(page, expression string) (names []string) {
	for _, name := range metric.FindAllString(expression, -1) {
		of := strings.TrimSuffix(name, "_bucket")
		if !strings.Contains(page, "| `"+name+"` |") && !strings.Contains(page, "| `"+of+"` | histogram |") {
			names = append(names, name)
		}
	}
	return names
}

// TestRules: a rule names metrics that there are, says what to do, and is tested, ringing and
// silent; what rings at once is what the bridge calls fatal.
func TestRules(t *testing.T) {
	var rules struct {
		Groups []struct {
			Rules []struct {
				Alert       string            `yaml:"alert"`
				Expr        string            `yaml:"expr"`
				Labels      map[string]string `yaml:"labels"`
				Annotations map[string]string `yaml:"annotations"`
			} `yaml:"rules"`
		} `yaml:"groups"`
	}
	if err := yaml.Unmarshal([]byte(read(t, "bridge.rules.yaml")), &rules); err != nil {
		t.Fatal(err)
	}
	page, tests := read(t, "../metrics.md"), read(t, "bridge_test.yaml")
	if len(rules.Groups) == 0 || len(rules.Groups[0].Rules) < 10 {
		t.Fatalf("%+v", rules)
	}
	for _, r := range rules.Groups[0].Rules {
		if names := unknown(page, r.Expr); len(names) > 0 || !metric.MatchString(r.Expr) {
			t.Errorf("%s: no such metric: %v", r.Alert, names)
		}
		if r.Labels["severity"] == "" || r.Annotations["summary"] == "" || r.Annotations["action"] == "" {
			t.Errorf("%s says too little", r.Alert)
		}
		if !strings.Contains(tests, "alertname: "+r.Alert+"}") || !strings.Contains(tests, "alertname: "+r.Alert+"\n") {
			t.Errorf("%s is not tested, ringing and silent", r.Alert)
		}
	}
	var fatal []string
	for _, row := range regexp.MustCompile("(?m)^\\| `([a-z_]+)` \\|.*\\| 503 \\|").FindAllStringSubmatch(read(t, "../operations.md"), -1) {
		fatal = append(fatal, row[1])
	}
	if !strings.Contains(rules.Groups[0].Rules[0].Expr, `"`+strings.Join(fatal, "|")+`"`) || len(fatal) == 0 {
		t.Errorf("critical alarms are %v, the rule has %s", fatal, rules.Groups[0].Rules[0].Expr)
	}
}

// TestDashboard: every panel shows metrics that there are, has a title of its own, and hides no
// other.
func TestDashboard(t *testing.T) {
	var board struct {
		UID    string `json:"uid"`
		Panels []struct {
			ID      int    `json:"id"`
			Title   string `json:"title"`
			GridPos struct{ H, W, X, Y int }
			Targets []struct{ Expr string }
		}
	}
	if err := json.Unmarshal([]byte(read(t, "dashboard.json")), &board); err != nil || board.UID == "" || len(board.Panels) < 10 {
		t.Fatalf("%v: %+v", err, board)
	}
	page := read(t, "../metrics.md")
	var titles []string
	taken := map[[2]int]string{}
	for _, p := range board.Panels {
		if slices.Contains(titles, p.Title) || len(p.Targets) == 0 {
			t.Errorf("panel %q is there twice, or shows nothing", p.Title)
		}
		titles = append(titles, p.Title)
		for _, target := range p.Targets {
			if names := unknown(page, target.Expr); len(names) > 0 || !metric.MatchString(target.Expr) {
				t.Errorf("%s: no such metric: %v", p.Title, names)
			}
		}
		for x := range p.GridPos.W {
			for y := range p.GridPos.H {
				at := [2]int{p.GridPos.X + x, p.GridPos.Y + y}
				if other, ok := taken[at]; ok {
					t.Fatalf("%s lies over %s", p.Title, other)
				}
				taken[at] = p.Title
			}
		}
	}
}
