package main

import (
	"bytes"
	"context"
	"fmt"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// What a test process prints, with -test.v.
const (
	passed = "=== RUN   TestF08Cut\n=== ATTR  TestF08Cut figure 40/40 named, 0 rows\n=== ATTR  TestF08Cut tries 40\n" +
		"=== ATTR  TestF08Cut/sub tries 1\n--- PASS: TestF08Cut (0.10s)\n    --- PASS: TestF08Cut/sub (0.00s)\nPASS\n"
	failed   = "=== RUN   TestF08Cut\n    f08_test.go:12: 1 silent re-send\n--- FAIL: TestF08Cut (0.10s)\nFAIL\n"
	timedOut = "=== RUN   TestF08Cut\n    f08_test.go:12: hm\npanic: test timed out after 1s\n--- FAIL: TestF08Cut (1.00s)\n"
	crashed  = "=== RUN   TestF08Cut\npanic: runtime error: index out of range\n"
	other    = "=== RUN   TestF08CutTwice\n--- FAIL: TestF08CutTwice (0.10s)\nFAIL\n"
	skipped  = "=== RUN   TestF08Cut\n--- SKIP: TestF08Cut (0.00s)\nPASS\n"
)

func TestVerdicts(t *testing.T) {
	c := faultCase{8, &suite{name: "poller"}, "TestF08Cut"}
	for name, tt := range map[string]struct {
		output  string
		success bool
		status  string // of a case
		killed  bool   // of a mutant
	}{
		"passed": {passed, true, "ok", false}, "failed": {failed, false, "FAIL", true},
		"timed out": {timedOut, false, "FAIL", false}, "crashed": {crashed, false, "FAIL", false},
		"leak after pass": {passed, false, "FAIL", false}, "another one": {other, false, "FAIL", false},
		"skipped": {skipped, true, "FAIL", false}, "nothing": {"", true, "FAIL", false}, "unbuilt": {"", false, "FAIL", false},
	} {
		o := read("TestF08Cut", []byte(tt.output), tt.success, time.Second)
		if got := (row{c, o}).status(); got != tt.status {
			t.Errorf("%s: a case is %s, want %s", name, got, tt.status)
		}
		if got := (kill{mutant: mutant{"no_gap", "poller", "TestF08Cut"}, outcome: o}).killed(); got != tt.killed {
			t.Errorf("%s: a mutant is killed: %t, want %t", name, got, tt.killed)
		}
	}
	o := read("TestF08Cut", []byte(passed), true, time.Second)
	if o.attrs["figure"] != "40/40 named, 0 rows" || o.attrs["tries"] != "40" {
		t.Errorf("the figures are %v", o.attrs)
	}
	if o = read("TestF08Cut", []byte(failed), false, time.Second); o.lastComplaint() != "1 silent re-send" {
		t.Errorf("it complains %q", o.lastComplaint())
	}
}

// What `go test -json` prints.
const (
	wholePassed = `{"Action":"start"}
{"Action":"output","Test":"TestA","Output":"--- PASS: TestA (0.1s)\n"}
{"Action":"pass","Test":"TestA/sub","Elapsed":0.1}
{"Action":"pass","Test":"TestA","Elapsed":0.1}
{"Action":"pass","Test":"TestB","Elapsed":0.1}
` + wholeEnd
	wholeFailed = `{"Action":"output","Test":"TestA","Output":"    a_test.go:1: no\n"}
{"Action":"fail","Test":"TestA","Elapsed":0.1}
{"Action":"pass","Test":"TestB","Elapsed":0.1}
{"Action":"fail","Elapsed":7.5}
`
	wholeSkipped = `{"Action":"skip","Test":"TestA","Elapsed":0}
{"Action":"pass","Test":"TestB","Elapsed":0.1}
` + wholeEnd
	wholeEnd = `{"Action":"pass","Elapsed":7.5}
`
)

func TestWholeSuites(t *testing.T) {
	for name, tt := range map[string]struct {
		output        string
		success, ok   bool
		tests, others int
	}{
		"passed":         {wholePassed, true, true, 2, 0},
		"failed":         {wholeFailed, false, false, 1, 1},
		"skipped":        {wholeSkipped, true, false, 1, 1},
		"no tests":       {wholeEnd, true, false, 0, 0},
		"leak":           {wholePassed, false, false, 2, 0},
		"ended early":    {strings.TrimSuffix(wholePassed, wholeEnd), true, false, 2, 0},
		"does not build": {`{"Action":"build-fail"}` + "\n" + `{"Action":"fail","Elapsed":0}`, false, false, 0, 0},
		"nothing":        {"", false, false, 0, 0},
	} {
		var w whole
		if w.read([]byte(tt.output), tt.success); w.ok() != tt.ok || w.tests != tt.tests || len(w.others) != tt.others {
			t.Errorf("%s: ok %t, %d tests passed, %d did not", name, w.ok(), w.tests, len(w.others))
		}
	}
}

// sample is a proof in which everything went well.
func sample() *proof {
	s := &suite{name: "poller"}
	p := &proof{seed: 7}
	for _, f := range faults {
		p.rows = append(p.rows, row{faultCase{f.number, s, "TestX"}, outcome{passed: true, took: time.Second, attrs: map[string]string{"figure": "a|b"}}})
	}
	p.suites = wholes()
	for i := range p.suites {
		p.suites[i].read([]byte(wholePassed), true)
	}
	for _, m := range mutants {
		p.mutants = append(p.mutants, kill{mutant: m, outcome: outcome{failed: true}})
	}
	for _, m := range details {
		p.details = append(p.details, kill{mutant: m, outcome: outcome{failed: true}})
	}
	return p
}

func TestGreen(t *testing.T) {
	if !sample().green() {
		t.Error("all is well, and it is not green")
	}
	for name, spoil := range map[string]func(p *proof){
		"missing fault":        func(p *proof) { p.rows[3].suite = nil },
		"failed case":          func(p *proof) { p.rows[29].passed = false },
		"suite failed":         func(p *proof) { p.suites[1].failed = true },
		"suite not run":        func(p *proof) { p.suites[1] = wholes()[1] },
		"mutant alive":         func(p *proof) { p.mutants[0].failed, p.mutants[0].passed = false, true },
		"mutant missing":       func(p *proof) { p.mutants[0] = kill{mutant: mutant{name: "x"}} },
		"patch does not apply": func(p *proof) { p.mutants[0].problem = "it no longer applies" },
		"detail alive":         func(p *proof) { p.details[0].failed, p.details[0].passed = false, true },
		"one of two alive": func(p *proof) {
			p.mutants = append(p.mutants, kill{mutant: p.mutants[0].mutant, outcome: outcome{passed: true}})
		},
		"does not build": func(p *proof) { p.broken = []string{"poller does not build"} },
	} {
		p := sample()
		if spoil(p); p.green() {
			t.Errorf("%s: it is green", name)
		}
	}
}

func TestDocument(t *testing.T) {
	p := sample()
	p.rows[3].suite = nil
	p.rows[4].attrs["measured"] = "1 to 3 ms"
	if !strings.Contains(p.rows[4].line(), "a|b; 1 to 3 ms") {
		t.Errorf("the line does not say what was measured: %s", p.rows[4].line())
	}
	promises := map[string]bool{}
	for _, m := range mutants {
		promises[m.name] = true
	}
	text := p.text(machine{date: "today", commit: "abc", cpu: "cpu", kernel: "linux/amd64", versions: []string{"1", "2", "3"}})
	for _, want := range []string{
		`<a id="f01"></a>F01`, "| `no_gap` | ″ | `cmd/bridge` TestF26Stops | killed |", `<a id="f30"></a>F30`, `<a id="g8"></a>G8`, "| commit | abc |", `a\|b`, fmt.Sprintf("%d/%d cases ok", len(faults)-1, len(faults)), "missing", "F31",
		"7/7 suites ok", "| `go test -tags permissions ./cmd/bridge` |", "| ok | 2 |", fmt.Sprintf("**%[1]d/%[1]d**", len(promises)),
	} {
		if !strings.Contains(text, want) {
			t.Errorf("the document does not say %s", want)
		}
	}
	if strings.Contains(text, "1 to 3 ms") || strings.Contains(text, "1.0 s") {
		t.Error("the document says what was measured in one run")
	}
	for line := range strings.Lines(text) {
		if n := strings.Count(strings.ReplaceAll(line, `\|`, ""), "|"); strings.HasPrefix(line, "| <a id=\"f") && n != 10 {
			t.Errorf("a row has %d bars: %s", n, line)
		}
	}
}

func TestOrder(t *testing.T) {
	s := &suite{name: "b", tests: []string{"TestF02Z", "TestF02A", "TestF99X", "TestOther", "TestF01Long", "TestF99No"}}
	f := &found{suites: map[string]*suite{"b": s, "a": {name: "a", tests: []string{"TestF02M"}}}}
	var got []string
	for _, c := range f.cases(func(int) bool { return true }) {
		got = append(got, c.suite.name+"."+c.test)
	}
	if want := []string{"b.TestF01Long", "a.TestF02M", "b.TestF02A", "b.TestF02Z"}; !slices.Equal(got, want) {
		t.Errorf("the cases are %v, want %v", got, want)
	}

	var running, most atomic.Int32
	var order []int
	each(context.Background(), 3, 20, func(int) {
		most.Store(max(most.Load(), running.Add(1)))
		running.Add(-1)
	}, func(i int) { order = append(order, i) })
	if !slices.IsSorted(order) || len(order) != 20 || most.Load() > 3 {
		t.Errorf("%d at once, in the order %v", most.Load(), order)
	}
}

func TestEveryFaultIsKnown(t *testing.T) {
	for i, f := range faults {
		if f.number < 1 || f.number > 99 || i > 0 && f.number <= faults[i-1].number {
			t.Errorf("fault %d stands behind %d", f.number, faults[max(i-1, 0)].number)
		}
	}
	for _, g := range guarantees {
		for _, n := range g.faults {
			if titleOf(n) == "" {
				t.Errorf("%s names fault %d", g.name, n)
			}
		}
	}
}

func TestFlags(t *testing.T) {
	s, err := parse([]string{"-only", "F03,f8", "-seed", "9"})
	if err != nil || !s.wants(3) || !s.wants(8) || s.wants(1) || s.seed != 9 {
		t.Errorf("got %+v, %v", s, err)
	}
	if _, err := parse([]string{"-only", "F99"}); err == nil {
		t.Error("F99 is taken")
	}
	r := runner{settings: s, out: &bytes.Buffer{}}
	if !r.wantsMutant(mutant{test: "TestF08X"}) || r.wantsMutant(mutant{test: "TestF01X"}) || r.wantsMutant(mutant{test: "TestX"}) {
		t.Error("-only does not choose the mutants")
	}
	if s, err = parse([]string{"-mutant", "no_gap"}); err != nil || !s.wantsMutant(mutant{name: "no_gap"}) || s.wantsMutant(mutant{name: "no_fence"}) || s.all() {
		t.Errorf("-mutant: %+v, %v", s, err)
	}
}
