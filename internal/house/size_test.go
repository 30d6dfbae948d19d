package house

import (
	"fmt"
	"go/ast"
	"go/token"
	"maps"
	"slices"
	"strings"
	"testing"
)

// How large things may be. Files and lines of a package are those that are no tests.
const (
	maxFunctionLines = 60
	maxComplexity    = 15
	maxPackageFiles  = 12
	maxPackageLines  = 2000
)

// finding is a broken rule. what names the offender, for exceptions.
type finding struct{ what, text string }

func (s *source) longFunctions() (found []finding) {
	s.eachFunction(func(name string, f *ast.FuncDecl) {
		lines := s.set.Position(f.End()).Line - s.set.Position(f.Pos()).Line + 1
		if lines > maxFunctionLines {
			found = append(found, finding{name, fmt.Sprintf("%s has %d lines", name, lines)})
		}
	})
	return found
}

func (s *source) tangledFunctions() (found []finding) {
	s.eachFunction(func(name string, f *ast.FuncDecl) {
		if n := complexity(f); n > maxComplexity {
			found = append(found, finding{name, fmt.Sprintf("%s has a complexity of %d", name, n)})
		}
	})
	return found
}

// eachFunction calls f with every function and method, named as in poller.Pool.Run.
func (s *source) eachFunction(f func(name string, d *ast.FuncDecl)) {
	for _, file := range s.files {
		for _, d := range file.ast.Decls {
			if d, ok := d.(*ast.FuncDecl); ok {
				f(file.dir()+"."+receiver(d)+d.Name.Name, d)
			}
		}
	}
}

func receiver(d *ast.FuncDecl) (name string) {
	if d.Recv == nil {
		return ""
	}
	ast.Inspect(d.Recv.List[0].Type, func(n ast.Node) bool {
		if id, ok := n.(*ast.Ident); ok && name == "" {
			name = id.Name + "."
		}
		return true
	})
	return name
}

// complexity is the cyclomatic complexity, function literals included: 1, and 1 for each
// condition, loop, case and short circuit.
func complexity(f *ast.FuncDecl) int {
	n := 1
	ast.Inspect(f, func(node ast.Node) bool {
		switch node := node.(type) {
		case *ast.IfStmt, *ast.ForStmt, *ast.RangeStmt:
			n++
		case *ast.CaseClause:
			if node.List != nil {
				n++
			}
		case *ast.CommClause:
			if node.Comm != nil {
				n++
			}
		case *ast.BinaryExpr:
			if node.Op == token.LAND || node.Op == token.LOR {
				n++
			}
		}
		return true
	})
	return n
}

func (s *source) largePackages() (found []finding) {
	files, lines := map[string]int{}, map[string]int{}
	for _, f := range s.files {
		files[f.dir()]++
		lines[f.dir()] += strings.Count(string(f.text), "\n")
	}
	for _, dir := range slices.Sorted(maps.Keys(files)) {
		if files[dir] > maxPackageFiles || lines[dir] > maxPackageLines {
			found = append(found, finding{dir, fmt.Sprintf("%s has %d files and %d lines", dir, files[dir], lines[dir])})
		}
	}
	return found
}

func TestSizes(t *testing.T) {
	s := readSource(t)
	for _, c := range []struct {
		rule    string
		found   []finding
		excused map[string]string
	}{
		{fmt.Sprintf("at most %d lines a function", maxFunctionLines), s.longFunctions(), nil},
		{fmt.Sprintf("at most a complexity of %d a function", maxComplexity), s.tangledFunctions(), tangledFunctions},
		{fmt.Sprintf("at most %d files and %d lines a package", maxPackageFiles, maxPackageLines), s.largePackages(), largePackages},
		{fmt.Sprintf("no %d lines of code twice", maxRepeated), s.repeats(), repeats},
	} {
		for _, f := range unexcused(c.found, c.excused) {
			t.Errorf("%s: %s", c.rule, f)
		}
	}
}

// unexcused are the findings without an exception, and the exceptions without a finding.
func unexcused(found []finding, excused map[string]string) (all []string) {
	used := map[string]bool{}
	for _, f := range found {
		used[f.what] = true
		if excused[f.what] == "" {
			all = append(all, f.text)
		}
	}
	for _, what := range slices.Sorted(maps.Keys(excused)) {
		if !used[what] {
			all = append(all, "no exception is needed any more for "+what)
		}
	}
	return all
}

func TestSizesBite(t *testing.T) {
	body := func(lines ...string) string {
		return "package poller\n\nimport (\n\t\"fmt\"\n)\n\nfunc (p *Pool) f(a, b bool) {\n" + strings.Join(lines, "\n") + "\n}\n"
	}
	repeat := func(n int, line string) []string { return slices.Repeat([]string{line}, n) }
	var six, other []string
	for i := range maxRepeated {
		six = append(six, fmt.Sprintf("fmt.Print(%d)", i))
		other = append(other, fmt.Sprintf("  fmt.Print( %d ) // said otherwise", i), "")
	}
	for name, c := range map[string]struct {
		files []string
		rule  func(*source) []finding
		want  string // "": it is allowed
	}{
		"long":          {[]string{body(repeat(59, "_ = a")...)}, (*source).longFunctions, "poller.Pool.f has 61 lines"},
		"not too long":  {[]string{body(repeat(58, "_ = a")...)}, (*source).longFunctions, ""},
		"tangled":       {[]string{body(repeat(5, "for a || b {\nif a {}\n}")...)}, (*source).tangledFunctions, "poller.Pool.f has a complexity of 16"},
		"with switches": {[]string{body(repeat(8, "switch {\ncase a:\ncase b:\ndefault:\n}")...)}, (*source).tangledFunctions, "poller.Pool.f has a complexity of 17"},
		"not tangled":   {[]string{body(repeat(7, "if a && b {}")...)}, (*source).tangledFunctions, ""},
		"many files":    {repeat(maxPackageFiles+1, body()), (*source).largePackages, "poller has 13 files and 117 lines"},
		"many lines":    {repeat(2, body(repeat(1000, "_ = a")...)), (*source).largePackages, "poller has 2 files and 2016 lines"},
		"small":         {repeat(maxPackageFiles, body()), (*source).largePackages, ""},
		"repeated":      {[]string{body(six...), body(append(repeat(3, "_ = a"), other...)...)}, (*source).repeats, "poller/0.go:8 and poller/1.go:11"},
		"in one file":   {[]string{body(slices.Concat(six, []string{"_ = a"}, six)...)}, (*source).repeats, "poller/0.go:8 and poller/0.go:15"},
		"five of six":   {[]string{body(append(six[:5:5], "_ = a")...), body(append([]string{"_ = b"}, six[:5]...)...)}, (*source).repeats, ""},
		"one line":      {[]string{body(repeat(2*maxRepeated-1, "_ = a")...)}, (*source).repeats, ""},
	} {
		s := newSource()
		for i, text := range c.files {
			s.add(t, fmt.Sprintf("poller/%d.go", i), text)
		}
		got := ""
		if found := c.rule(s); len(found) > 0 {
			got = found[0].text
		}
		if got != c.want {
			t.Errorf("%s: %q, want %q", name, got, c.want)
		}
	}
}

func TestExceptions(t *testing.T) {
	found := []finding{{"a", "a is large"}, {"b", "b is large"}}
	got := unexcused(found, map[string]string{"a": "a reason", "c": "a reason"})
	if want := []string{"b is large", "no exception is needed any more for c"}; !slices.Equal(got, want) {
		t.Errorf("%q, want %q", got, want)
	}
}
