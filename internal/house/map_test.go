package house

import (
	"fmt"
	"maps"
	"os"
	"path"
	"slices"
	"strings"
	"testing"
)

// everywhere are packages that the map does not list in its last column: its text says who may
// import them.
var everywhere = []string{"schemas", "internal/retry", "internal/trouble", "internal/foreign", "internal/sabotage"}

// mapRow is one line of the map: what it is about, and what these may import.
type mapRow struct {
	packages, imports []string
	line              string
}

// readMap reads the table of packages.
func readMap(page string) (rows []mapRow) {
	_, table, _ := strings.Cut(page, "| package |")
	table, _, _ = strings.Cut(table, "\n\n")
	for line := range strings.Lines(table) {
		line = strings.TrimSpace(line)
		cells := strings.Split(strings.Trim(line, "|"), "|")
		if !strings.HasPrefix(line, "| `") || len(cells) != 3 {
			if strings.HasPrefix(line, "| `") {
				rows = append(rows, mapRow{line: line})
			}
			continue
		}
		rows = append(rows, mapRow{packages: inQuotes(cells[0]), imports: inQuotes(cells[2]), line: line})
	}
	return rows
}

// inQuotes are the code spans of a cell.
func inQuotes(cell string) (all []string) {
	for _, m := range quoted.FindAllStringSubmatch(cell, -1) {
		all = append(all, m[1])
	}
	return all
}

// means reports whether a name in the last column is this package: the end of its path will do,
// and a tree may be written with … or ....
func means(name, imported string) bool {
	imported = strings.Replace(imported, "...", "…", 1)
	name = strings.Replace(name, "...", "…", 1)
	return name == imported || strings.HasSuffix(imported, "/"+name)
}

// faultsOfMap compares the map with the rules.
func faultsOfMap(rows []mapRow, rules map[string][]string, all []pkg) (wrong []string) {
	seen := map[string]int{}
	for _, r := range rows {
		if len(r.packages) == 0 {
			wrong = append(wrong, "a line of the map has not three cells: "+r.line)
		}
		for _, name := range r.packages {
			seen[name]++
			if _, tree := strings.CutSuffix(name, "/…"); !tree && name != "cmd/bridge" {
				wrong = append(wrong, r.differs(name, rules[name])...)
			}
		}
	}
	for _, name := range slices.Sorted(maps.Keys(seen)) {
		exists := slices.ContainsFunc(all, func(p pkg) bool {
			tree, isTree := strings.CutSuffix(name, "…")
			return p.ImportPath == module+name || isTree && strings.HasPrefix(p.ImportPath, module+tree)
		})
		switch {
		case !exists:
			wrong = append(wrong, "the map has "+name+", which does not exist")
		case seen[name] > 1:
			wrong = append(wrong, fmt.Sprintf("the map has %s %d times", name, seen[name]))
		}
	}
	for _, p := range all {
		name := strings.TrimPrefix(p.ImportPath, module)
		inTree := false
		for tree := name; tree != "."; tree = path.Dir(tree) {
			inTree = inTree || seen[tree+"/…"] > 0
		}
		if seen[name] == 0 && !inTree && !isForTests(path.Base(name)) {
			wrong = append(wrong, "the docs/architecture.md: the map has no line for `"+name+"`")
		}
	}
	return wrong
}

// differs says what the last column lacks, or has too much, of what a package may import.
func (r mapRow) differs(name string, rules []string) (wrong []string) {
	for _, rule := range rules {
		if !slices.Contains(everywhere, rule) && !slices.ContainsFunc(r.imports, func(n string) bool { return means(n, rule) }) {
			wrong = append(wrong, fmt.Sprintf("docs/architecture.md: %s may import `%s`, and its line does not say so", name, rule))
		}
	}
	for _, n := range r.imports {
		if !slices.ContainsFunc(rules, func(rule string) bool { return means(n, rule) }) {
			wrong = append(wrong, fmt.Sprintf("docs/architecture.md: the line of %s names `%s`, which it may not import", name, n))
		}
	}
	return wrong
}

// TestMapSaysTheRules: each package has one line in the map, with the imports that the rules
// allow it. What the text below the map says of all may be left out.
func TestMapSaysTheRules(t *testing.T) {
	text, err := os.ReadFile("../../docs/architecture.md")
	if err != nil {
		t.Fatal(err)
	}
	all, rows := readSource(t).packages(), readMap(string(text))
	for _, w := range faultsOfMap(rows, allowed, all) {
		t.Error(w)
	}
	if len(rows) < 60 {
		t.Errorf("only %d lines were read", len(rows))
	}
	broken := strings.Replace(string(text), "| `exporter/spill` |", "| `exporter/spill` | `a` | `b` |", 1)
	if !slices.ContainsFunc(faultsOfMap(readMap(broken), allowed, all), func(w string) bool { return strings.Contains(w, "not three cells") }) {
		t.Error("two lines in one would do")
	}
}
