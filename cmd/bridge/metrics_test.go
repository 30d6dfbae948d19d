package main

import (
	"flag"
	"fmt"
	"maps"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/prometheus/client_golang/prometheus"

	"aiccbridge/internal/reload"
	"aiccbridge/schemas"
)

var updateMetrics = flag.Bool("update-metrics", false, "write docs/metrics.md")

const metricsPage = "../../docs/metrics.md"

const metricsHead = `# Metrics

What a bridge serves at ` + "`/metrics`" + ` of ` + "`listen.admin`" + `, beside Go's own (` + "`go_`, `process_`" + `). Made of the program by
` + "`go test ./cmd/bridge -run TestMetricsPage -update-metrics`" + `; a test holds the two together. Units are in the names;
labels name tenants, kinds and results, never an agent, a call or a number. Spool metrics are there with
an external NATS. Every bridge of a hub says the same of ` + "`aicc_windows_…`" + `: take the maximum over bridges, not the sum.

| metric | type | labels | meaning |
|---|---|---|---|
`

// TestMetricsPage: docs/metrics.md has every metric of a bridge that does all that one can do.
func TestMetricsPage(t *testing.T) {
	t.Parallel()
	s := newScene(t, setup{
		agents: 2, kinds: []schemas.Kind{schemas.KindCDR, schemas.KindRecording}, external: true, calls: true, recordings: "mode: fetch", alsoSeen: true,
		embedded: true, // what it may do is not the question
	})
	r := s.run()
	s.until("there are rows", func() bool { return len(s.messages(r.bus, schemas.StreamRows)) > 0 })
	r.end()
	r.clients.Begin(tenantName)                       // as a tenant with events: proxy has
	r.pushes.Begin(tenantName)                        // as one with events: push
	reload.New(reload.Options{Registerer: r.metrics}) // as `bridge run` has
	page := metricsHead + describeMetrics(t, r.metrics)
	if *updateMetrics {
		if err := os.WriteFile(metricsPage, []byte(page), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	have, err := os.ReadFile(metricsPage)
	if err != nil || string(have) != page {
		t.Errorf("docs/metrics.md is not what the program says (%v); -update-metrics writes it", err)
	}
}

var descriptor = regexp.MustCompile(`^Desc\{fqName: "([^"]*)", help: "(.*?)"(?:, unit: "[^"]*")?, constLabels: \{(.*)\}, variableLabels: \{(.*)\}\}$`)

// describeMetrics are the lines of a table.
func describeMetrics(t *testing.T, registry *prometheus.Registry) string {
	types := map[string]string{}
	families, err := registry.Gather()
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range families {
		types[f.GetName()] = strings.ToLower(f.GetType().String())
	}
	all := make(chan *prometheus.Desc)
	go func() {
		registry.Describe(all)
		close(all)
	}()
	table := map[string]string{}
	for d := range all {
		m := descriptor.FindStringSubmatch(d.String())
		if m == nil {
			t.Fatalf("not understood: %s", d)
		}
		name := m[1]
		if !strings.HasPrefix(name, "aicc_") {
			continue
		}
		var labels []string
		for _, constant := range strings.Split(m[3], ",") {
			if label, _, ok := strings.Cut(constant, "="); ok {
				labels = append(labels, "`"+label+"`")
			}
		}
		for _, label := range strings.Split(m[4], ",") {
			if label != "" {
				labels = append(labels, "`"+label+"`")
			}
		}
		kind := types[name]
		if kind == "" && strings.HasSuffix(name, "_total") {
			kind = "counter"
		}
		if kind == "" {
			t.Errorf("%s has no sample after a run that does everything", name)
		}
		table[name] = fmt.Sprintf("| `%s` | %s | %s | %s |\n", name, kind, strings.Join(labels, " "), m[2])
	}
	var lines strings.Builder
	for _, name := range slices.Sorted(maps.Keys(table)) {
		lines.WriteString(table[name])
	}
	return lines.String()
}
