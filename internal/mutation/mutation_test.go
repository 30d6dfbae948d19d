package main

import (
	"go/parser"
	"go/token"
	"go/types"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

func TestEverySurvivorIsAChangeThatCanBeMade(t *testing.T) {
	known, err := knownSurvivors()
	if err != nil {
		t.Fatal(err)
	}
	possible := map[string]bool{}
	for _, folder := range folders {
		c, err := load("../..", folder)
		if err != nil {
			t.Fatal(err)
		}
		for _, made := range c.changes {
			possible[made.name] = true
		}
	}
	for name := range known {
		if !possible[name] {
			t.Errorf("survivors.txt: %s: no such change can be made; has the code changed?", name)
		}
	}
}

const source = `package sample

import "errors"

const long = 3 * 60

type list[T any] struct{ n int }

func (l *list[T]) more(i int) bool {
	l.n++
	if i < 0 || i < 0 {
		return false
	}
	return i-1 >=
		l.n
}

func said(a, b string) error {
	if a == b && -1 != len(a) {
		return nil
	}
	return errors.New(a + b)
}

func sign(n int) int {
	switch {
	case n < 0:
		return -1
	}
	return n
}
`

const tests = `package sample

import "testing"

func Test(t *testing.T) {
	if sign(-7) != -1 || long == 0 {
		t.Error("wrong")
	}
}
`

// sample writes a module with one package and reads it.
func sample(t *testing.T) (root string, c *code) {
	t.Helper()
	root = t.TempDir()
	for name, text := range map[string]string{"go.mod": "module sample\n\ngo 1.26\n", "in/a.go": source, "in/a_test.go": tests} {
		file := filepath.Join(root, name)
		if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(file, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	c, err := load(root, "in")
	if err != nil {
		t.Fatal(err)
	}
	return root, c
}

func TestChangesAreNamedByWhatTheyChange(t *testing.T) {
	_, c := sample(t)
	got := map[string]bool{}
	for _, made := range c.changes {
		got[made.name] = true
	}
	want := []string{
		"in/a.go list.more: i - 1 → i + 1",
		"in/a.go list.more: i < 0 → i <= 0",
		"in/a.go list.more: i < 0 → i <= 0 #2",
		"in/a.go list.more: i < 0 → i >= 0",
		"in/a.go list.more: i < 0 → i >= 0 #2",
		"in/a.go list.more: i-1 >= l.n → i-1 < l.n",
		"in/a.go list.more: i-1 >= l.n → i-1 > l.n",
		"in/a.go list.more: l.n++ → l.n--",
		"in/a.go long: 3 * 60 → 3 / 60",
		"in/a.go said: -1 != len(a) → -1 == len(a)",
		"in/a.go said: -1 → +1",
		"in/a.go said: a + b → a - b",
		"in/a.go said: a == b → a != b",
		"in/a.go sign: -1 → +1",
		"in/a.go sign: n < 0 → n <= 0",
		"in/a.go sign: n < 0 → n >= 0",
	}
	if names := slices.Sorted(maps.Keys(got)); !slices.Equal(names, want) {
		t.Errorf("got\n%s", strings.Join(names, "\n"))
	}
	if made := c.changes[place{"in/a.go", 14, 13, "CONDITIONALS_BOUNDARY"}]; made.name != "in/a.go list.more: i-1 >= l.n → i-1 > l.n" {
		t.Errorf("line 14, column 13 is %q", made.name)
	}
}

func TestAChangeThatDoesNotCompileCountsAsNothing(t *testing.T) {
	root, c := sample(t)
	compiler, err := newCompiler(t.Context(), c, root, "in")
	if err != nil {
		t.Fatal(err)
	}
	for _, made := range c.changes {
		if got, want := compiler.compiles(made), !strings.Contains(made.name, "a + b"); got != want {
			t.Errorf("%s: compiles: %t", made.name, got)
		}
	}
	if err := compiler.check("in"); err != nil {
		t.Errorf("a change was left in the tree: %v", err)
	}
}

// Of what stands in no block it is found out here whether a test notices.
func TestWhatStandsOutsideOfBlocksIsJudged(t *testing.T) {
	root, c := sample(t)
	got := map[string]string{}
	for _, made := range c.changes {
		if !made.outside {
			continue
		}
		status, err := judge(t.Context(), root, made)
		if err != nil {
			t.Fatal(err)
		}
		got[made.name] = status
	}
	want := map[string]string{
		"in/a.go long: 3 * 60 → 3 / 60": killed,
		"in/a.go sign: n < 0 → n <= 0":  lived,
		"in/a.go sign: n < 0 → n >= 0":  killed,
	}
	if !maps.Equal(got, want) {
		t.Errorf("got %v, want %v", got, want)
	}
	var broken change
	for _, made := range c.changes {
		if strings.Contains(made.name, "a + b") {
			broken = made
		}
	}
	if _, err := judge(t.Context(), root, broken); err == nil {
		t.Error("what does not compile was noticed by a test")
	}
}

func TestTheTreeIsWholeAfterAChange(t *testing.T) {
	set := token.NewFileSet()
	x, err := parser.ParseExprFrom(set, "", "a < b", 0)
	if err != nil {
		t.Fatal(err)
	}
	operator, _ := operatorOf(x)
	change{operator: operator, to: token.LEQ}.with(func() {
		if got := types.ExprString(x); got != "a <= b" {
			t.Errorf("with the change: %s", got)
		}
	})
	if got := types.ExprString(x); got != "a < b" {
		t.Errorf("after the change: %s", got)
	}
}

func TestFaults(t *testing.T) {
	known := map[string]string{"a": "It is the same.", "b": "It is the same."}
	of := func(killed, survivors, notCovered int, more ...string) result {
		return result{
			killed:    killed,
			survivors: append(slices.Repeat([]string{"a"}, survivors), more...), notCovered: slices.Repeat([]string{"x"}, notCovered),
		}
	}
	for name, tt := range map[string]struct {
		r    result
		want []string
	}{
		"nothing at all":      {of(0, 0, 0), nil},
		"just enough killed":  {of(92, 8, 0), nil},
		"too few killed":      {of(183, 17, 0), []string{"less than 92 % killed"}},
		"just enough covered": {of(90, 0, 10), nil},
		"too few covered":     {of(8, 0, 1), []string{"less than 90 % covered", "not covered: x"}},
		"an unknown survivor": {of(99, 0, 0, "c"), []string{"survived: c"}},
	} {
		if got := tt.r.faults(known); !slices.Equal(got, tt.want) {
			t.Errorf("%s: %q, want %q", name, got, tt.want)
		}
	}
}

func TestWhatTheTesterSays(t *testing.T) {
	var r result
	for _, status := range []string{"KILLED", "LIVED", "TIMED OUT", "NOT COVERED", "NOT VIABLE"} {
		if err := r.add(status, status); err != nil {
			t.Error(err)
		}
	}
	if r.killed != 1 || !slices.Equal(r.survivors, []string{"LIVED", "TIMED OUT"}) || !slices.Equal(r.notCovered, []string{"NOT COVERED"}) {
		t.Errorf("got %+v", r)
	}
	if err := r.add("x", "SKIPPED"); err == nil {
		t.Error("a status without a meaning counted")
	}
}

func TestParseSurvivors(t *testing.T) {
	got, err := parseSurvivors("# why\n\na.go f: i < 0 → i <= 0\n\tIt is never 0.\n")
	if err != nil || !maps.Equal(got, map[string]string{"a.go f: i < 0 → i <= 0": "It is never 0."}) {
		t.Errorf("got %v, %v", got, err)
	}
	for name, text := range map[string]string{
		"no reason":         "a\nb\n\tIt is the same.\n",
		"no reason at last": "a\n",
		"empty reason":      "a\n\t\n",
		"no change":         "\tIt is the same.\n",
		"twice":             "a\n\tIt is the same.\na\n\tIt is the same.\n",
	} {
		if _, err := parseSurvivors(text); err == nil {
			t.Errorf("%s: no error", name)
		}
	}
}

// A run over one package replaces what the page says of it, and nothing else.
func TestAPageKeepsWhatWasNotTried(t *testing.T) {
	known := map[string]string{"a/x.go f: i < 0 → i <= 0": "It is never 0."}
	p := readPage("")
	p.add(result{pkg: "a", killed: 9, survivors: []string{"a/x.go f: i < 0 → i <= 0"}}, known)
	p.add(result{pkg: "a/b", killed: 3, survivors: []string{"a/b/y.go g: i++ → i--"}, notCovered: []string{"x"}}, known)
	first := p.String()
	for _, part := range []string{
		"| `a` | 10 | 100 % | 90 % | 1 |\n| `a/b` | 5 | 80 % | 75 % | 1 |\n",
		"- `a/b/y.go g: i++ → i--`\n  **Nobody has looked at it.**\n- `a/x.go f: i < 0 → i <= 0`\n  It is never 0.\n",
	} {
		if !strings.Contains(first, part) {
			t.Errorf("want %s in\n%s", part, first)
		}
	}
	if again := readPage(first).String(); again != first {
		t.Errorf("read again it is\n%s", again)
	}
	p = readPage(first)
	p.add(result{pkg: "a/b", killed: 4}, known)
	if got := p.String(); strings.Contains(got, "y.go") || !strings.Contains(got, "| `a/b` | 4 | 100 % | 100 % | 0 |") || !strings.Contains(got, "x.go") {
		t.Errorf("after another run\n%s", got)
	}
}
