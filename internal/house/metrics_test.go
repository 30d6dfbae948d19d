package house

import (
	"go/ast"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// How metrics are named: aicc_<part>_<what>, that is Namespace "aicc", Subsystem one of
// metricParts, and a Name that ends in the base unit (_seconds, _bytes) where there is
// one, and in _total if it is a counter. A new part of the program is a new part here.
var metricParts = []string{"build", "bus", "calls", "certificates", "config", "freshness", "monitor", "witness", "poller", "proxy", "reconcile", "recordings", "spool", "windows", "worker"}

// olderMetrics have no part. They keep their names, because dashboards and alarms know
// them. The list is not to become longer.
var olderMetrics = []string{
	"aicc_alarm", "aicc_callback_skew_seconds", "aicc_callbacks_total",
	"aicc_extract_requests_total", "aicc_files_total", "aicc_rows_published_total",
}

var metricOptions = regexp.MustCompile(`^(Counter|Gauge|Histogram|Summary)Opts$`)

// oddMetrics are the metrics whose names break the rule, and the older ones.
func (s *source) oddMetrics() (found []finding) {
	for _, file := range s.files {
		ast.Inspect(file.ast, func(n ast.Node) bool {
			name := ""
			switch n := n.(type) {
			case *ast.CompositeLit:
				if kind := ofPrometheus(n.Type); !metricOptions.MatchString(kind) {
					return true
				}
				fields := map[string]string{}
				for _, e := range n.Elts {
					if pair, ok := e.(*ast.KeyValueExpr); ok {
						key, _ := pair.Key.(*ast.Ident)
						fields[key.Name] = literal(pair.Value)
					}
				}
				name = strings.TrimLeft(fields["Namespace"]+"_"+fields["Subsystem"]+"_"+fields["Name"], "_")
			case *ast.CallExpr:
				if ofPrometheus(n.Fun) != "NewDesc" || len(n.Args) == 0 {
					return true
				}
				name = literal(n.Args[0])
			default:
				return true
			}
			if !slices.ContainsFunc(metricParts, func(part string) bool { return strings.HasPrefix(name, "aicc_"+part+"_") }) {
				found = append(found, finding{name, file.path + ": metric " + name + " names no part"})
			}
			return true
		})
	}
	return found
}

// ofPrometheus is the name of what e takes from that package.
func ofPrometheus(e ast.Expr) string {
	if sel, ok := e.(*ast.SelectorExpr); ok {
		if from, ok := sel.X.(*ast.Ident); ok && from.Name == "prometheus" {
			return sel.Sel.Name
		}
	}
	return ""
}

// literal is a string as it is written; "…" for one that is put together.
func literal(e ast.Expr) string {
	if lit, ok := e.(*ast.BasicLit); ok {
		text, _ := strconv.Unquote(lit.Value)
		return text
	}
	return "…"
}

func TestMetricNames(t *testing.T) {
	older := map[string]string{}
	for _, name := range olderMetrics {
		older[name] = "older than the rule"
	}
	for _, f := range unexcused(readSource(t).oddMetrics(), older) {
		t.Error(f)
	}
}

func TestMetricNamesBite(t *testing.T) {
	for text, want := range map[string]string{
		`prometheus.GaugeOpts{Namespace: "aicc", Subsystem: "bus", Name: name}`: "",
		`prometheus.CounterOpts{Name: "aicc_things_total"}`:                     "aicc_things_total",
		`prometheus.GaugeOpts{Namespace: "aicc", Name: "things"}`:               "aicc__things",
		`prometheus.GaugeOpts{Subsystem: "bus", Name: "things"}`:                "bus_things",
		`prometheus.NewDesc("aicc_poller_silence_seconds_max", "", nil, nil)`:   "",
		`prometheus.NewDesc("aicc_silence", "", nil, nil)`:                      "aicc_silence",
		`other.GaugeOpts{Name: "things"}`:                                       "",
	} {
		s := newSource()
		s.add(t, "poller/a.go", "package poller\n\nvar a = "+text+"\n")
		got := ""
		if found := s.oddMetrics(); len(found) > 0 {
			got = found[0].what
		}
		if got != want {
			t.Errorf("%s: %q, want %q", text, got, want)
		}
	}
}
