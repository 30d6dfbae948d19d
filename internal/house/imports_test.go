package house

import (
	"path"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// module is the path that our imports begin with.
const module = "aiccbridge/"

// pkg is a package without its tests, in all its builds.
type pkg struct {
	ImportPath string
	Doc        bool
	Imports    []string // in any order, perhaps twice
}

// packages are those that ship and those for tests.
func (s *source) packages() (all []pkg) {
	for _, f := range slices.Concat(s.files, s.forTests) {
		name := module + f.dir()
		i := slices.IndexFunc(all, func(p pkg) bool { return p.ImportPath == name })
		if i < 0 {
			i = len(all)
			all = append(all, pkg{ImportPath: name})
		}
		all[i].Doc = all[i].Doc || f.ast.Doc != nil
		for _, imported := range f.ast.Imports {
			path, _ := strconv.Unquote(imported.Path.Value) // the parser has seen to it
			all[i].Imports = append(all[i].Imports, path)
		}
	}
	return all
}

// allowed says which of our packages each package may import. A trailing /...
// allows a tree. Packages that are not named may import nothing of ours.
var allowed = map[string][]string{
	"cmd/bridge":                             {"..."},
	"config":                                 {"config/internal/finding", "config/internal/hours", "config/internal/scalar", "config/internal/secret", "config/internal/source", "config/internal/table", "config/internal/walk", "config/internal/yamlnode"},
	"config/internal/walk":                   {"config/internal/finding", "config/internal/quotes", "config/internal/scalar", "config/internal/secret", "config/internal/source", "config/internal/yamlnode"},
	"config/internal/hours":                  {"config/internal/scalar"},
	"config/internal/source":                 {"config/internal/scalar"},
	"config/internal/table":                  {"config/internal/scalar"},
	"config/internal/yamlnode":               {"config/internal/scalar"},
	"poller":                                 {"schemas", "poller/record", "poller/session", "poller/session/custody"},
	"poller/handover":                        {"schemas", "internal/members", "internal/retry", "poller/session/custody"},
	"poller/internal/insist":                 {"schemas", "internal/trouble"},
	"poller/partition":                       {"internal/grace", "poller", "poller/record", "poller/session", "schemas"},
	"poller/record":                          {"schemas", "schemas/events", "internal/ccgateway", "internal/foreign", "internal/retry", "internal/sabotage", "poller/internal/insist", "poller/sequence"},
	"poller/allagents":                       {"schemas", "internal/ccgateway", "internal/retry", "poller", "poller/internal/insist", "poller/record", "poller/session"},
	"poller/push":                            {"schemas", "internal/ccgateway", "internal/retry", "internal/sabotage", "poller", "poller/internal/insist", "poller/record", "poller/session", "poller/session/custody", "poller/session/entrance"},
	"poller/monitor":                         {"schemas", "internal/cccms", "internal/ccfs", "internal/retry", "internal/trouble", "poller/record"},
	"poller/proxy":                           {"schemas", "internal/ccgateway", "internal/foreign", "internal/members", "internal/retry", "poller/internal/insist", "poller/proxy/kept", "poller/proxy/later", "poller/proxy/onward", "poller/proxy/post", "poller/proxy/queue", "poller/proxy/wire", "poller/record", "poller/session"},
	"poller/proxy/kept":                      {"schemas", "poller/proxy/post", "poller/record"},
	"poller/proxy/later":                     {"schemas", "poller/internal/insist", "poller/record", "poller/session/custody"},
	"poller/proxy/onward":                    {"internal/ccgateway", "internal/foreign", "poller/internal/insist"},
	"poller/proxy/post":                      {"internal/dialguard", "internal/foreign"},
	"poller/proxy/queue":                     {"schemas"},
	"poller/proxy/wire":                      {"internal/capped"},
	"poller/sequence":                        {"schemas"},
	"poller/session":                         {"schemas", "internal/ccgateway", "internal/retry", "internal/sabotage", "poller/internal/aside", "poller/internal/insist", "poller/record", "poller/session/custody", "poller/session/entrance"},
	"poller/session/entrance":                {"internal/ccgateway", "internal/retry", "poller/internal/insist"},
	"poller/session/custody":                 {"schemas", "internal/members", "poller/internal/aside", "poller/internal/insist"},
	"callbacks":                              {"schemas", "internal/c2sign", "internal/capped", "internal/foreign", "internal/sabotage"},
	"exporter/archive":                       {"schemas", "schemas/rows"},
	"exporter/importer":                      {"schemas", "schemas/rows", "exporter/archive", "exporter/ledger", "internal/retry"},
	"exporter/lateness":                      {"schemas"},
	"exporter/ledger":                        {"schemas", "internal/members", "internal/trace"},
	"exporter/backfill":                      {"schemas", "exporter/ledger", "exporter/planner"},
	"exporter/letters":                       {"schemas", "exporter/ledger", "internal/retry", "internal/trouble"},
	"exporter/internal/exportertest":         {"schemas", "internal/ccfs"},
	"exporter/planner":                       {"schemas", "exporter/lateness", "exporter/ledger", "exporter/tenure", "internal/ccfs", "internal/retry", "internal/sabotage", "internal/trace", "internal/trouble"},
	"exporter/tenure":                        {"internal/retry", "internal/trouble"},
	"exporter/calls":                         {"schemas", "schemas/rows", "exporter/tenure", "internal/retry", "internal/sabotage", "internal/trouble"},
	"exporter/reconcile":                     {"schemas", "schemas/comparison", "schemas/rows", "exporter/tenure", "internal/retry", "internal/trouble"},
	"exporter/worker":                        {"schemas", "schemas/rows", "exporter/archive", "exporter/ledger", "exporter/spill", "internal/ccfs", "internal/sabotage", "internal/trace"},
	"exporter/recordings":                    {"schemas", "internal/ccfs", "internal/retry", "internal/sabotage", "internal/trouble", "internal/voice"},
	"exporter/recordings/shelf":              {"schemas", "internal/durable"},
	"internal/seal":                          {"internal/durable"},
	"exporter/filestore":                     {"schemas", "internal/ccfs"},
	"bus":                                    {"schemas", "bus/assets", "bus/internal/wire", "internal/sabotage"},
	"bus/assets":                             {"schemas", "bus/internal/wire"},
	"bus/internal/wire":                      {"schemas", "bus/internal/denied", "bus/internal/group", "bus/internal/letters", "internal/retry", "internal/trouble"},
	"bus/internal/letters":                   {"schemas"},
	"bus/internal/denied":                    {},
	"bus/kv":                                 {"schemas", "bus/internal/wire"},
	"bus/lease":                              {"schemas", "bus/internal/wire", "bus/kv", "internal/retry", "internal/sabotage"},
	"bus/spool":                              {"schemas", "bus/assets", "bus/internal/group", "bus/internal/wire", "bus/kv", "bus/spool/internal/signal", "internal/retry", "internal/sabotage", "internal/trouble"},
	"bus/spool/internal/signal":              {"bus/internal/wire"},
	"bus/witness":                            {"schemas", "bus/internal/wire", "internal/retry"},
	"bus/service":                            {"bus/internal/wire"},
	"bus/internal/bustest":                   {"schemas", "bus/embedded"},
	"bus/internal/hubtest":                   {"schemas", "bus/assets", "bus/internal/bustest", "bus/internal/wire", "internal/faultproxy"},
	"bus/embedded":                           {"schemas", "bus/embedded/internal/serverlog", "internal/trouble"},
	"internal/ccfs":                          {"internal/c2sign", "internal/dialguard", "internal/foreign", "internal/heads", "internal/retry", "internal/tlsadvice", "internal/trouble", "internal/viaproxy"},
	"internal/cccms":                         {"internal/ccfs", "internal/foreign"},
	"internal/ccgateway":                     {"internal/dialguard", "internal/foreign", "internal/heads", "internal/http1", "internal/sabotage", "internal/tlsadvice", "internal/viaproxy"},
	"internal/viaproxy":                      {"internal/dialguard", "internal/tlsadvice"},
	"internal/freshness/pulse":               {"internal/freshness", "internal/members", "internal/retry", "internal/trouble", "schemas"},
	"internal/health":                        {"internal/retry", "internal/trouble"},
	"schemas/events":                         {"schemas", "internal/jsonwalk"},
	"internal/ask":                           {"schemas", "schemas/events"},
	"internal/wallboard":                     {"internal/ask", "internal/privacy", "internal/retry", "internal/trouble", "internal/wallboard/calendar", "schemas", "schemas/events"},
	"internal/wallboard/calendar":            {"schemas"},
	"internal/ask/view":                      {"internal/ask", "schemas", "schemas/comparison"},
	"internal/scenario":                      {"internal/retry", "schemas", "schemas/events", "schemas/rows"},
	"internal/hubtest":                       {"bus", "bus/assets", "bus/embedded", "bus/kv", "schemas"},
	"internal/reload":                        {"config"},
	"internal/release":                       {"internal/buildinfo"},
	"internal/replay":                        {"internal/retry", "schemas"},
	"internal/trace":                         {"schemas"},
	"internal/trace/otlp":                    {"internal/retry", "internal/trace", "internal/trouble"},
	"internal/doctor":                        {"internal/ccfs", "internal/ccgateway", "internal/dialguard", "internal/tlsadvice"},
	"internal/conform":                       {"schemas", "schemas/entries", "schemas/requests"},
	"internal/bench":                         {"internal/bench/...", "internal/stopsignal"},
	"internal/bench/agents":                  {"internal/bench/bridge", "internal/bench/figures", "internal/bench/platform", "internal/bench/process", "internal/bench/rawnats", "internal/bench/stage"},
	"internal/bench/bridge":                  {"internal/bench/platform", "internal/bench/process"},
	"internal/bench/platform":                {"internal/bench/process", "internal/c2sign"},
	"internal/bench/rawnats":                 {"internal/bench/process"},
	"internal/bench/rows":                    {"internal/bench/bridge", "internal/bench/figures", "internal/bench/platform", "internal/bench/process", "internal/bench/rawnats", "internal/bench/stage", "internal/platformsim/world"},
	"internal/bench/stage":                   {"internal/bench/figures", "internal/bench/process", "internal/bench/rawnats"},
	"internal/mutation":                      {"internal/processgroup"},
	"internal/privacy":                       {"internal/jsonwalk"},
	"internal/proof":                         {"internal/processgroup"},
	"internal/truthcheck":                    {"schemas", "schemas/events", "schemas/rows", "internal/platformsim/truth", "internal/platformsim/world", "internal/truthcheck/callcheck"},
	"internal/truthcheck/callcheck":          {"schemas", "schemas/rows", "internal/platformsim/world"},
	"schemas/internal/schematest":            {"schemas"},
	"schemas":                                {"schemas/internal/digest", "schemas/internal/envelope", "schemas/internal/text"},
	"schemas/internal/envelope":              {"schemas/internal/text"},
	"schemas/comparison":                     {"schemas", "schemas/internal/envelope"},
	"schemas/entries":                        {"schemas"},
	"schemas/rows":                           {"schemas"},
	"internal/rowfile":                       {"schemas", "schemas/rows"},
	"internal/rowfile/folder":                {"internal/rowfile", "internal/sabotage", "schemas"},
	"internal/trial":                         {"bus/embedded", "config", "internal/platformsim/...", "internal/retry", "internal/trial/view", "internal/truthcheck", "schemas"},
	"internal/trial/view":                    {"internal/truthcheck", "schemas"},
	"internal/platformsim":                   {"internal/platformsim/..."},
	"internal/platformsim/filestore/content": {"internal/platformsim/fault", "internal/platformsim/filestore/archive", "internal/platformsim/world"},

	"internal/platformsim/filestore": {
		"internal/c2sign", "internal/platformsim/fault", "internal/platformsim/filestore/...", "internal/platformsim/pause",
		"internal/platformsim/truth", "internal/platformsim/world",
	},
	"internal/platformsim/filestore/callback": {"internal/c2sign", "internal/platformsim/fault", "internal/platformsim/outward", "internal/platformsim/pause", "internal/platformsim/truth"},
	"internal/platformsim/filestore/voice":    {"internal/platformsim/truth", "internal/platformsim/world"},
	"internal/platformsim/gateway":            {"internal/platformsim/fault", "internal/platformsim/gateway/...", "internal/platformsim/pause", "internal/platformsim/truth", "internal/platformsim/world"},
	"internal/platformsim/gateway/push":       {"internal/platformsim/fault", "internal/platformsim/outward", "internal/platformsim/pause", "internal/platformsim/truth"},
	"internal/platformsim/gateway/request":    {"internal/platformsim/world"},
	"internal/platformsim/gateway/softphone":  {"internal/platformsim/gateway/request", "internal/platformsim/gateway/wire", "internal/platformsim/world", "internal/platformsim/world/phone"},
	"internal/platformsim/gateway/wire":       {"internal/platformsim/world"},
	"internal/platformsim/monitor":            {"internal/platformsim/fault", "internal/platformsim/truth", "internal/platformsim/world", "internal/platformsim/world/seat"},
	"internal/platformsim/optionfile":         {"internal/platformsim"},
	"internal/platformsim/truth":              {"internal/platformsim/world", "internal/platformsim/world/seat"},
	"internal/platformsim/world":              {"internal/platformsim/fault", "internal/platformsim/world/..."},
	"internal/platformsim/world/phone":        {"internal/platformsim/world/content"},
}

func permits(rules []string, path string) bool {
	return slices.ContainsFunc(rules, func(rule string) bool {
		tree, ok := strings.CutSuffix(rule, "...")
		return rule == path || ok && strings.HasPrefix(path+"/", tree)
	})
}

// isNATS reports a client or server library of NATS.
func isNATS(path string) bool {
	return strings.HasPrefix(path, "github.com/nats-io/") || strings.HasPrefix(path, "github.com/synadia-io/")
}

// violations are the imports that the rules forbid.
func violations(all []pkg, rules map[string][]string) (found []string) {
	for _, p := range all {
		name := strings.TrimPrefix(p.ImportPath, module)
		for _, imported := range p.Imports {
			ours, isOurs := strings.CutPrefix(imported, module)
			switch {
			case isOurs && isForTests(path.Base(ours)) && !isForTests(path.Base(name)):
				found = append(found, name+" imports "+ours+", which is for tests")
			case isOurs && !permits(rules[name], ours):
				found = append(found, name+" imports "+ours)
			case (name == "schemas" || name == "schemas/events" || name == "schemas/rows") && strings.Contains(strings.Split(imported, "/")[0], "."):
				found = append(found, name+" imports "+imported)
			case isNATS(imported) && !permits([]string{"bus/...", "internal/bench/rawnats", "docs/consuming/go/...", "docs/handover/go"}, name) &&
				!(name == "cmd/bridge" && imported == "github.com/nats-io/nats-server/v2/server"):
				found = append(found, name+" imports "+imported)
			}
		}
	}
	return found
}

func TestImportRules(t *testing.T) {
	all := readSource(t).packages()
	for _, v := range violations(all, allowed) {
		t.Error(v)
	}
	if len(all) < len(allowed) {
		t.Errorf("only %d packages were looked at", len(all))
	}
	for name, rules := range allowed {
		i := slices.IndexFunc(all, func(p pkg) bool { return p.ImportPath == module+name })
		if i < 0 {
			t.Errorf("a rule names %s, which does not exist", name)
			continue
		}
		for _, rule := range rules {
			if !slices.ContainsFunc(all[i].Imports, func(path string) bool { return permits([]string{rule}, strings.TrimPrefix(path, module)) }) {
				t.Errorf("%s need not import %s any more", name, rule)
			}
		}
	}
}

func TestImportRulesBite(t *testing.T) {
	for _, bad := range []pkg{
		{ImportPath: module + "poller", Imports: []string{module + "bus"}},
		{ImportPath: module + "exporter/planner", Imports: []string{module + "exporter/worker"}},
		{ImportPath: module + "exporter/worker", Imports: []string{module + "exporter/planner"}},
		{ImportPath: module + "exporter/archive", Imports: []string{module + "exporter/ledger"}},
		{ImportPath: module + "exporter/ledger", Imports: []string{module + "callbacks"}},
		{ImportPath: module + "callbacks", Imports: []string{module + "config"}},
		{ImportPath: module + "internal/platformsim/gateway", Imports: []string{module + "internal/ccgateway"}},
		{ImportPath: module + "schemas", Imports: []string{"github.com/google/uuid"}},
		{ImportPath: module + "schemas", Imports: []string{module + "schemas/rows"}},
		{ImportPath: module + "poller", Imports: []string{"github.com/nats-io/nats.go"}},
		{ImportPath: module + "exporter", Imports: []string{"github.com/nats-io/nats.go/jetstream"}},
		{ImportPath: module + "bus/kv", Imports: []string{module + "bus/assets"}},
		{ImportPath: module + "bus/internal/wire", Imports: []string{module + "bus/kv"}},
		{ImportPath: module + "bus/spool", Imports: []string{module + "bus"}},
		{ImportPath: module + "exporter", Imports: []string{module + "exporter/internal/exportertest"}},
		{ImportPath: module + "new", Imports: []string{module + "schemas"}},
	} {
		if len(violations([]pkg{bad}, allowed)) != 1 {
			t.Errorf("%s may import %v", bad.ImportPath, bad.Imports)
		}
	}
}

func TestEveryPackageHasAComment(t *testing.T) {
	for _, p := range readSource(t).packages() {
		if !p.Doc {
			t.Errorf("%s has no package comment", p.ImportPath)
		}
	}
}
