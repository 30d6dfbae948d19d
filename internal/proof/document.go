package main

import (
	"cmp"
	"context"
	"fmt"
	"os"
	"os/exec"
	"regexp"
	"runtime"
	"slices"
	"strings"
	"time"
)

// proof is the result of a whole run.
type proof struct {
	seed    uint64
	rows    []row
	suites  []whole
	mutants []kill
	details []kill   // the mutants of smaller rules
	broken  []string // packages that don't build
}

func (p *proof) green() bool {
	for _, r := range p.rows {
		if r.status() != "ok" {
			return false
		}
	}
	for _, w := range p.suites {
		if !w.ok() {
			return false
		}
	}
	killed, of := killedOf(slices.Concat(p.mutants, p.details))
	return killed == of && len(p.broken) == 0
}

// machine is where and of what the proof was made.
type machine struct {
	date, commit, cpu, kernel string
	versions                  []string // of Go and of NATS
}

func lookAround(ctx context.Context) machine {
	m := machine{date: time.Now().UTC().Format("2006-01-02 15:04 MST"), cpu: "unknown", kernel: runtime.GOOS + "/" + runtime.GOARCH}
	m.commit = output(ctx, "git", "rev-parse", "--short=12", "HEAD")
	if output(ctx, "git", "status", "--porcelain", "--", ".", ":!docs/proof.md") != "" {
		m.commit += " with uncommitted changes"
	}
	text, _ := os.ReadFile("/proc/cpuinfo") // only there on Linux
	if found := regexp.MustCompile(`model name\s*: (.*)`).FindSubmatch(text); found != nil {
		m.cpu = string(found[1])
	}
	m.versions = []string{strings.TrimPrefix(runtime.Version(), "go")}
	for _, module := range []string{"github.com/nats-io/nats-server/v2", "github.com/nats-io/nats.go"} {
		m.versions = append(m.versions, strings.TrimPrefix(output(ctx, "go", "list", "-m", "-f", "{{.Version}}", module), "v"))
	}
	return m
}

func output(ctx context.Context, name string, args ...string) string {
	out, err := exec.CommandContext(ctx, name, args...).Output()
	if err != nil {
		return "unknown"
	}
	return strings.TrimSpace(string(out))
}

// write makes the document.
func (p *proof) write(ctx context.Context, path string) error {
	return os.WriteFile(path, []byte(p.text(lookAround(ctx))), 0o644)
}

func (p *proof) text(m machine) string {
	var b strings.Builder
	w := func(format string, a ...any) { fmt.Fprintf(&b, format+"\n", a...) }
	w("# Proof\n\nWritten by `make faults`; do not edit. What each fault is, and what must hold, is in the second table.\n")
	w("| | |\n|---|---|")
	for _, line := range [][2]string{
		{"date", m.date}, {"commit", m.commit}, {"seed", fmt.Sprint(p.seed)}, {"CPU", fmt.Sprintf("%s, %d cores", m.cpu, runtime.NumCPU())},
		{"system", m.kernel}, {"Go", m.versions[0]}, {"nats-server", m.versions[1]}, {"nats.go", m.versions[2]},
		{"result", p.summary()},
	} {
		w("| %s | %s |", line[0], cell(line[1]))
	}
	p.results(w)
	p.whole(w)
	w("\n## What each fault is\n\n| fault | what is done | what must hold |\n|---|---|---|")
	for _, f := range faults {
		w("| [F%02d](#f%02[1]d) | %s | %s |", f.number, f.title, f.invariant)
	}
	w("\n## The promises and the faults that try them\n\n| promise | | faults |\n|---|---|---|")
	for _, g := range guarantees {
		var links []string
		for _, n := range g.faults {
			links = append(links, fmt.Sprintf("[F%02d](#f%02[1]d)", n))
		}
		w("| <a id=%q></a>%s | %s | %s |", strings.ToLower(g.name), g.name, g.promise, strings.Join(links, " "))
	}
	p.killed(w)
	w("\n## Not tested\n")
	for _, line := range notTested {
		w("- %s", line)
	}
	for _, line := range p.broken {
		first, _, _ := strings.Cut(line, "\n")
		w("- **Not built in this run:** %s", cell(first))
	}
	return b.String()
}

func (p *proof) summary() string {
	ok := 0
	for _, r := range p.rows {
		if r.status() == "ok" {
			ok++
		}
	}
	whole := 0
	for _, w := range p.suites {
		if w.ok() {
			whole++
		}
	}
	killed, of := killedOf(p.mutants)
	smaller, ofSmaller := killedOf(p.details)
	return fmt.Sprintf("%d/%d cases ok, %d/%d suites ok, mutants killed %d/%d, of details %d/%d", ok, len(p.rows), whole, len(p.suites), killed, of, smaller, ofSmaller)
}

func (p *proof) results(w func(string, ...any)) {
	w("\n## Results\n\nGaps are expected/recorded. A dash: the case does not count that.\n")
	w("| fault | case | result | tries | lost | duplicated | misordered | gaps | figure |")
	w("|---|---|---|---|---|---|---|---|---|")
	last := 0
	for _, r := range p.rows {
		name := fmt.Sprintf("F%02d", r.fault)
		if r.fault != last {
			name = fmt.Sprintf("<a id=%q></a>%s", strings.ToLower(name), name)
		}
		last = r.fault
		cells := []string{name, "–", r.status()}
		if r.suite != nil {
			cells[1] = "`" + r.suite.name + "` " + r.test
		}
		for _, key := range []string{"tries", "lost", "duplicated", "misordered", "gaps", "figure"} {
			cells = append(cells, cell(cmp.Or(r.attrs[key], "–")))
		}
		w("| %s |", strings.Join(cells, " | "))
	}
}

func (p *proof) whole(w func(string, ...any)) {
	w("\n## Suites\n\nAll tests of a package, under a build tag that changes what they run on.\n")
	w("| suite | what it shows | result | tests |\n|---|---|---|---|")
	for _, s := range p.suites {
		tests := fmt.Sprint(s.tests)
		if len(s.others) > 0 {
			tests += ", not " + strings.Join(s.others, ", ")
		}
		w("| `%s` | %s | %s | %s |", s.command(), cell(s.shows), s.status(), tests)
	}
}

func (p *proof) killed(w func(string, ...any)) {
	killed, of := killedOf(p.mutants)
	w("\n## The tests bite\n\nEach promise is broken on purpose, in a copy of the source, and the test named must turn red: **%d/%d**.\n", killed, of)
	table(w, p.mutants)
	killed, of = killedOf(p.details)
	w("\nSo is each of these rules inside one part, or of the simulator: **%d/%d**.\n", killed, of)
	table(w, p.details)
}

func table(w func(string, ...any), kills []kill) {
	w("| mutant | what is promised, and what it does instead | test | result |\n|---|---|---|---|")
	last := ""
	for _, k := range kills {
		promise := cell(k.promise)
		if k.name == last {
			promise = "″"
		}
		last = k.name
		w("| `%s` | %s | `%s` %s | %s |", k.name, promise, k.suite, k.test, strings.ToLower(k.status()))
	}
}

// cell keeps a text from ending its cell.
func cell(text string) string {
	return strings.NewReplacer("|", "\\|", "\n", " ", "<", "&lt;").Replace(text)
}
