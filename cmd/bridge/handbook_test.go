package main

import (
	"go/ast"
	"go/parser"
	"go/token"
	"maps"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// rung says which function of a test has each alarm ring in a wired bridge, by the fault that it is
// for. TestEveryAlarmRings looks whether it does.
var rung = map[string]string{
	"store": "storeRings", "disk": "TestF40FullDisk", "streams": "consumerRings", "damage": "damageRings", "windows": "windowsRing",
	"hub": "hubRings", "forward": "forwardRings", "spool": "spoolRings", "consumers": "consumersRing", "copy": "copyRings",
	"lease": "leaseRings", "agents": "agentsRings", "gateway": "gatewayRings", "filestore": "requestsRing", "extracts": "extractsRing",
	"recordings": "recordingsRing", "calls": "callsRing", "callbacks": "callbacksRings", "zone": "zoneRings",
	"dead_letters": "extractsRing", "certificates": "certificatesRing",
	"silence": "silenceRings",
}

// sources are the files of this package.
type sources struct {
	files map[string]*ast.File // by name, tests included, whatever their tags
}

func parsePackage(t *testing.T) sources {
	t.Helper()
	names, err := filepath.Glob("*.go")
	if err != nil {
		t.Fatal(err)
	}
	f := sources{files: map[string]*ast.File{}}
	set := token.NewFileSet()
	for _, name := range names {
		file, err := parser.ParseFile(set, name, nil, parser.SkipObjectResolution)
		if err != nil {
			t.Fatal(err)
		}
		f.files[name] = file
	}
	return f
}

// alarms are the names of all checks of the program: the values of structs with Name and Find.
func (f sources) alarms() []string {
	found := map[string]bool{}
	for name, file := range f.files {
		if strings.HasSuffix(name, "_test.go") {
			continue
		}
		ast.Inspect(file, func(n ast.Node) bool {
			if l, ok := n.(*ast.CompositeLit); ok {
				if name := checkName(l); name != "" {
					found[name] = true
				}
			}
			return true
		})
	}
	return slices.Sorted(maps.Keys(found))
}

// checkName is the name of a health.Check; "" if that is something else.
func checkName(l *ast.CompositeLit) (name string) {
	finds := false
	for _, e := range l.Elts {
		pair, ok := e.(*ast.KeyValueExpr)
		if !ok {
			continue
		}
		key, _ := pair.Key.(*ast.Ident)
		value, isText := pair.Value.(*ast.BasicLit)
		switch {
		case key == nil:
		case key.Name == "Find":
			finds = true
		case key.Name == "Name" && isText:
			name, _ = strconv.Unquote(value.Value)
		}
	}
	if !finds {
		return ""
	}
	return name
}

// rings reports whether a function of the tests waits for an alarm, and whether a test calls it or
// is it.
func (f sources) rings(function, alarm string) (there, asserts, called bool) {
	for name, file := range f.files {
		if !strings.HasSuffix(name, "_test.go") {
			continue
		}
		for _, d := range file.Decls {
			is, ok := d.(*ast.FuncDecl)
			if !ok {
				continue
			}
			if is.Name.Name == function {
				there = true
				called = called || strings.HasPrefix(function, "Test")
				asserts = waitsFor(is, alarm)
			} else if strings.HasPrefix(is.Name.Name, "Test") {
				called = called || names(is, function)
			}
		}
	}
	return there, asserts, called
}

// waitsFor reports a call of rings with the alarm's name.
func waitsFor(in *ast.FuncDecl, alarm string) (found bool) {
	ast.Inspect(in, func(n ast.Node) bool {
		call, ok := n.(*ast.CallExpr)
		if !ok || len(call.Args) == 0 {
			return true
		}
		method, isMethod := call.Fun.(*ast.SelectorExpr)
		text, isText := call.Args[0].(*ast.BasicLit)
		found = found || isMethod && isText && method.Sel.Name == "rings" && text.Value == strconv.Quote(alarm)
		return true
	})
	return found
}

// names reports whether a function names another one.
func names(in *ast.FuncDecl, function string) (found bool) {
	ast.Inspect(in, func(n ast.Node) bool {
		id, ok := n.(*ast.Ident)
		found = found || ok && id.Name == function
		return true
	})
	return found
}

// TestEveryAlarmRings: each alarm is made to ring, by name, by a fault in a test with a whole bridge.
func TestEveryAlarmRings(t *testing.T) {
	f := parsePackage(t)
	alarms := f.alarms()
	if len(alarms) < 21 {
		t.Errorf("only these alarms were found: %v", alarms)
	}
	for _, alarm := range alarms {
		function, ok := rung[alarm]
		if !ok {
			t.Errorf("no test rings the alarm %[1]s: write one that breaks what it watches in a scene and calls s.rings(%[1]q, …), call it from TestF40Alarms, and name it in rung", alarm)
			continue
		}
		switch there, asserts, called := f.rings(function, alarm); {
		case !there:
			t.Errorf("the alarm %s is said to be rung by %s, which does not exist", alarm, function)
		case !asserts:
			t.Errorf("%s does not call s.rings(%q, …)", function, alarm)
		case !called:
			t.Errorf("no test calls %s, which is to ring %s", function, alarm)
		}
	}
	for alarm := range rung {
		if !slices.Contains(alarms, alarm) {
			t.Errorf("rung has %s, which is no alarm", alarm)
		}
	}
	if _, asserts, _ := f.rings("hubRings", "spool"); asserts {
		t.Error("a test that rings another alarm would do")
	}
}

// chapters are the sections of a page at one level below a heading, by their titles without quotes.
func chapters(page, below string) map[string]string {
	_, rest, _ := strings.Cut(page, "\n## "+below+"\n")
	rest, _, _ = strings.Cut(rest, "\n## ")
	all := map[string]string{}
	for _, part := range strings.Split("\n"+rest, "\n### ")[1:] {
		title, text, _ := strings.Cut(part, "\n")
		all[strings.Trim(title, "`")] = text
	}
	return all
}

// differs says what a page lacks, and what it has that there is not.
func differs(what string, there []string, said map[string]string) (wrong []string) {
	for _, name := range there {
		if _, ok := said[name]; !ok {
			wrong = append(wrong, what+" lacks "+name)
		}
	}
	for name := range said {
		if !slices.Contains(there, name) {
			wrong = append(wrong, what+" has "+name+", which does not exist")
		}
	}
	slices.Sort(wrong)
	return wrong
}

// TestHandbook: the handbook has a section for each alarm and each alert, and no other; each says
// what an operator needs. The overview in operations.md and the comment of newWatch have the same.
func TestHandbook(t *testing.T) {
	page, alarms := readPage(t, "docs/handbook.md"), parsePackage(t).alarms()
	sections := chapters(page, "Alarms")
	wrong := differs("docs/handbook.md, below ## Alarms, as ### `name`,", alarms, sections)
	for name, text := range sections {
		for _, word := range []string{"**Means**", "**Likely**", "**Do**", "**Over**"} {
			if strings.Count(text, word) != 1 {
				wrong = append(wrong, "docs/handbook.md: the section of "+name+" has not one "+word)
			}
		}
	}
	var alerts []string
	for _, m := range regexp.MustCompile(`(?m)^ +- alert: (\w+)$`).FindAllStringSubmatch(readPage(t, "docs/alerts/bridge.rules.yaml"), -1) {
		alerts = append(alerts, m[1])
	}
	wrong = append(wrong, differs("docs/handbook.md, below ## Alerts of Prometheus,", alerts, chapters(page, "Alerts of Prometheus"))...)
	overview, comment := map[string]string{}, map[string]string{}
	for _, m := range regexp.MustCompile("(?m)^\\| `([a-z_]+)` \\|.* (?:200|503) \\|").FindAllStringSubmatch(readPage(t, "docs/operations.md"), -1) {
		overview[m[1]] = ""
	}
	for _, m := range regexp.MustCompile(`(?m)^//\t([a-z_]+) .*(?:200|503)$`).FindAllStringSubmatch(readPage(t, "cmd/bridge/alarms.go"), -1) {
		comment[m[1]] = ""
	}
	wrong = append(wrong, differs("the table of alarms in docs/operations.md", alarms, overview)...)
	wrong = append(wrong, differs("the comment of newWatch", alarms, comment)...)
	for _, w := range wrong {
		t.Error(w)
	}
	if len(alerts) < 12 || len(differs("it", []string{"a", "b"}, map[string]string{"b": "", "c": ""})) != 2 {
		t.Error("nothing was compared")
	}
}
